/** The api-server, put together: what is stored, who may do what, how it is served, and the objects that every cluster has. */
import { readFile } from 'node:fs/promises';
import type { Logger } from 'pino';
import type { ServerBundle } from '../../api/domain/server-join.ts';
import { clusterRanges } from '../../api/domain/cluster-ranges.ts';
import { serverUrl } from '../../api/domain/server-url.ts';
import { readPortRange, type ServerConfig } from '../config.ts';
import type { ClusterPki } from '../pki/cluster-pki.ts';
import type { KubeletIdentity } from '../pki/kubelet-identity.ts';
import type { KeyPair } from '../pki/pem-files.ts';
import type { Store } from '../store/store.ts';
import { GROUPED_KEYS, type KeyLayout } from './catalogue/key-layout.ts';
import { advertisedAddress } from './bootstrap/advertised-address.ts';
import { publishClusterConfiguration } from './bootstrap/cluster-configuration.ts';
import { podSecurityOptions, type PodSecuritySettings } from './admission/pod-security/options.ts';
import { ServerAddresses } from './bootstrap/server-addresses.ts';
import { bootstrapCluster } from './bootstrap/system-objects.ts';
import { offerGatewayApi } from './bootstrap/gateway-api/install.ts';
import { keepFlowControl } from './bootstrap/flow-control.ts';
import { openCore } from './core.ts';
import { openAudit } from './audit/main.ts';
import { readBundle } from './access/issued-by.ts';
import { AccessMetrics } from './access/metrics.ts';
import { openOutsideAuthentication } from './access/authentication/outside.ts';
import { serviceAccountIssuerUrl } from './access/authentication/service-account-issuer.ts';
import type { AuthenticationSettings } from './access/authentication/settings.ts';
import { ConfiguredAuthorizers } from './access/authorization/configured.ts';
import type { AuthorizationSettings } from './access/authorization/settings.ts';
import type { AuditSettings } from './audit/settings.ts';
import { EncryptedStore } from '../store/encrypted/encrypted-store.ts';
import { encryptionHandler } from './documents/encryption.ts';
import { profilingHandler } from './documents/profiling.ts';
import { serverJoinHandler } from './documents/server-join.ts';
import { nodePackagesHandler } from './documents/node-packages.ts';
import { backupHandler } from './documents/backup.ts';
import type { RecordSource } from '../backup/store-pages.ts';
import type { WriteMetrics } from './documents/metrics.ts';
import type { Tracer } from '../../daemon/tracing/tracer.ts';
import { consolePages } from './documents/console-pages.ts';
import { createNodeHandlers } from './nodes/connectors.ts';
import { resourceMetrics } from './nodes/metrics/resource-metrics.ts';
import { NodeBackends } from './nodes/node-backend.ts';
import { keepLocalApiServices } from './aggregation/auto-registration.ts';
import { createAggregation } from './aggregation/main.ts';
import type { ServiceAddress } from './admission/webhooks/webhook-client.ts';
import { AdmissionMetrics } from './admission/metrics.ts';
import { serviceAddress } from './nodes/proxy-target.ts';
import { createSecurity } from './security.ts';
import { serve, type ApiServer } from './server.ts';

export interface ApiServerOptions {
  readonly config: Pick<
    ServerConfig,
    | 'bindAddress'
    | 'port'
    | 'advertiseAddress'
    | 'serviceCidr'
    | 'clusterCidr'
    | 'serviceNodePortRange'
    | 'clusterDomain'
    | 'tokenAuthFile'
    | 'allowPrivileged'
    | 'enforceOwnerReferences'
    | 'localPathClass'
    | 'clusterDns'
    | 'taintControlPlane'
    | 'disable'
    | keyof PodSecuritySettings
    | keyof AuditSettings
    | keyof AuthenticationSettings
    | keyof AuthorizationSettings
    | 'maxRequestsInflight'
    | 'maxMutatingRequestsInflight'
    | 'profiling'
  >;
  readonly pki: ClusterPki;
  /** With which it calls the nodes' API; asked for each connection, since it is renewed. */
  readonly kubeletIdentity: () => KubeletIdentity;
  /** With which it calls aggregated API servers; likewise. */
  readonly frontProxyClient: () => KeyPair;
  readonly store: Store;
  /** Under which keys objects are stored; default: those of the embedded store. */
  readonly keys?: KeyLayout;
  /** What another server of the cluster needs; undefined when there can be none. */
  readonly serverBundle?: (() => Promise<ServerBundle>) | undefined;
  /** What `/backup` serves; without it, there is no such path. */
  readonly backupSource?: RecordSource;
  /** The directory of packages that nodes upgrade to; without it, they are not served. */
  readonly nodePackages?: string;
  /** The directory of the web console's files; without it, they are not served. */
  readonly console?: string | undefined;
  /** Of what is beside it in this process: the store, traces. */
  readonly metrics?: readonly WriteMetrics[];
  /** What traces requests; absent: nothing is traced. */
  readonly tracer?: Tracer | undefined;
  /** The metrics of the other roles of this process; it does not reject. */
  readonly metricsElsewhere?: () => Promise<string>;
  readonly logger: Logger;
  /** Aborted: the start is given up. A started server is closed by `close`. */
  readonly signal: AbortSignal;
}

