/** The credentials of a request: of its connection and its headers. */
import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { unauthorized } from '../../../api/machinery/status-error.ts';
import type { Credentials, PresentedCertificate } from '../http/user.ts';
import type { Request } from '../http/message.ts';
import { isIssuedBy } from './issued-by.ts';

/** The CAs whose certificates the listener takes. One of proxies in front must not be able to make users. */
export interface CertificateAuthorities {
  readonly clients: readonly X509Certificate[];
  readonly proxies: readonly X509Certificate[];
}

/** What a connection has presented. */
interface Presented {
  readonly client?: PresentedCertificate;
  readonly proxy?: PresentedCertificate;
}

/** Client certificates are parsed once per connection. */
export class ConnectionCredentials {
  readonly #certificates = new WeakMap<object, Presented | 'invalid'>();
  readonly #authorities: CertificateAuthorities | undefined;

  /** @param authorities absent: TLS takes certificates of clients only */
  constructor(authorities?: CertificateAuthorities) {
    this.#authorities = authorities;
  }

  /** Throws a 401 StatusError for a client whose only credential is an invalid certificate. @param path decoded */
  of(request: Request, path: string): Credentials {
    const { headers } = request;
    const presented = this.#certificate(request);
    if (presented === 'invalid') {
      if (!headers.authorization) throw unauthorized();
      return { headers, path };
    }
    const { client, proxy } = presented;
    if (proxy) {
      const { rawHeaders } = request;
      return { headers, path, proxy: { certificate: proxy, rawHeaders }, ...(client && { clientCertificate: client }) };
    }
    return client ? { headers, path, clientCertificate: client } : { headers, path };
  }

  #certificate(request: Request): Presented | 'invalid' {
    const session = 'stream' in request ? request.stream.session : undefined;
    const connection = session ?? request.socket;
    const known = this.#certificates.get(connection);
    if (known) return known;
    const presented = this.#read((session?.socket ?? request.socket) as TLSSocket);
    this.#certificates.set(connection, presented);
    return presented;
  }

  /** Only an unexpired certificate that one of the CAs has signed is a credential. */
  #read(socket: TLSSocket): Presented | 'invalid' {
    const certificate = socket.getPeerX509Certificate();
    if (!certificate) return NOTHING;
    if (!socket.authorized) return 'invalid';
    const presented = { subject: certificate.subject, raw: certificate.raw };
    if (!this.#authorities) return { client: presented };
    const { clients, proxies } = this.#authorities;
    const isClient = isIssuedBy(certificate, clients);
    const isProxy = isIssuedBy(certificate, proxies);
    if (!isClient && !isProxy) return 'invalid';
    return { ...(isClient && { client: presented }), ...(isProxy && { proxy: presented }) };
  }
}

const NOTHING: Presented = {};
