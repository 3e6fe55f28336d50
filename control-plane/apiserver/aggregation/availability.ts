/**
 * Whether other API servers can be reached: the condition Available of each APIService, and what discovery shows of it. Upstream's
 * `availableConditionController`, whose reasons and messages these are.
 */
import { apiServices, AVAILABLE } from '../../../api/kinds/apiregistration/api-service.ts';
import { services } from '../../../api/kinds/core/service.ts';
import { endpointSlices, SERVICE_NAME_LABEL } from '../../../api/kinds/discovery/endpoint-slice.ts';
import { Extent } from '../../../api/machinery/extent.ts';
import { isConflict, isNotFound } from '../../../api/machinery/status-error.ts';
import { timeOf } from '../../../api/machinery/time.ts';
import type { APIServiceCondition } from '../../../api/types/apiregistration/v1.gen.ts';
import type { Service } from '../../../api/types/core/v1.gen.ts';
import { withDeadline } from '../../../client/deadline.ts';
import type { Logger } from '../../../client/logger.ts';
import type { KeyPair } from '../../pki/pem-files.ts';
import type { LocalApi } from '../catalogue/local-api.ts';
import { remoteVersion, type RemoteVersion } from '../documents/remote-discovery.ts';
import { backendUrl, dialFailure } from '../nodes/backend.ts';
import { sendRequest } from '../nodes/relay.ts';
import { remoteUserHeaders } from './aggregation-proxy.ts';
import { boundedBody } from '../nodes/bounded-body.ts';
import type { AvailabilityMetrics } from './metrics.ts';
import { remoteBackend, type RemoteApi, type RemoteApis, type ResolveService } from './remote-apis.ts';

/** Upstream's. */
const RECHECK_MS = 30_000;
const DISCOVERY_LIMIT_MS = 5_000;
const MAX_DISCOVERY_BYTES = 4 * 1024 * 1024;
const DEFAULT_PORT = 443;
/** As whom upstream asks for discovery and OpenAPI. */
export const AGGREGATOR = { name: 'system:kube-aggregator', groups: ['system:masters'] };

type Verdict = Pick<APIServiceCondition, 'status' | 'reason' | 'message'>;

const unavailable = (reason: string, message: string): Verdict => ({ status: 'False', reason, message });

export interface AvailabilityOptions {
  readonly api: Pick<LocalApi, 'get' | 'list' | 'subscribe' | 'updateStatus'>;
  readonly apis: RemoteApis;
  readonly resolve: ResolveService;
  readonly identity: () => KeyPair;
  /** Called whenever a server has answered. */
  readonly onPassed: (remote: RemoteApi) => void;
  readonly metrics: AvailabilityMetrics;
  readonly logger: Pick<Logger, 'error'>;
  /** Ends the checks. */
  readonly signal: AbortSignal;
}

/** What a Service and its slices say of an APIService; undefined when nothing speaks against it. */
export function serviceVerdict(
  { service: { namespace = '', name = '', port = DEFAULT_PORT } }: Pick<RemoteApi, 'service'>,
  api: Pick<LocalApi, 'get' | 'list'>,
): Verdict | undefined {
  const where = `${JSON.stringify(`service/${name}`).slice(1, -1)} in ${JSON.stringify(namespace)}`;
  const service = api.get<Service>(services, namespace, name);
  if (!service) return unavailable('ServiceNotFound', `${where} is not present`);
  const { type, ports = [] } = service.spec ?? {};
  // Nothing is known of what is outside of the cluster.
  if (type === 'ExternalName') return undefined;
  const found = ports.find((candidate) => candidate.port === port);
  if (!found) return unavailable('ServicePortError', `${where} is not listening on port ${port}`);
  const slices = api
    .list(endpointSlices, namespace)
    .filter(({ metadata }) => metadata?.labels?.[SERVICE_NAME_LABEL] === name);
  if (slices.length === 0) return unavailable('EndpointsNotFound', `cannot find endpointslices for ${where}`);
  const portName = found.name ?? '';
  const isReady = slices.some(
    (slice) =>
      (slice.ports ?? []).some((candidate) => (candidate.name ?? '') === portName) &&
      (slice.endpoints ?? []).some(({ conditions }) => conditions?.ready !== false),
  );
  if (isReady) return undefined;
  return unavailable(
    'MissingEndpoints',
    `endpointslices for ${where} have no addresses with port name ${JSON.stringify(portName)}`,
  );
}

