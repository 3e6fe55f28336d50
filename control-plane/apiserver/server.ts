/** The parts that serve requests, put together: paths, verbs and connectors behind the router, the router behind the listener. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { noSuchPath, StatusError } from '../../api/machinery/status-error.ts';
import { guarded } from '../../client/guard.ts';
import type { Logger } from '../../client/logger.ts';
import type { Authenticator } from './access/authentication/authenticator.ts';
import type { Authorizer } from './access/authorization/authorizer.ts';
import { ConnectionCredentials } from './access/credentials.ts';
import { authenticate, authorize } from './access/gate.ts';
import type { AdmissionPlugin } from './admission/plugin.ts';
import type { ApiCore } from './core.ts';
import { noCustomResources } from './documents/custom-resources.ts';
import { discoveryHandler } from './documents/discovery-handlers.ts';
import { healthHandler } from './documents/health.ts';
import { ApiServerMetrics } from './documents/metrics.ts';
import { openApiHandler } from './documents/openapi-handlers.ts';
import { documentsHandler, indexHandler, versionHandler, type PublicDocument } from './documents/paths.ts';
import type { Actions } from './http/action.ts';
import { listen, type Listener, type ListenerOptions } from './http/listener.ts';
import { DEFAULT_IN_FLIGHT_LIMITS, MaxInFlight, type InFlightLimits } from './http/max-in-flight.ts';
import { parseRequestInfo } from './http/request-info.ts';
import { Responder } from './http/responder.ts';
import { rawAnswer, statusOf, unforeseen } from './http/status-answers.ts';
import { Router } from './router.ts';
import { ListServer } from './verbs/list.ts';
import { ObjectHandlers } from './verbs/object-handlers.ts';
import { Subresources } from './verbs/subresources.ts';
import { WatchServer } from './verbs/watch.ts';

/** How long requests may go on when the server stops. */
const SHUTDOWN_GRACE_MS = 10_000;

export interface ServeOptions extends Pick<ListenerOptions, 'tls' | 'address' | 'port'> {
  readonly core: ApiCore;
  readonly authenticators: readonly Authenticator[];
  readonly authorizer: Authorizer;
  readonly admission: readonly AdmissionPlugin[];
  readonly actions: Actions;
  /** More JSON documents, by path. */
  readonly documents?: ReadonlyMap<string, PublicDocument>;
  /** Upstream's, when absent. */
  readonly limits?: InFlightLimits;
  readonly logger: Logger;
}

export interface ApiServer extends Pick<Listener, 'port' | 'setCertificate'> {
  /** From now on `/readyz` says so: the objects that every cluster has are there. */
  setReady(): void;
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
    healthHandler(core.registry, stopping.signal, () => ready),
    discoveryHandler(kinds),
    openApiHandler(kinds),
    versionHandler,
    documentsHandler(documents),
    noCustomResources(() => core.registry.revision),
    indexHandler(kinds, documents),
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
  const responder = new Responder({ route: (exchange) => router.route(exchange), metrics, logger });
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

  const { address, port } = options;
  const onRequest = responder.respond;
  const listener = await listen({
    ...{ tls, address, port, onRequest, upgrades, logger },
    onUpgrade: guarded(onUpgrade, refuseUpgrade),
  });
  return {
    port: listener.port,
    setReady: () => {
      ready = true;
    },
    setCertificate: (cert, key) => listener.setCertificate(cert, key),
    close: async () => {
      stopping.abort();
      const closed = listener.close();
      await responder.settled(SHUTDOWN_GRACE_MS);
      listener.destroyConnections();
      responder.close();
      await closed;
    },
  };
}
