/** A real HTTPS server of the test, with a CA of its own: webhooks and aggregated APIs. */
import { createServer, type Server } from 'node:https';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAuthority, issueCertificate } from '../../../control-plane/pki/signing.ts';

const HOUR_MS = 3_600_000;

export interface HttpsServer extends AsyncDisposable {
  readonly server: Server;
  readonly port: number;
  readonly url: string;
  /** The CA in PEM, base64: as configurations have it. */
  readonly caBundle: string;
}

export interface HttpsServerOptions {
  /** Of its certificate. */
  readonly names?: readonly string[];
  readonly host?: string;
  /** Whether clients are asked for a certificate, whoever has signed it. */
  readonly requestCert?: boolean;
}

export async function startHttpsServer(
  listener: RequestListener,
  { names = ['127.0.0.1', 'localhost'], host = '127.0.0.1', requestCert = false }: HttpsServerOptions = {},
): Promise<HttpsServer> {
  const now = Date.now();
  const authority = await createAuthority('test', now);
  const usages = ['digital signature', 'server auth'];
  const { certificate, key } = await issueCertificate(authority, {
    commonName: 'test',
    names,
    usages,
    lifetimeMs: HOUR_MS,
    now,
  });
  const server = createServer({ cert: certificate, key, requestCert, rejectUnauthorized: false }, listener);
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  return {
    server,
    port,
    url: `https://${host}:${port}`,
    caBundle: Buffer.from(authority.certificate).toString('base64'),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export async function readJson(request: IncomingMessage): Promise<unknown> {
  return JSON.parse(Buffer.concat(await request.toArray()).toString());
}

export function sendJson(response: ServerResponse, value: unknown): void {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(value));
}
