/** The api-server's listener: TLS, HTTP/1.1 and HTTP/2. */
import { once } from 'node:events';
import { ServerResponse, type IncomingMessage } from 'node:http';
import http2, { type Http2ServerResponse } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { methodNotAllowed } from '../../../api/machinery/status-error.ts';
import { guarded } from '../../../client/guard.ts';
import type { Logger } from '../../../client/logger.ts';
import { endConnection, MAX_HEADER_BYTES } from '../../../client/upgrade.ts';
import { limitConnections, LISTENER_OPTIONS } from './listener-limits.ts';
import type { Request, Response } from './message.ts';
import { RequestQueue } from './request-queue.ts';
import { rawResponse } from './status-responses.ts';
import { Upgrade } from './upgrade.ts';

/**
 * Upstream limits only their bytes. An impersonating proxy sends a header per group; Node.js's limit is 1,000, and 128 for
 * HTTP/2.
 */
const MAX_HEADERS = 10_000;

export interface ListenerOptions {
  /** PEM. `clientCA` signs client certificates. */
  readonly tls: { readonly cert: string | Buffer; readonly key: string | Buffer; readonly clientCA: string | Buffer };
  /** Default: all addresses. */
  readonly address?: string;
  /** 0: any free port. */
  readonly port: number;
  readonly onRequest: (request: Request, response: Response, upgrade?: Upgrade) => void;
  /** Whether a request that asks to upgrade its connection may; for all others the `Upgrade` header is ignored. */
  readonly upgrades: (request: IncomingMessage) => boolean;
  readonly logger: Logger;
}

export interface Listener {
  readonly port: number;
  /** Replaces the serving certificate, for new connections. */
  setCertificate(cert: string | Buffer, key: string | Buffer): void;
  /** Stops accepting connections; resolves when the last one has closed. */
  close(): Promise<void>;
  destroyConnections(): void;
}

/** Resolves when the server is listening. */
export async function listen(options: ListenerOptions): Promise<Listener> {
  const { tls, logger } = options;
  const requests = new RequestQueue();
  let isClosing = false;
  /** Of HTTP/1.1, whose connections clients keep: one that is sent its next request while it is closed has that fail. */
  class ClosingResponse extends ServerResponse {
    override writeHead(...head: readonly unknown[]): this {
      if (isClosing) this.shouldKeepAlive = false;
      return (super.writeHead as (...head: readonly unknown[]) => this)(...head);
    }
  }
  const onStreamError = (error: Error): void => logger.debug({ err: error }, 'request or response interrupted');
  const onRequest = (request: Request, response: Response, upgrade?: Upgrade): void => {
    // An emitter without an error listener throws its errors. A client that disconnects is noticed by 'close'.
    request.on('error', onStreamError);
    response.on('error', onStreamError);
    if ('stream' in request) {
      if (request.stream.session) requests.take(request.stream.session, () => options.onRequest(request, response));
    } else if (response.socket) {
      options.onRequest(request, response, upgrade);
    } else {
      // Pipelined: another response still owns the socket.
      requests.wait(request.socket, () => options.onRequest(request, response));
    }
  };

  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on('error', onStreamError);
    const upgrade = new Upgrade(request, socket, head);
    onRequest(request, upgrade.response, upgrade);
  };

  /** CONNECT is not supported. */
  const refuseTunnel = (_request: Request, connection: Duplex | Http2ServerResponse): void => {
    const { status } = methodNotAllowed();
    connection.on('error', onStreamError);
    if ('writeHead' in connection) {
      connection.writeHead(405, { 'Content-Type': 'application/json' });
      connection.end(JSON.stringify(status));
    } else endConnection(connection, rawResponse(status));
  };

  const server = http2.createSecureServer({
    allowHTTP1: true,
    Http1ServerResponse: ClosingResponse,
    cert: tls.cert,
    key: tls.key,
    ca: tls.clientCA,
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
    ...LISTENER_OPTIONS,
    settings: { ...LISTENER_OPTIONS.settings, maxHeaderListSize: MAX_HEADER_BYTES },
    maxHeaderListPairs: MAX_HEADERS,
  } as http2.SecureServerOptions);
  limitConnections(server);
  // Limits for HTTP/1.1 headers (exec puts its command in the URL). Node.js has no options for them, only properties.
  Object.assign(server, {
    maxHeaderSize: MAX_HEADER_BYTES,
    maxHeadersCount: MAX_HEADERS,
    shouldUpgradeCallback: options.upgrades,
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    socket.setNoDelay(true);
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('request', onRequest);
  server.on(
    'upgrade',
    guarded(onUpgrade, (error, _request, socket) => {
      // Pipelined behind a request whose response is still to come: the connection is no longer this one's to take.
      logger.debug({ err: error }, 'upgrade rejected');
      socket.destroy();
    }),
  );
  server.on(
    'connect',
    guarded(refuseTunnel, (error) => logger.error({ err: error }, 'failed to reject CONNECT request')),
  );
  server.on('tlsClientError', (error: Error) => logger.debug({ err: error }, 'TLS handshake failed'));
  server.on('sessionError', (error: Error) => logger.debug({ err: error }, 'HTTP/2 session failed'));
  server.listen(options.port, options.address);
  await once(server, 'listening');
  server.on('error', (error) => logger.error({ err: error }, 'listener failed'));

  return {
    port: (server.address() as AddressInfo).port,
    setCertificate: (cert, key) => server.setSecureContext({ cert, key, ca: tls.clientCA }),
    close: () => {
      isClosing = true;
      return new Promise((resolve) => server.close(() => resolve()));
    },
    destroyConnections: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}
