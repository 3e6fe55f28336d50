/**
 * Objects that every cluster has: system namespaces and priority classes, the CA of clients, and the `kubernetes` Service with its
 * endpoints.
 */
import { endpoints } from '../../../api/kinds/core/endpoints.ts';
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { services } from '../../../api/kinds/core/service.ts';
import { endpointSlices, SERVICE_NAME_LABEL, SKIP_MIRROR_LABEL } from '../../../api/kinds/discovery/endpoint-slice.ts';
import { deepEqual } from '../../../api/machinery/deep-equal.ts';
import type { Kind, KubeObject } from '../../../api/machinery/kind.ts';
import { clusterRanges, kubernetesServiceIp } from '../../../api/domain/cluster-ranges.ts';
import { CLUSTER_INFO } from '../../../api/domain/bootstrap-token.ts';
import { CLUSTER_DNS } from '../../../api/domain/cluster-dns.ts';
import { offerClusterDns } from './cluster-dns-service.ts';
import { INGRESS_NAMESPACE } from '../../../api/domain/ingress-addon.ts';
import { NODE_LEASE_NAMESPACE } from '../../../api/domain/node-identity.ts';
import { LOCAL_PATH_CLASS } from '../../../api/domain/local-path.ts';
import { serverUrl } from '../../../api/domain/server-url.ts';
import { TOKEN_TRACKING_CONFIG_MAP } from '../../../api/domain/service-accounts.ts';
import { CLUSTER_CRITICAL, NODE_CRITICAL } from '../../../api/domain/system-priority.ts';
import { validateEndpointIP } from '../../../api/machinery/names.ts';
import { isAlreadyExists, isConflict, StatusError } from '../../../api/machinery/status-error.ts';
import { priorityClasses } from '../../../api/kinds/scheduling/priority-class.ts';
import type { Logger } from '../../../client/logger.ts';
import { CLIENT_CA_CONFIG_MAP, publishClientCa, publishFrontProxyCa } from './extension-authentication.ts';
import { publishTokenTracking } from './legacy-token-tracking.ts';
import { followIngressImage, offerIngress } from './ingress-addon.ts';
import { offerLocalPathClass } from './local-path-class.ts';
import type { LocalApi } from '../catalogue/local-api.ts';
import type { Endpoints, Service } from '../../../api/types/core/v1.gen.ts';
import type { EndpointSlice } from '../../../api/types/discovery/v1.gen.ts';
import { serviceCIDRs } from '../../../api/kinds/networking/service-cidr.ts';
import { DEFAULT_SERVICE_CIDR } from '../storage/allocation/service-ranges.ts';
import { keepClusterInfo } from './cluster-info.ts';
import { markOwnNode } from './control-plane-node.ts';

/** How often it is made sure that nobody has taken these objects away, as upstream. */
const RECONCILE_INTERVAL_MS = 60_000;
/** The same for the Service by which pods reach this server. */
const RECONCILE_SERVICE_INTERVAL_MS = 10_000;
/** A node that has just joined waits for its label with its serving certificate, and so do logs of its pods. */
const RECONCILE_MARK_INTERVAL_MS = 2_000;
const NAMESPACES = ['default', 'kube-system', 'kube-public', NODE_LEASE_NAMESPACE];

