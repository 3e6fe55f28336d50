/**
 * A port that answers GET, for load balancers, probes and scrapers that expect what Kubernetes' components serve on ports of their own.
 * While another program has the port, it is tried again.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { Logger } from '../client/logger.ts';
import { Outage } from '../client/outage.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** PEM texts. With a CA, clients are asked for a certificate of it; they need not have one. */
export interface PortCertificate {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string;
}

export interface HttpPortOptions {
  readonly port: number;
  /** All addresses when absent. */
  readonly address?: string;
  /** Without TLS when absent. */
  readonly certificate?: PortCertificate;
  /** For a path without its query; undefined for one that is not there. */
  readonly answer: (path: string, request: IncomingMessage) => HttpAnswer | undefined | Promise<HttpAnswer | undefined>;
  /** What is served, and for what, in the log. */
  readonly fields: object;
  readonly logger: Logger;
  /** Called when it cannot be listened on; not again while that lasts. */
  readonly onError?: (error: Error) => void;
  /** Pause before it is tried again. */
  readonly retryMs?: number;
}

const RETRY_MS = 10_000;
/** Anybody may connect: these keep what strangers can hold small. */
const LIMITS = {
  headersTimeout: 5_000,
  requestTimeout: 5_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
};
const HANDSHAKE = { handshakeTimeout: 5_000 };
const MAX_CONNECTIONS = 128;
const MAX_HEADER_BYTES = 8 * 1024;

export class HttpPort implements Disposable {
  readonly #options: HttpPortOptions;
  readonly #server: Server | TlsServer;
  readonly #outage: Outage;
  #retry: NodeJS.Timeout | undefined;
  #isFailing = false;

  constructor(options: HttpPortOptions) {
    const { logger, fields, port, retryMs = RETRY_MS } = options;
    this.#options = options;
    this.#outage = new Outage({ logger, level: 'error' });
    const limits = { ...LIMITS, maxHeaderSize: MAX_HEADER_BYTES };
    const answer = (request: IncomingMessage, response: ServerResponse): void => this.#answer(request, response);
    this.#server = options.certificate
      ? createTlsServer({ ...limits, ...HANDSHAKE, ...clientsOf(options.certificate) }, answer)
      : createServer(limits, answer);
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.on('error', (error) => {
      this.#outage.failed(error, { ...fields, port, retryMs }, 'failed to listen');
      if (!this.#isFailing) options.onError?.(error);
      this.#isFailing = true;
      this.#retry = setTimeout(() => this.#listen(), retryMs).unref();
    });
    this.#server.on('listening', () => {
      this.#isFailing = false;
      this.#outage.ended({ ...fields, port }, 'listening again');
    });
    this.#listen();
  }

  /** New connections get the new certificate; open ones are kept. Only for a port that has had one from the start. */
  replaceCertificate({ cert, key, ca }: PortCertificate): void {
    if ('setSecureContext' in this.#server) this.#server.setSecureContext({ cert, key, ca });
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#retry);
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #listen(): void {
    const { port, address } = this.#options;
    this.#server.listen({ port, ...(address !== undefined && { host: address }) });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { method, url = '/' } = request;
    if (method !== 'GET' && method !== 'HEAD') return send(response, notAllowed);
    const [path = '/'] = url.split('?');
    Promise.resolve()
      .then(() => this.#options.answer(path, request))
      .then((answer) => send(response, answer ?? notFound))
      .catch((error: unknown) => {
        this.#options.logger.error({ ...this.#options.fields, path, err: error }, 'failed to answer');
        response.destroy();
      });
  }
}

/** Without a CA nobody is asked: Node.js would take any certificate of a public one. */
const clientsOf = ({ cert, key, ca }: PortCertificate) => ({
  ...{ cert, key },
  ...(ca !== undefined && { ca, requestCert: true, rejectUnauthorized: false }),
});

const plain = (status: number, body: string): HttpAnswer => ({ status, type: 'text/plain; charset=utf-8', body });
const notFound = plain(404, '404 page not found\n');
const notAllowed = plain(405, 'Method Not Allowed\n');

function send(response: ServerResponse, { status, type, body, headers }: HttpAnswer): void {
  response.writeHead(status, { 'content-type': type, 'x-content-type-options': 'nosniff', ...headers }).end(body);
}
