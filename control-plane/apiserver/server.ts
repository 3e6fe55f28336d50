/** The parts that serve requests, put together: paths, verbs and connectors behind the router, the router behind the listener. */
import type { IncomingMessage } from 'node:http';
import { flowSchemas } from '../../api/kinds/flowcontrol/flow-schema.ts';
import type { Logger } from '../../client/logger.ts';
import type { Tracer } from '../../daemon/tracing/tracer.ts';
import type { Authenticator } from './access/authentication/authenticator.ts';
import type { Authorizer } from './access/authorization/authorizer.ts';
import { ConnectionCredentials, type CertificateAuthorities } from './access/credentials.ts';
import { AccessMetrics } from './access/metrics.ts';
import type { Auditor } from './audit/auditor.ts';
import { Pipeline } from './admission/pipeline.ts';
import type { AdmissionPlugin, AdmissionTimings } from './admission/plugin.ts';
import type { ApiCore } from './core.ts';
import { discoveryHandler } from './documents/discovery-handlers.ts';
import { healthHandler, type Check } from './documents/health.ts';
import { ApiServerMetrics, type WriteMetrics } from './documents/metrics.ts';
import { openApiHandler } from './documents/openapi-handlers.ts';
import type { RemoteDiscovery } from './documents/remote-discovery.ts';
import type { RemoteOpenApi } from './documents/remote-openapi.ts';
import { documentsHandler, indexHandler, versionHandler, type PublicDocument } from './documents/paths.ts';
import { DEFAULT_IN_FLIGHT_LIMITS, RequestFairness, type InFlightLimits } from './fairness/request-fairness.ts';
import { listen, type Listener, type ListenerOptions } from './http/listener.ts';
import { parseRequestInfo, type RequestInfo } from './http/request-info.ts';
import { Responder } from './http/responder.ts';
import { mayUpgrade } from './http/upgrade.ts';
import { Router } from './router.ts';
import { bindPod } from './verbs/actions/binding.ts';
import { evictPod } from './verbs/actions/eviction.ts';
import { ComponentStatuses } from './verbs/component-statuses.ts';
import { computedVerbs, type ComputedObjects } from './verbs/computed-objects.ts';
import { createVerb } from './verbs/create.ts';
import { deleteCollectionVerb } from './verbs/delete-collection.ts';
import { deleteVerb } from './verbs/delete.ts';
import { getVerb } from './verbs/get.ts';
import type { Handlers, PathHandler, PodAction, VerbHandler, VerbHandlers } from './verbs/handlers.ts';
import { ListServer } from './verbs/list.ts';
import { patchVerb } from './verbs/patch.ts';
import { scaleVerb } from './verbs/scale.ts';
import { updateVerb } from './verbs/update.ts';
import { WatchServer } from './verbs/watch.ts';

/** How long requests may go on when the server stops. */
const SHUTDOWN_GRACE_MS = 10_000;

/** What other servers serve behind this one. */
export interface Aggregated {
  readonly discovery: RemoteDiscovery;
  readonly openApi: RemoteOpenApi;
  readonly serve: PathHandler;
  readonly takes: (info: RequestInfo) => boolean;
  readonly metrics: WriteMetrics;
}

const NOT_AGGREGATED: Aggregated = {
  discovery: { versions: () => [] },
  openApi: { revision: 0, specs: () => [], hashes: () => new Map(), document: () => undefined },
  serve: () => false,
  takes: () => false,
  metrics: () => undefined,
};

export interface ServeOptions extends Pick<ListenerOptions, 'tls' | 'address' | 'port'> {
  readonly core: ApiCore;
  readonly authenticators: readonly Authenticator[];
  /** Where TLS takes certificates of others than clients, too. */
  readonly authorities?: CertificateAuthorities | undefined;
  readonly authorizer: Authorizer;
  readonly admission: readonly AdmissionPlugin[];
  readonly admissionTimings?: AdmissionTimings;
  readonly handlers: Omit<Handlers, 'actions'> & { readonly actions: Omit<Handlers['actions'], PodAction> };
  /** The web console's files, where they are served. */
  readonly console?: PathHandler | undefined;
  /** More JSON documents, by path. */
  readonly documents?: ReadonlyMap<string, PublicDocument>;
  /** Upstream's, when absent. */
  readonly limits?: InFlightLimits;
  /** Group versions of other servers. */
  readonly aggregated?: Aggregated;
  /** The objects of kinds that are not stored, besides ComponentStatuses. */
  readonly computed?: readonly ComputedObjects[];
  /** More paths. */
  readonly paths?: readonly PathHandler[];
  /** More checks of `/livez`, `/readyz` and `/healthz`. */
  readonly checks?: readonly Check[];
  /** More of `/metrics`. */
  readonly metrics?: readonly WriteMetrics[];
  /** Those of other threads: `elsewhere` of `MetricsSources`. */
  readonly metricsElsewhere?: () => Promise<string>;
  /** What traces requests; absent: nothing is traced. */
  readonly tracer?: Tracer | undefined;
  /** Of authentication and authorization. */
  readonly accessMetrics?: AccessMetrics;
  /** What records requests; it is the caller's to close. */
  readonly auditor?: Auditor | undefined;
  readonly logger: Logger;
}

