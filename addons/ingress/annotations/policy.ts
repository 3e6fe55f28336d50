/** What annotations ask for, as values that have been checked: nothing below is text that has not been parsed. */
import type { Cidr } from '../../../api/domain/address.ts';
import type { TextTemplate } from './template.ts';

export type Protocol = 'HTTP' | 'HTTPS' | 'GRPC' | 'GRPCS';

/** Every field is absent unless an annotation has set it. Times are in seconds, sizes in bytes. */
export interface Policy {
  readonly rewriteTarget?: TextTemplate;
  readonly useRegex?: boolean;
  readonly appRoot?: string;
  readonly sslRedirect?: boolean;
  readonly forceSslRedirect?: boolean;
  readonly permanentRedirect?: TextTemplate;
  readonly permanentRedirectCode?: number;
  readonly temporalRedirect?: TextTemplate;
  readonly temporalRedirectCode?: number;

  readonly bodySize?: number;
  readonly connectTimeout?: number;
  readonly readTimeout?: number;
  readonly sendTimeout?: number;

  readonly protocol?: Protocol;
  readonly serviceUpstream?: boolean;
  readonly upstreamHost?: string;
  readonly leastConnections?: boolean;
  readonly hashBy?: HashKey;
  readonly tlsVerify?: boolean;
  readonly tlsSecret?: string;
  readonly tlsName?: string;
  readonly tlsSni?: boolean;

  readonly allowedSources?: readonly Cidr[];
  readonly deniedSources?: readonly Cidr[];

  readonly limitRps?: number;
  readonly limitRpm?: number;
  readonly limitConnections?: number;
  readonly limitBurst?: number;
  readonly limitExempt?: readonly Cidr[];

  readonly affinity?: 'cookie';
  readonly cookieName?: string;
  readonly cookiePath?: string;
  readonly cookieDomain?: string;
  readonly cookieMaxAge?: number;
  readonly cookieSecure?: boolean;
  readonly cookieSameSite?: 'Lax' | 'Strict' | 'None';

  readonly cors?: boolean;
  readonly corsOrigins?: readonly string[];
  readonly corsMethods?: readonly string[];
  readonly corsHeaders?: readonly string[];
  readonly corsExposed?: readonly string[];
  readonly corsCredentials?: boolean;
  readonly corsMaxAge?: number;

  readonly authType?: 'basic';
  readonly authSecret?: string;
  readonly authSecretType?: 'auth-file' | 'auth-map';
  readonly authRealm?: string;

  readonly authTarget?: AuthTarget;
  readonly authMethod?: string;
  readonly authSignin?: TextTemplate;
  readonly authResponseHeaders?: readonly string[];
  readonly authRequestRedirect?: TextTemplate;
  readonly authRequestHeaders?: string;

  readonly clientCa?: string;
  readonly clientVerify?: 'on' | 'optional' | 'off';
  readonly clientCertificateHeader?: boolean;

  readonly canary?: boolean;
  readonly canaryWeight?: number;
  readonly canaryTotal?: number;
  readonly canaryHeader?: string;
  readonly canaryHeaderValue?: string;
  readonly canaryCookie?: string;

  readonly aliases?: readonly string[];
  readonly forwardedPrefix?: string;
  readonly customHeaders?: string;
}

/** Who is asked whether a request is allowed. */
export interface AuthTarget {
  readonly uri: TextTemplate;
  /** Undefined: the host of the request, at this proxy. */
  readonly service: AuthService | undefined;
}

export interface AuthService {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly port: number;
  /** When the host is an IP address. */
  readonly address: string | undefined;
}

/** What consistent hashing looks at. */
export type HashKey =
  | { readonly of: 'uri' | 'path' | 'host' | 'source' }
  | { readonly of: 'header' | 'cookie' | 'parameter'; readonly name: string };
