import { unauthorized } from '../../../../api/machinery/status-error.ts';
import { ANONYMOUS, type Credentials, type User } from '../../http/user.ts';
import type { Authenticator } from './authenticator.ts';
import type { ClientCertificateAuthenticator } from './client-certificate.ts';
import { InvalidTokenError, type TokenAuthenticator } from './token-authenticator.ts';

const BEARER = /^bearer +([^ ]+)$/i;
/** The subprotocol in which WebSockets of browsers, which cannot set headers, carry a token. */
const WEBSOCKET_BEARER = /(?:^|,)\s*base64url\.bearer\.authorization\.k8s\.io\.([A-Za-z0-9_-]+)\s*(?:,|$)/;

/** The bearer token of a request; undefined when there is none. */
export function bearerToken({ headers }: Credentials): string | undefined {
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
  /** Whether requests without credentials are accepted as system:anonymous. */
  readonly anonymous: boolean;
}

/** The user of a request: by client certificate, then by bearer token, else system:anonymous. Invalid credentials are a 401. */
export class RequestAuthenticator implements Authenticator {
  readonly #options: RequestAuthenticatorOptions;

  constructor(options: RequestAuthenticatorOptions) {
    this.#options = options;
  }

  authenticate(credentials: Credentials): User {
    const { clientCertificates, tokens, audiences, anonymous } = this.#options;
    const certified = clientCertificates.authenticate(credentials);
    if (certified) return certified;
    const token = bearerToken(credentials);
    if (token !== undefined) {
      const user = this.#userOf(token, tokens, audiences);
      if (user) return user;
      throw unauthorized();
    }
    if (!anonymous) throw unauthorized();
    return ANONYMOUS;
  }

  #userOf(token: string, tokens: TokenAuthenticator, audiences: readonly string[]): User | undefined {
    try {
      return tokens.authenticateToken(token, audiences)?.user;
    } catch (error) {
      if (error instanceof InvalidTokenError) return undefined;
      throw error;
    }
  }
}