/** Resolves when the server is ready: it listens, and what every cluster has is there. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  // Requests end before the caches stop following the store, so this is not the caller's signal.
  const stopping = new AbortController();
  try {
    return await start(options, stopping);
  } catch (error) {
    stopping.abort();
    throw error;
  }
}

async function start(options: ApiServerOptions, stopping: AbortController): Promise<ApiServer> {
  const { config, pki, kubeletIdentity, frontProxyClient, store, keys = GROUPED_KEYS, logger, signal } = options;
  const serviceCIDR = config.serviceCidr;
  const network = { serviceCIDR, nodePorts: readPortRange(config.serviceNodePortRange) };
  const core = await openCore({ store, keys, network, logger, signal: stopping.signal });
  const { api } = core;
  const admissionMetrics = new AdmissionMetrics();
  const accessMetrics = new AccessMetrics();
  const resolve = (namespace: string, name: string, port: number): ServiceAddress =>
    serviceAddress(api, namespace, name, port);
  const outside = await openOutsideAuthentication(config, {
    ownIssuer: serviceAccountIssuerUrl(config.clusterDomain),
    logger,
    signal: stopping.signal,
  });
  const { proxyAuthorities } = outside;
  const authorization = await ConfiguredAuthorizers.open(config, { logger, signal: stopping.signal });
  const security = createSecurity({
    api,
    pki,
    tokenFile: config.tokenAuthFile ? await readFile(config.tokenAuthFile, 'utf8') : '',
    outside,
    authorization,
    clusterDomain: config.clusterDomain,
    allowPrivileged: config.allowPrivileged,
    enforceOwnerReferences: config.enforceOwnerReferences,
    podSecurity: podSecurityOptions(config),
    webhooks: { api, kinds: core.registry.kinds, client: core.webhookClient, logger },
    admissionMetrics,
    accessMetrics,
    onError: (error) => logger.error({ err: error }, 'api-server background task failed'),
  });
  const auditor = await openAudit(config, logger);
  const encrypted = store instanceof EncryptedStore ? store : undefined;
  const nodes = new NodeBackends(api, kubeletIdentity);
  const server = await serve({
    core,
    authenticators: [security.authenticator],
    authorizer: security.authorizer,
    ...(proxyAuthorities.length > 0 && {
      authorities: { clients: readBundle(pki.bundle), proxies: proxyAuthorities },
    }),
    admission: security.admission,
    admissionTimings: admissionMetrics,
    accessMetrics,
    tracer: options.tracer,
    handlers: { actions: security.actions, ...createNodeHandlers(api, nodes) },
    documents: security.documents,
    console: options.console === undefined ? undefined : await consolePages(options.console),
    tls: {
      cert: pki.serving.certificate,
      key: pki.serving.key,
      clientCA: [pki.bundle, ...proxyAuthorities.map(String)].join('\n'),
    },
    address: listenAddress(config),
    port: config.port,
    limits: config,
    computed: resourceMetrics({ registry: core.registry, nodes, logger, signal: stopping.signal }),
    aggregated: createAggregation({
      api,
      kinds: core.registry.kinds,
      resolve,
      identity: frontProxyClient,
      logger,
      signal: stopping.signal,
    }),
    paths: [
      encryptionHandler(encrypted),
      serverJoinHandler({ api, bundle: options.serverBundle, logger }),
      ...(options.nodePackages === undefined ? [] : [nodePackagesHandler(options.nodePackages)]),
      ...(options.backupSource ? [backupHandler(options.backupSource)] : []),
      ...(config.profiling ? [profilingHandler()] : []),
    ],
    checks: encrypted
      ? [{ name: 'kms-providers', failure: () => (encrypted.kmsFailure === undefined ? undefined : 'reason withheld') }]
      : [],
    metrics: [
      ...[admissionMetrics.write, authorization.metrics.write, ...(options.metrics ?? [])],
      ...(encrypted ? [encrypted.writeMetrics] : []),
    ],
    auditor,
    ...(options.metricsElsewhere && { metricsElsewhere: options.metricsElsewhere }),
    logger,
  });
  let addresses: ServerAddresses | undefined;
  const close = async (): Promise<void> => {
    await addresses?.leave().catch((error: unknown) => logger.debug({ err: error }, 'failed to withdraw the address'));
    await server.close();
    await auditor?.[Symbol.asyncDispose]();
    stopping.abort();
  };
  try {
    signal.throwIfAborted();
    const [primary] = clusterRanges(serviceCIDR);
    const address = config.advertiseAddress || (await advertisedAddress(primary.family));
    const servers = new ServerAddresses(store, keys.root, address);
    addresses = servers;
    await bootstrapCluster({
      api,
      advertiseAddress: address,
      addresses: () => servers.renew(),
      port: server.port,
      serviceCIDR,
      clientCa: pki.bundle,
      frontProxyCa: pki.frontProxyBundle,
      localPathClass: config.localPathClass,
      clusterDns: config.clusterDns,
      ingress: !config.disable.includes('ingress'),
      taintControlPlane: config.taintControlPlane,
      logger,
      signal: stopping.signal,
    });
    if (!config.disable.some((name) => name === 'ingress' || name === 'gateway-api'))
      await offerGatewayApi({ api, kinds: core.registry.kinds, logger });
    await keepFlowControl({ api, logger, signal: stopping.signal });
    await publishClusterConfiguration(api, {
      podCidr: config.clusterCidr,
      serviceCidr: serviceCIDR,
      dnsDomain: config.clusterDomain,
    });
    await keepLocalApiServices({ api, kinds: core.registry.kinds, logger, signal: stopping.signal });
    await security.bootstrap({
      alive: (await servers.renew()).map((one) => serverUrl(one, server.port)),
      own: serverUrl(address, server.port),
    });
    server.setReady();
    return { ...server, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** All addresses of IPv4, which is the default, are all addresses where clients of IPv6 are led here by the Service `kubernetes`. */
const listenAddress = ({ bindAddress, serviceCidr }: ApiServerOptions['config']): string =>
  bindAddress === '0.0.0.0' && clusterRanges(serviceCidr)[0].family === 'IPv6' ? '::' : bindAddress;
