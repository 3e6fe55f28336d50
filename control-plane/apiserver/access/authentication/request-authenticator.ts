import { unauthorized } from '../../../../api/machinery/status-error.ts';
import { ANONYMOUS, type Credentials, type User } from '../../http/user.ts';
import type { Authenticator } from './authenticator.ts';
import type { ClientCertificateAuthenticator } from './client-certificate.ts';
import type { RequestHeaderAuthenticator } from './request-headers.ts';
import { InvalidTokenError, type TokenAnswer, type TokenAuthenticator } from './token-authenticator.ts';

const BEARER = /^bearer +([^ ]+)$/i;
/** The subprotocol in which WebSockets of browsers, which cannot set headers, carry a token. */
const WEBSOCKET_BEARER = /(?:^|,)\s*base64url\.bearer\.authorization\.k8s\.io\.([A-Za-z0-9_-]+)\s*(?:,|$)/;

/** The bearer token of a request; undefined when there is none. */
export function bearerToken({ headers }: Pick<Credentials, 'headers'>): string | undefined {
  const header = headers.authorization;
  if (header !== undefined) return BEARER.exec(header.trim())?.[1];
  const protocols = headers['sec-websocket-protocol'];
  const encoded = protocols === undefined ? undefined : WEBSOCKET_BEARER.exec(protocols)?.[1];
  return encoded === undefined ? undefined : Buffer.from(encoded, 'base64url').toString();
}

export interface RequestAuthenticatorOptions {
  readonly clientCertificates: ClientCertificateAuthenticator;
  readonly tokens: TokenAuthenticator;
  /** The audiences that tokens must be valid for. */
  readonly audiences: readonly string[];
  /** Whether a request without credentials, with this path, is accepted as system:anonymous. */
  readonly anonymous: (path: string) => boolean;
  /** Users that a proxy in front has authenticated; they count before anything else. */
  readonly requestHeaders?: Pick<RequestHeaderAuthenticator, 'authenticate'> | undefined;
}

/** The user of a request: by client certificate, then by bearer token, else system:anonymous. Invalid credentials are a 401. */
export class RequestAuthenticator implements Authenticator {
  readonly #options: RequestAuthenticatorOptions;

  constructor(options: RequestAuthenticatorOptions) {
    this.#options = options;
  }

  authenticate(credentials: Credentials): User | Promise<User> {
    const { clientCertificates, tokens, audiences, anonymous, requestHeaders } = this.#options;
    const proxied = requestHeaders?.authenticate(credentials);
    if (proxied) return proxied;
    const certified = clientCertificates.authenticate(credentials);
    if (certified) return certified;
    const token = bearerToken(credentials);
    if (token !== undefined) {
      return this.#userOf(token, tokens, audiences);
    }
    // A proxy that names no user is no user itself.
    if (credentials.proxy || !anonymous(credentials.path)) throw unauthorized();
    return ANONYMOUS;
  }

  #userOf(token: string, tokens: TokenAuthenticator, audiences: readonly string[]): User | Promise<User> {
    try {
      const answer = tokens.authenticateToken(token, audiences);
      return answer instanceof Promise ? answer.then(requireUser, refuse) : requireUser(answer);
    } catch (error) {
      return refuse(error);
    }
  }
}

function requireUser(answer: TokenAnswer): User {
  if (!answer) throw unauthorized();
  return answer.user;
}

/** What is wrong with a token is not told to who has sent it. */
function refuse(error: unknown): never {
  throw error instanceof InvalidTokenError ? unauthorized() : error;
}
