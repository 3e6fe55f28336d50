/** What a connection and a request's headers say about who is asking. */
import type { TLSSocket } from 'node:tls';
import type { Credentials } from './request.ts';
import type { Request } from './exchange.ts';

type ClientCertificate = NonNullable<Credentials['clientCertificate']>;

/** Client certificates are read once per connection. */
export class ConnectionCredentials {
  readonly #certificates = new WeakMap<object, { readonly certificate: ClientCertificate | undefined }>();

  of(request: Request): Credentials {
    const { headers } = request;
    const clientCertificate = this.#certificate(request);
    return clientCertificate ? { headers, clientCertificate } : { headers };
  }

  #certificate(request: Request): ClientCertificate | undefined {
    const session = 'stream' in request ? request.stream.session : undefined;
    const connection = session ?? request.socket;
    const known = this.#certificates.get(connection);
    if (known) return known.certificate;
    const certificate = read((session?.socket ?? request.socket) as TLSSocket);
    this.#certificates.set(connection, { certificate });
    return certificate;
  }
}

/** Only a certificate that the client CA has signed says anything. */
function read(socket: TLSSocket): ClientCertificate | undefined {
  if (!socket.authorized) return undefined;
  const certificate = socket.getPeerX509Certificate();
  return certificate && { subject: certificate.subject, raw: certificate.raw };
}
