/** The api-server's listener: TLS, HTTP/1.1 and HTTP/2, and the order in which its parts are put together. */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import http2, { type Http2ServerResponse } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Kind } from '../../api/machinery/kind.ts';
import { methodNotAllowed, noSuchPath, timeout as timedOut, StatusError } from '../../api/machinery/status-error.ts';
import type { Status } from '../../api/meta/status.ts';
import { guarded } from '../../client/guard.ts';
import type { Logger } from '../../client/logger.ts';
import { LONGEST_HEAD_BYTES } from '../../client/upgrade.ts';
import type { Actions } from './http/action.ts';
import type { AdmissionPlugin } from './admission/plugin.ts';
import type { Authenticator } from './access/authentication/authenticator.ts';
import type { Authorizer } from './access/authorization/authorizer.ts';
import type { ApiCore } from './core.ts';
import { ConnectionCredentials } from './access/credentials.ts';
import { Exchange, type Request, type Response } from './http/exchange.ts';
import { authenticate, authorize } from './access/gate.ts';
import { ObjectHandlers } from './verbs/object-handlers.ts';
import { noCustomResources } from './documents/custom-resources.ts';
import { discoveryHandler } from './documents/discovery-handlers.ts';
import { healthHandler } from './documents/health.ts';
import { ApiServerMetrics } from './documents/metrics.ts';
import { openApiHandler } from './documents/openapi-handlers.ts';
import { documentsHandler, indexHandler, versionHandler, type PublicDocument } from './documents/paths.ts';
import { ListServer } from './verbs/list.ts';
import { BodyMemory } from './http/body-memory.ts';
import { DEFAULT_IN_FLIGHT_LIMITS, MaxInFlight, type InFlightLimits } from './http/max-in-flight.ts';
import { limitConnections, LISTENER_OPTIONS } from './http/listener-limits.ts';
import { BodyParser } from './http/request-body.ts';
import { parseRequestInfo } from './http/request-info.ts';
import { requestTimeoutMs } from './http/request-timeout.ts';
import { RequestTurns } from './http/request-turns.ts';
import { Router } from './router.ts';
import { sendStatus, statusOf, unforeseen } from './http/status-answers.ts';
import { Subresources } from './verbs/subresources.ts';
import { UnreadAnswers } from './http/unread-answers.ts';
import { WatchServer } from './verbs/watch.ts';
import { abandonRequest, ClientGoneError, isClosed } from './http/back-pressure.ts';

/** How long requests may go on when the server stops. */
const SHUTDOWN_GRACE_MS = 10_000;
/** Upstream bounds their bytes alone. A proxy that acts for users sends one for each group; Node takes 1,000, and 128 of HTTP/2. */
const MOST_HEADERS = 10_000;

export interface ServeOptions {
  readonly core: ApiCore;
  readonly authenticators: readonly Authenticator[];
  readonly authorizer: Authorizer;
  readonly admission: readonly AdmissionPlugin[];
  readonly actions: Actions;
  /** More JSON documents, by path. */
  readonly documents?: ReadonlyMap<string, PublicDocument>;
  /** PEM. `clientCA` signs the certificates of clients. */
  readonly tls: { readonly cert: string | Buffer; readonly key: string | Buffer; readonly clientCA: string | Buffer };
  /** 127.0.0.1 and the like; all addresses when absent. */
  readonly address?: string;
  /** 0: any free port. */
  readonly port: number;
  /** Upstream's, when absent. */
  readonly limits?: InFlightLimits;
  readonly logger: Logger;
}

export interface ApiServer {
  readonly port: number;
  /** From now on `/readyz` says so: the objects that every cluster has are there. */
  setReady(): void;
  /** Takes new serving certificates into use, for connections from now on. */
  setCertificate(cert: string | Buffer, key: string | Buffer): void;
  /** Refuses new requests, ends watches, lets others finish for a while. */
  close(): Promise<void>;
}