export interface BootstrapOptions {
  readonly api: LocalApi;
  /** Where other hosts reach the api-server. */
  readonly advertiseAddress: string;
  /** The addresses of all servers of the cluster. */
  readonly addresses: () => Promise<readonly string[]>;
  readonly port: number;
  /** As `10.43.0.0/16`, or two of different families; the first address of the first is that of the `kubernetes` Service. */
  readonly serviceCIDR: string;
  /** PEM: the CA that clients' certificates are verified against. */
  readonly clientCa: string;
  /** PEM: the CA of the certificate that aggregated API servers are shown. */
  readonly frontProxyCa: string;
  /** Whether clusters start with the storage class `local-path`. */
  readonly localPathClass: boolean;
  /** Whether they start with DNS that the agents serve. */
  readonly clusterDns: boolean;
  /** Whether they start with the controller of Ingresses on every node. */
  readonly ingress: boolean;
  /** Whether this server's own Node is tainted as one of the control plane. */
  readonly taintControlPlane: boolean;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/**
 * Resolves when the objects are there; keeps them there until the signal is aborted. One that cannot be, because somebody has put
 * another in its place (a Service with the address of `kubernetes`), is logged and tried again: whoever may write in a namespace
 * of the system must not be able to keep servers from starting.
 */
export async function bootstrapCluster(options: BootstrapOptions): Promise<void> {
  if (!isReachable(options.advertiseAddress)) {
    options.logger.warn(
      { address: options.advertiseAddress },
      'kubernetes Service has no endpoint: the address is unreachable from other hosts, set advertise-address',
    );
  }
  const reconcile = (objects: (options: BootstrapOptions) => Promise<void>, intervalMs: number): void => {
    const timer = setInterval(() => {
      objects(options).catch((error: unknown) => {
        options.logger.warn({ err: error }, 'failed to reconcile bootstrap objects');
      });
    }, intervalMs);
    options.signal.addEventListener('abort', () => clearInterval(timer), { once: true });
  };
  await ensureObjects(options);
  await ensureService(options);
  reconcile(ensureObjects, RECONCILE_INTERVAL_MS);
  reconcile(ensureService, RECONCILE_SERVICE_INTERVAL_MS);
  if (!isReachable(options.advertiseAddress)) return;
  await ensureMark(options);
  reconcile(ensureMark, RECONCILE_MARK_INTERVAL_MS);
}

/** @throws what is no Status */
async function attempt(logger: Logger, work: Promise<void>, kind: string, name: string): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    // Several servers keep the same objects: what another one has just written is looked at the next time.
    if (isConflict(error) || isAlreadyExists(error))
      logger.debug({ kind, name }, 'bootstrap object written by another server');
    else logger.warn({ err: error, kind, name }, 'failed to reconcile bootstrap object');
  }
}

type Keep = <T extends KubeObject>(kind: Kind<T>, wanted: T, part?: (object: T) => unknown) => Promise<void>;

const keeping =
  ({ api, logger }: BootstrapOptions): Keep =>
  (kind, wanted, part) =>
    attempt(logger, ensure(api, kind, wanted, part), kind.kind, wanted.metadata?.name ?? '');

async function ensureObjects(options: BootstrapOptions): Promise<void> {
  const { api, serviceCIDR, clientCa, frontProxyCa, localPathClass, clusterDns, ingress, logger } = options;
  const keep = keeping(options);
  for (const name of NAMESPACES) await keep(namespaces, { metadata: { name } });
  await attempt(logger, publishClientCa(api, clientCa), 'ConfigMap', CLIENT_CA_CONFIG_MAP);
  await attempt(logger, publishFrontProxyCa(api, frontProxyCa), 'ConfigMap', CLIENT_CA_CONFIG_MAP);
  await attempt(logger, publishTokenTracking(api, Date.now()), 'ConfigMap', TOKEN_TRACKING_CONFIG_MAP);
  await keep(priorityClasses, {
    metadata: { name: CLUSTER_CRITICAL.name },
    value: CLUSTER_CRITICAL.value,
    description:
      'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.',
  });
  await keep(priorityClasses, {
    metadata: { name: NODE_CRITICAL.name },
    value: NODE_CRITICAL.value,
    description: 'Used for system critical pods that must not be moved from their current node.',
  });
  if (localPathClass) await attempt(logger, offerLocalPathClass(api), 'StorageClass', LOCAL_PATH_CLASS);
  if (clusterDns) await attempt(logger, offerClusterDns(api, serviceCIDR), 'Service', CLUSTER_DNS.name);
  if (ingress) {
    await attempt(logger, offerIngress(api), 'DaemonSet', INGRESS_NAMESPACE);
    await attempt(logger, followIngressImage(api), 'DaemonSet', INGRESS_NAMESPACE);
  }
  await attempt(logger, keepServiceCIDR(api, serviceCIDR), serviceCIDRs.kind, DEFAULT_SERVICE_CIDR);
}