export interface ApiServer extends Pick<Listener, 'port' | 'setCertificate'> {
  /** From now on `/readyz` says so: the objects that every cluster has are there. */
  setReady(): void;
  /** Refuses new requests, ends watches, lets others finish for a while. */
  close(): Promise<void>;
}

function createVerbs(
  { registry, writer, api }: ApiCore,
  pipeline: Pipeline,
  watches: WatchServer,
  more: readonly ComputedObjects[],
): VerbHandlers {
  const lists = new ListServer(registry);
  const get = getVerb(registry);
  const list: VerbHandler = (request, resource) => lists.serve(request, resource);
  const computed = new Map(
    [new ComponentStatuses(registry, api), ...more].map((each) => [each.kind, computedVerbs(each, lists)]),
  );
  return {
    get: (request, resource, part) => (computed.get(resource.kind)?.get ?? get)(request, resource, part),
    list: (request, resource) => (computed.get(resource.kind)?.list ?? list)(request, resource),
    watch: (request, resource) => watches.serve(request, resource),
    create: createVerb(pipeline, writer),
    update: updateVerb(pipeline, writer),
    patch: patchVerb(pipeline, writer),
    delete: deleteVerb(pipeline, writer),
    deletecollection: deleteCollectionVerb(registry, pipeline, writer, lists),
  };
}

function podActions(core: ApiCore): Pick<Handlers['actions'], PodAction> {
  const bind = bindPod(core.registry, core.writer);
  return { bindings: bind, 'pods/binding': bind, 'pods/eviction': evictPod(core) };
}

/** Resolves when the server listens. */
export async function serve(options: ServeOptions): Promise<ApiServer> {
  const { core, authenticators, authorizer, admission, handlers, tls, logger } = options;
  const stopping = new AbortController();
  const watches = new WatchServer(core.registry, stopping.signal);
  const fairness = new RequestFairness(options.limits ?? DEFAULT_IN_FLIGHT_LIMITS);
  if (core.registry.kinds.of(flowSchemas)) fairness.configuration.follow(core.api);
  const accessMetrics = options.accessMetrics ?? new AccessMetrics();
  const pipeline = new Pipeline({
    gate: { authenticators, authorizer },
    credentials: new ConnectionCredentials(options.authorities),
    fairness,
    admission: { plugins: admission, timings: options.admissionTimings },
    auditor: options.auditor,
    metrics: accessMetrics,
    tracer: options.tracer,
  });
  const aggregated = options.aggregated ?? NOT_AGGREGATED;
  const metrics = new ApiServerMetrics({
    kinds: core.registry.kinds,
    watches,
    inFlight: fairness,
    more: [
      ...(options.metrics ?? []),
      ...(options.auditor ? [options.auditor.writeMetrics] : []),
      accessMetrics.write,
      core.metrics.write,
      fairness.write,
      aggregated.metrics,
    ],
    elsewhere: options.metricsElsewhere ?? (() => Promise.resolve('')),
  });
  let ready = false;
  const { kinds } = core.registry;
  const documents = options.documents ?? new Map<string, PublicDocument>();
  const paths = [
    healthHandler(core.registry, stopping.signal, () => ready, options.checks ?? []),
    aggregated.serve,
    discoveryHandler(kinds, aggregated.discovery),
    openApiHandler(kinds, aggregated.openApi),
    versionHandler,
    ...(options.paths ?? []),
    documentsHandler(documents),
    indexHandler(kinds, documents),
    metrics.handler,
    ...(options.console ? [options.console] : []),
  ];
  const router = new Router({
    kinds,
    pipeline,
    verbs: createVerbs(core, pipeline, watches, options.computed ?? []),
    scale: scaleVerb(pipeline, core.writer),
    handlers: { ...handlers, actions: { ...handlers.actions, ...podActions(core) } },
    paths,
    pathUpgrades: (info) => aggregated.takes(info),
  });
  const responder = new Responder({ route: (exchange) => router.route(exchange), kinds, metrics, logger });
  const upgrades = (request: IncomingMessage): boolean => {
    try {
      if (!mayUpgrade(request)) return false;
      const info = parseRequestInfo(request.method ?? 'GET', request.url ?? '/');
      return router.upgrades(info, request.headers.upgrade?.toLowerCase() ?? '');
    } catch (error) {
      // What is wrong with the request is told by the ordinary way of answering it.
      logger.debug({ err: error }, 'upgrade rejected');
      return false;
    }
  };
  const { address, port } = options;
  const listener = await listen({ tls, address, port, onRequest: responder.respond, upgrades, logger });
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
      fairness[Symbol.dispose]();
      await closed;
    },
  };
}