export class Availability {
  readonly #options: AvailabilityOptions;
  /** The APIServices being checked; true: something has changed meanwhile. */
  readonly #running = new Map<string, boolean>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: AvailabilityOptions) {
    this.#options = options;
  }

  /** Checks what changes, and all of them every 30 s as long as there are any. */
  start(): void {
    const { api, apis, metrics, signal } = this.#options;
    const ofService = (namespace: string, name: string | undefined): void => {
      if (apis.isEmpty) return;
      for (const { name: remote, service } of apis.all)
        if (service.namespace === namespace && service.name === name) this.#check(remote);
    };
    api.subscribe(services, ({ namespace, name }) => ofService(namespace, name));
    api.subscribe(endpointSlices, ({ namespace, object }) => {
      // A deleted slice does not say whose it was.
      const name = object?.metadata?.labels?.[SERVICE_NAME_LABEL];
      for (const { name: remote, service } of apis.isEmpty ? [] : apis.all)
        if (service.namespace === namespace && (name === undefined || service.name === name)) this.#check(remote);
    });
    apis.onChange((name) => {
      if (!apis.get(name)) metrics.removed(name);
      this.#schedule();
      this.#check(name);
    });
    this.#schedule();
    for (const { name } of apis.all) this.#check(name);
    signal.addEventListener('abort', () => clearInterval(this.#timer), { once: true });
  }

  #schedule(): void {
    const { apis, signal } = this.#options;
    if (apis.isEmpty || signal.aborted) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    this.#timer ??= setInterval(() => {
      for (const { name } of apis.all) this.#check(name);
    }, RECHECK_MS);
  }

  /** One check of an APIService at a time. */
  #check(name: string): void {
    if (this.#options.signal.aborted) return;
    const isRunning = this.#running.has(name);
    this.#running.set(name, isRunning);
    if (!isRunning) void this.#work(name);
  }

  /** Never rejects. */
  async #work(name: string): Promise<void> {
    const { apis, signal, logger } = this.#options;
    let again = true;
    while (again && !signal.aborted) {
      this.#running.set(name, false);
      const remote = apis.get(name);
      try {
        if (remote) await this.#write(name, await this.#verdict(remote));
      } catch (error) {
        if (!signal.aborted && !isNotFound(error) && !isConflict(error))
          logger.error({ err: error, apiService: name }, 'failed to update availability of API service');
      }
      again = this.#running.get(name) ?? false;
    }
    this.#running.delete(name);
  }

  async #verdict(remote: RemoteApi): Promise<Verdict> {
    const { api, apis, resolve, identity, signal } = this.#options;
    const verdict = serviceVerdict(remote, api);
    if (verdict) {
      apis.discovered(remote.name, undefined);
      return verdict;
    }
    const path = `/apis/${remote.group}/${remote.version}`;
    let where = `https://${remote.service.name}.${remote.service.namespace}.svc${path}`;
    try {
      const backend = remoteBackend(remote, resolve, identity());
      const url = backendUrl(backend, path, '');
      where = url.href;
      const what = `GET ${where}`;
      const document = await withDeadline({ what, limitMs: DISCOVERY_LIMIT_MS, signal }, async (callee) => {
        try {
          return await readDiscovery(remote, await this.#get(backend, url, callee));
        } catch (error) {
          throw new Error(`Get ${JSON.stringify(where)}: ${dialFailure(backend, error)}`, { cause: error });
        }
      });
      apis.discovered(remote.name, document);
      this.#options.onPassed(remote);
      return { status: 'True', reason: 'Passed', message: 'all checks passed' };
    } catch (error) {
      apis.discovered(remote.name, undefined);
      const why = error instanceof Error ? error.message : String(error);
      return unavailable('FailedDiscoveryCheck', `failing or missing response from ${where}: ${why}`);
    }
  }

  #get(backend: ReturnType<typeof remoteBackend>, url: URL, signal: AbortSignal) {
    const headers = { accept: 'application/json', ...remoteUserHeaders(AGGREGATOR) };
    return sendRequest({ backend, url, method: 'GET', headers, signal });
  }

  async #write(name: string, verdict: Verdict): Promise<void> {
    const { api, metrics } = this.#options;
    const object = api.get(apiServices, '', name);
    if (!object?.spec?.service) return;
    const conditions = object.status?.conditions ?? [];
    const before = conditions.find(({ type }) => type === AVAILABLE);
    metrics.checked(name, before?.status === 'True', verdict.status === 'True', verdict.reason ?? '');
    if (before?.status === verdict.status && before.reason === verdict.reason && before.message === verdict.message)
      return;
    const since = before?.status === verdict.status ? before.lastTransitionTime : timeOf(Date.now());
    const condition = { type: AVAILABLE, ...verdict, lastTransitionTime: since };
    const others = conditions.filter(({ type }) => type !== AVAILABLE);
    await api.updateStatus(apiServices, {
      ...object,
      status: { ...object.status, conditions: [...others, condition] },
    });
  }
}

async function readDiscovery(
  { group, version }: RemoteApi,
  answer: Awaited<ReturnType<typeof sendRequest>>,
): Promise<RemoteVersion> {
  const code = answer.statusCode ?? 0;
  if (code < 200 || code >= 300) {
    answer.destroy();
    throw new Error(`bad status from discovery: ${code}`);
  }
  const body = await boundedBody(answer, MAX_DISCOVERY_BYTES, 'the discovery document');
  const document: unknown = JSON.parse(body.toString());
  Extent.of(document);
  return remoteVersion(group, version, document);
}