/** The object of the server's own ranges. Its first range never changes; a second one of the other family is added to it, as upstream. */
async function keepServiceCIDR(api: LocalApi, serviceCIDR: string): Promise<void> {
  const cidrs = clusterRanges(serviceCIDR).map(({ text }) => text);
  const wanted = { metadata: { name: DEFAULT_SERVICE_CIDR }, spec: { cidrs } };
  await ensure(api, serviceCIDRs, wanted);
  const present = api.get(serviceCIDRs, '', DEFAULT_SERVICE_CIDR);
  const [first, ...others] = present?.spec?.cidrs ?? [];
  if (present && cidrs.length > 1 && others.length === 0 && first === cidrs[0])
    await api.update(serviceCIDRs, { ...present, spec: { cidrs } });
}

async function ensureService(options: BootstrapOptions): Promise<void> {
  const { advertiseAddress, port, serviceCIDR, clientCa } = options;
  const keep = keeping(options);
  await keep(services, kubernetesService(serviceCIDR, port), ({ spec }) => spec?.ports);
  if (!isReachable(advertiseAddress)) return;
  const addresses = (await options.addresses()).filter(isReachable);
  const servers = {
    alive: addresses.map((address) => serverUrl(address, port)),
    own: serverUrl(advertiseAddress, port),
  };
  await attempt(options.logger, keepClusterInfo(options.api, servers, clientCa), 'ConfigMap', CLUSTER_INFO.name);
  await keep(endpoints, kubernetesEndpoints(addresses, port), ({ subsets }) => subsets);
  await keep(endpointSlices, kubernetesEndpointSlice(addresses, port), (slice) => [slice.endpoints, slice.ports]);
}

const ensureMark = ({ api, advertiseAddress, taintControlPlane: taint, logger }: BootstrapOptions): Promise<void> =>
  attempt(logger, markOwnNode(api, advertiseAddress, { taint }), 'Node', advertiseAddress);

/** Whether an endpoint may have the address: not where it means another host to everybody, as a loopback address does. */
const isReachable = (address: string): boolean => validateEndpointIP(address).length === 0;

/** Creates what is missing, and brings back `part` of what is there. */
async function ensure<T extends KubeObject>(
  api: LocalApi,
  kind: Kind<T>,
  wanted: T,
  part?: (object: T) => unknown,
): Promise<void> {
  const { namespace = '', name = '' } = wanted.metadata ?? {};
  const present = api.get(kind, namespace, name);
  if (!present) {
    await api.create(kind, wanted).catch((error: unknown) => {
      if (!isAlreadyExists(error)) throw error;
    });
  } else if (part && !deepEqual(part(present), part(wanted))) {
    const { metadata, ...rest } = wanted;
    await api.update(kind, {
      ...present,
      ...mergedSpec(present, rest),
      metadata: { ...present.metadata, labels: metadata?.labels },
    });
  }
}

/** A Service keeps what it was given when its ports are brought back. */
function mergedSpec(present: object, wanted: object): object {
  const before = (present as { spec?: object }).spec;
  const after = (wanted as { spec?: object }).spec;
  return before && after ? { ...wanted, spec: { ...before, ...after } } : wanted;
}

const kubernetesService = (serviceCIDR: string, port: number): Service => ({
  metadata: {
    name: 'kubernetes',
    namespace: 'default',
    labels: { component: 'apiserver', provider: 'kubernetes' },
  },
  spec: {
    type: 'ClusterIP',
    clusterIP: kubernetesServiceIp(serviceCIDR),
    ports: [{ name: 'https', protocol: 'TCP', port: 443, targetPort: port }],
  },
});

const kubernetesEndpoints = (addresses: readonly string[], port: number): Endpoints => ({
  metadata: {
    name: 'kubernetes',
    namespace: 'default',
    labels: { [SKIP_MIRROR_LABEL]: 'true' },
  },
  subsets: [{ addresses: addresses.map((ip) => ({ ip })), ports: [{ name: 'https', port, protocol: 'TCP' }] }],
});

const kubernetesEndpointSlice = (addresses: readonly string[], port: number): EndpointSlice => ({
  metadata: { name: 'kubernetes', namespace: 'default', labels: { [SERVICE_NAME_LABEL]: 'kubernetes' } },
  addressType: addresses.some((address) => address.includes(':')) ? 'IPv6' : 'IPv4',
  endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
  ports: [{ name: 'https', port, protocol: 'TCP' }],
});
