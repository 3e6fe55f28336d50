import { X509Certificate } from 'node:crypto';
import { unauthorized } from '../../../../api/machinery/status-error.ts';
import { authenticated, type Credentials, type User } from '../../http/user.ts';
import type { Authenticator } from './authenticator.ts';

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const ANY_USAGE = '2.5.29.37.0';

interface Identity {
  readonly user: User | undefined;
  readonly expiresAt: number;
}

const values = (field: string | string[] | undefined): string[] =>
  field === undefined ? [] : Array.isArray(field) ? field : [field];

function readIdentity(der: Buffer): Identity {
  const certificate = new X509Certificate(der);
  const expiresAt = certificate.validToDate.getTime();
  const usages = certificate.keyUsage as readonly string[] | undefined;
  if (usages && !usages.includes(CLIENT_AUTH) && !usages.includes(ANY_USAGE)) return { user: undefined, expiresAt };
  // The legacy object has the values separate and unescaped; the text of `subject` would have to be parsed.
  const subject = certificate.toLegacyObject().subject as Record<string, string | string[] | undefined>;
  const name = values(subject['CN']).at(-1);
  return { user: name ? authenticated({ name, groups: values(subject['O']) }) : undefined, expiresAt };
}

/**
 * Users by client certificate: the common name is the user, the organizations are the groups. TLS has verified that the CA
 * issued it; its validity period is checked with every request, since connections are long-lived.
 * https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates
 */
export class ClientCertificateAuthenticator implements Authenticator {
  /** Keyed by the connection's Buffer of the certificate, so that it is parsed once per connection. */
  readonly #identities = new WeakMap<Buffer, Identity>();
  readonly #now: () => number;
  readonly #used: ((secondsLeft: number) => void) | undefined;

  /** @param options.used told how long the certificate of each request is still valid */
  constructor({
    now = Date.now,
    used,
  }: { now?: () => number; used?: ((secondsLeft: number) => void) | undefined } = {}) {
    this.#now = now;
    this.#used = used;
  }

  authenticate({ clientCertificate }: Credentials): User | undefined {
    if (!clientCertificate) return undefined;
    let identity = this.#identities.get(clientCertificate.raw);
    if (!identity) {
      identity = readIdentity(clientCertificate.raw);
      this.#identities.set(clientCertificate.raw, identity);
    }
    const leftMs = identity.expiresAt - this.#now();
    this.#used?.(leftMs / 1000);
    if (!identity.user || leftMs <= 0) throw unauthorized();
    return identity.user;
  }
}
