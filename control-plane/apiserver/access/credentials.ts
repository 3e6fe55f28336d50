/** The credentials of a request: of its connection and its headers. */
import type { TLSSocket } from 'node:tls';
import { unauthorized } from '../../../api/machinery/status-error.ts';
import type { Credentials } from '../http/user.ts';
import type { Request } from '../http/message.ts';

type ClientCertificate = NonNullable<Credentials['clientCertificate']>;

/** Client certificates are parsed once per connection. */
export class ConnectionCredentials {
  readonly #certificates = new WeakMap<object, { readonly certificate: Presented }>();

  /** Throws a 401 StatusError for a client whose only credential is an invalid certificate. */
  of(request: Request): Credentials {
    const { headers } = request;
    const clientCertificate = this.#certificate(request);
    if (clientCertificate === 'invalid') {
      if (!headers.authorization) throw unauthorized();
      return { headers };
    }
    return clientCertificate ? { headers, clientCertificate } : { headers };
  }

  #certificate(request: Request): Presented {
    const session = 'stream' in request ? request.stream.session : undefined;
    const connection = session ?? request.socket;
    const known = this.#certificates.get(connection);
    if (known) return known.certificate;
    const certificate = read((session?.socket ?? request.socket) as TLSSocket);
    this.#certificates.set(connection, { certificate });
    return certificate;
  }
}

type Presented = ClientCertificate | 'invalid' | undefined;

/** Only an unexpired certificate that the client CA has signed is a credential. */
function read(socket: TLSSocket): Presented {
  const certificate = socket.getPeerX509Certificate();
  if (!certificate) return undefined;
  return socket.authorized ? { subject: certificate.subject, raw: certificate.raw } : 'invalid';
}