/** Resolves when the server listens. */
export async function serve(options: ServeOptions): Promise<ApiServer> {
  const { core, authenticators, authorizer, admission, actions, tls, logger } = options;
  const stopping = new AbortController();
  const gate = { authenticators, authorizer };
  const credentials = new ConnectionCredentials();
  const objects = new ObjectHandlers(core.registry, core.writer, admission, gate);
  const watches = new WatchServer(core.registry, stopping.signal);
  const subresources = new Subresources({
    registry: core.registry,
    writer: core.writer,
    objects,
    api: core.api,
    actions,
  });
  const inFlight = new MaxInFlight(options.limits ?? DEFAULT_IN_FLIGHT_LIMITS);
  const metrics = new ApiServerMetrics(core.registry, watches, inFlight);
  let ready = false;
  const kinds = core.registry.resources.map(({ kind }) => kind);
  const documents = options.documents ?? new Map<string, PublicDocument>();
  const paths = [
    healthHandler(core, stopping.signal, () => ready),
    discoveryHandler(kinds),
    openApiHandler(kinds),
    versionHandler,
    documentsHandler(documents),
    noCustomResources(() => core.registry.revision),
    indexHandler(indexedPaths(kinds, documents)),
    metrics.handler,
  ];
  const router = new Router({
    registry: core.registry,
    gate,
    credentials,
    inFlight,
    objects,
    lists: new ListServer(core.registry),
    watches,
    subresources,
    actions,
    paths,
  });
  const bodies = new BodyParser();
  const memory = new BodyMemory();
  const answering = new Set<Response>();
  const unread = new UnreadAnswers();

  const answer = (request: Request, response: Response): void | Promise<void> => {
    if (isClosed(response)) return;
    let exchange: Exchange;
    try {
      exchange = new Exchange(
        request,
        response,
        parseRequestInfo(request.method ?? 'GET', request.url ?? '/'),
        bodies,
        memory,
      );
    } catch (error) {
      exchange = new Exchange(request, response, parseRequestInfo('GET', '/'), bodies, memory);
      fail(exchange, error);
      return unread.add(request, response);
    }
    const startedAt = performance.now();
    let done: void | Promise<void> = undefined;
    let timeoutMs: number | undefined;
    try {
      timeoutMs = requestTimeoutMs(exchange.info);
      done = router.route(exchange);
    } catch (error) {
      fail(exchange, error);
    }
    if (done) return follow(exchange, done, startedAt, timeoutMs);
    metrics.answered(exchange, (performance.now() - startedAt) / 1000);
    unread.add(request, response);
  };

  /** A request without a time limit is a long-running one. */
  const follow = async (
    exchange: Exchange,
    done: Promise<void>,
    startedAt: number,
    timeoutMs: number | undefined,
  ): Promise<void> => {
    const { request, response } = exchange;
    answering.add(response);
    const longRunning = timeoutMs === undefined;
    const late = guarded(
      () => expire(exchange),
      (error) => abandon(error, request, response),
    );
    const timer = longRunning ? undefined : setTimeout(late, timeoutMs);
    const uncount = longRunning ? metrics.longRunning(exchange) : undefined;
    try {
      await done;
    } catch (error) {
      fail(exchange, error);
    } finally {
      clearTimeout(timer);
      uncount?.();
      exchange.forgetBody();
      answering.delete(response);
      metrics.answered(exchange, longRunning ? undefined : (performance.now() - startedAt) / 1000);
      unread.add(request, response);
    }
  };

  const expire = (exchange: Exchange): void => {
    fail(exchange, requestTimeout());
    abandonRequest(exchange.request, exchange.response);
  };

  const fail = (exchange: Exchange, error: unknown): void => {
    const { response, info } = exchange;
    if (error instanceof ClientGoneError || isClosed(response)) return;
    let status = statusOf(error);
    if (!status) {
      status = unforeseen(error);
      logger.error({ err: error, verb: info.verb, path: info.path, auditId: exchange.auditId }, 'request failed');
    }
    if (response.headersSent) response.destroy();
    else sendStatus(exchange, status);
  };

  /** The last resort, where even the answer to a failure has failed. */
  const abandon = (error: unknown, { method, url }: Request, response: Response): void => {
    logger.error({ err: error, method, path: url }, 'failed to respond to request');
    response.destroy();
  };

  const turns = new RequestTurns();
  const startRequest = guarded(answer, abandon);
  const onRequest = (request: Request, response: Response): void => {
    // An emitter that nobody listens to throws what it fails with. A client that went away is noticed by its closing.
    request.on('error', onStreamError);
    response.on('error', onStreamError);
    if ('stream' in request) {
      if (request.stream.session) turns.take(request.stream.session, () => startRequest(request, response));
    } else if (response.socket) {
      startRequest(request, response);
    } else {
      // Pipelined: the socket is still another response's.
      turns.wait(request.socket, () => startRequest(request, response));
    }
  };

  const onStreamError = (error: Error): void => logger.debug({ err: error }, 'request or response interrupted');

  /** Whether a request that offers to upgrade its connection is taken at its word; to all others the offer is void. */
  const upgrades = (request: IncomingMessage): boolean => {
    try {
      return router.connectorFor(parseRequestInfo(request.method ?? 'GET', request.url ?? '/')) !== undefined;
    } catch (error) {
      // What is wrong with the request is told by the ordinary way of answering it.
      logger.debug({ err: error }, 'upgrade rejected');
      return false;
    }
  };

  const onUpgrade = async (request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> => {
    socket.on('error', (error) => logger.debug({ err: error }, 'upgraded connection failed'));
    const info = parseRequestInfo(request.method ?? 'GET', request.url ?? '/');
    const user = await authenticate(gate, credentials.of(request));
    const acting = authorize(gate, user, info, request);
    const connector = router.connectorFor(info);
    if (!connector) throw noSuchPath();
    await connector.upgrade(request, socket, head, info, acting);
  };

  const refuseUpgrade = (error: unknown, request: IncomingMessage, socket: Duplex): void => {
    const status = statusOf(error) ?? unforeseen(error);
    if (!(error instanceof StatusError)) logger.error({ err: error, path: request.url }, 'upgrade failed');
    if (socket.writable) socket.end(rawAnswer(status));
  };

  /** A tunnel through this server to somewhere else. */
  const refuseTunnel = (_request: Request, connection: Duplex | Http2ServerResponse): void => {
    const { status } = methodNotAllowed();
    if ('writeHead' in connection) connection.writeHead(405, { 'Content-Type': 'application/json' });
    connection.on('error', onStreamError);
    connection.end('writeHead' in connection ? JSON.stringify(status) : rawAnswer(status));
  };

  const server = http2.createSecureServer({
    allowHTTP1: true,
    cert: tls.cert,
    key: tls.key,
    ca: tls.clientCA,
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
    ...LISTENER_OPTIONS,
    settings: { ...LISTENER_OPTIONS.settings, maxHeaderListSize: LONGEST_HEAD_BYTES },
    maxHeaderListPairs: MOST_HEADERS,
  } as http2.SecureServerOptions);
  limitConnections(server);
  // Of HTTP/1.1, in which commands come. Node reads them off the server; there are no such options.
  Object.assign(server, {
    maxHeaderSize: LONGEST_HEAD_BYTES,
    maxHeadersCount: MOST_HEADERS,
    shouldUpgradeCallback: upgrades,
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    socket.setNoDelay(true);
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('request', onRequest);
  server.on('upgrade', guarded(onUpgrade, refuseUpgrade));
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
    setReady: () => {
      ready = true;
    },
    setCertificate: (cert, key) => server.setSecureContext({ cert, key, ca: tls.clientCA }),
    close: async () => {
      stopping.abort();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      const deadline = performance.now() + SHUTDOWN_GRACE_MS;
      while (answering.size > 0 && performance.now() < deadline) await new Promise((resume) => setTimeout(resume, 10));
      for (const socket of sockets) socket.destroy();
      unread.close();
      await closed;
    },
  };
}

function indexedPaths(kinds: readonly Kind[], documents: ReadonlyMap<string, PublicDocument>): string[] {
  const groups = kinds
    .filter(({ group }) => group !== '')
    .flatMap(({ group, version }) => [`/apis/${group}`, `/apis/${group}/${version}`]);
  const fixed = [
    '/api',
    '/api/v1',
    '/apis',
    '/healthz',
    '/livez',
    '/metrics',
    '/openapi/v2',
    '/openapi/v3',
    '/readyz',
    '/version',
  ];
  return [...new Set([...fixed, ...groups, ...documents.keys()])].sort();
}

const requestTimeout = () => timedOut('Timeout: request did not complete within the allotted timeout', 1);

function rawAnswer(status: Status): string {
  const body = `${JSON.stringify(status)}\n`;
  return (
    `HTTP/1.1 ${status.code ?? 500} \r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
    `Connection: close\r\n\r\n${body}`
  );
}
