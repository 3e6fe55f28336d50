/** Assembles `kedge server`: certificates, store, api-server, and a thread each for the scheduler and the controllers. */
import { randomUUID, X509Certificate } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { access as accessFile, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { Worker } from 'node:worker_threads';
import type { Logger } from 'pino';
import { StatusError } from '../api/machinery/status-error.ts';
import { ApiClient } from '../client/api-client.ts';
import { backoffMs } from '../client/backoff.ts';
import { ConnectionError } from '../client/connection-error.ts';
import { guarded } from '../client/guard.ts';
import { loadKubeconfig } from '../client/kubeconfig.ts';
import { startApiServer } from './apiserver/main.ts';
import type { ServerConfig } from './config.ts';
import { collectWhenIdle } from './idle-collection.ts';
import { nodeMaskSizes } from './node-mask-sizes.ts';
import type { SchedulerSettings } from './scheduler/configuration/settings.ts';
import { certificateMetrics } from './pki/certificate-metrics.ts';
import { requestedRotation } from './pki/ca-rotation.ts';
import { openPki, type ClusterPki } from './pki/cluster-pki.ts';
import { nodePackages } from './node-packages.ts';
import { startBackups } from './backup/backup-schedule.ts';
import { sourceOf } from './backup/store-pages.ts';
import { openTracing } from './open-tracing.ts';
import { storageSizeMetric } from './store/storage-size.ts';
import { checkSameCluster, existingCluster, mustHaveMoved, openStore } from './open-store.ts';
import { readKubeletIdentity } from './pki/kubelet-identity.ts';
import { makeServerBundle } from './joining/make-bundle.ts';
import { writeKubeconfig } from './pki/kubeconfig.ts';
import { reservedPorts } from './reserved-ports.ts';
import { serverNames } from './pki/server-names.ts';
import type { PortCertificate } from '../daemon/http-port.ts';
import { UNMANAGED, type DaemonLife } from '../daemon/service-manager.ts';
import { RoleMetrics, type ThreadRole } from './role-metrics.ts';
import type { RoleMessage, RoleOptions } from './role-thread.ts';

/** Certificates are checked once a day and renewed a month before they expire. */
const CERTIFICATE_CHECK_MS = 24 * 3600 * 1000;
/** When the server listens on all addresses, its own process connects to the loopback. */
const WILDCARDS: ReadonlySet<string> = new Set(['', '0.0.0.0', '::']);
/** Backoff between restarts of a failed role. */
const RESTART = { initialMs: 1_000, maxMs: 60_000 };
const READY_RETRY = { initialMs: 50, maxMs: 1_000 };
const READY_LIMIT_MS = 5_000;
/** Size of a thread's young generation: threads allocate little between events, and a larger one is only resident memory. */
const THREAD_YOUNG_GENERATION_MB = 4;

/** Runs `kedge server` until the signal is aborted. */
export async function runServer(
  given: ServerConfig,
  signal: AbortSignal,
  logger: Logger,
  life: DaemonLife = UNMANAGED,
): Promise<void> {
  const config = await withStore(given, signal, logger, life);
  const roles = new Set(config.roles);
  const scheduler = roles.has('scheduler') ? await schedulerSettings(config) : undefined;
  if (roles.has('controllers')) await checkInventory(config);
  await using stack = new AsyncDisposableStack();
  const metrics = new RoleMetrics(logger);
  life.status(config.store === 'etcd' ? `waiting for etcd at ${config.etcdServers.join(', ')}` : 'opening the store');
  const lost = Promise.withResolvers<never>();
  const access = roles.has('apiserver')
    ? await runApiServer({ given, config, metrics, signal, logger, stack, lost: lost.reject })
    : undefined;
  if (!access) collectWhenIdle(signal);
  const threads = (['scheduler', 'controllers'] as const).filter((role) => roles.has(role));
  const running = threads.map((role) =>
    keepRunning(() => roleOptions(role, config, access, scheduler), access, metrics, signal, logger),
  );
  for (const role of threads) await openRolePort(role, config, access, metrics, logger, stack);
  if (access) await untilReady(access, signal);
  life.onReload(async () => access?.renew());
  life.watch(async () => {
    const hung = await metrics.hung();
    return hung.length === 0 ? undefined : `no answer of the thread of: ${hung.join(', ')}`;
  });
  life.status(`${config.roles.join(', ')} running${access ? `, ${access.server}/readyz is ok` : ''}`);
  life.ready();
  const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  await Promise.race([Promise.all([stopped, ...running]), lost.promise]);
}

/** How the other roles reach the api-server of this process. */
interface Access {
  readonly server: string;
  /** Replaced when certificates are renewed. */
  pki: ClusterPki;
  /** Emits `renewed` after a renewal. */
  readonly changes: EventEmitter;
  /** Renews what is due and reads the operator's own files again. Rejects when the files are wrong; what was before goes on. */
  readonly renew: () => Promise<void>;
}

/** Resolves when the server answers as its clients ask, which is when others may be told that it does. */
async function untilReady({ server, pki }: Access, signal: AbortSignal): Promise<void> {
  const { certificate: cert, key } = pki.admin;
  await using client = new ApiClient({ server, ca: pki.bundle, cert, key, maxConnections: 1 });
  for (let failures = 1; !signal.aborted; failures++) {
    try {
      await client.request('GET', '/readyz', { signal, timeoutMs: READY_LIMIT_MS, accept: '*/*' });
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof StatusError || error instanceof ConnectionError)) throw error;
      await delay(backoffMs(READY_RETRY, failures), undefined, { signal }).catch(() => undefined);
    }
  }
}

/** The settings with the place of the objects; waits for an etcd that Kedge runs. */
async function withStore(
  config: ServerConfig,
  signal: AbortSignal,
  logger: Logger,
  life: DaemonLife,
): Promise<ServerConfig> {
  if (config.etcd !== 'managed' || !config.roles.includes('apiserver')) return config;
  const { managedEtcdReady } = await import('./store/etcd/managed/managed-etcd.ts');
  return managedEtcdReady(config, signal, logger, (sentence) => life.status(sentence));
}

interface ApiServerParts {
  /** The settings before those of an etcd that Kedge runs were found. */
  readonly given: ServerConfig;
  readonly config: ServerConfig;
  readonly metrics: RoleMetrics;
  readonly signal: AbortSignal;
  readonly logger: Logger;
  readonly stack: AsyncDisposableStack;
  /** Called when this server must not go on. */
  readonly lost: (error: Error) => void;
}

async function runApiServer({ given, config, metrics, signal, logger, stack, lost }: ApiServerParts): Promise<Access> {
  // An embedded store is made only when the certificates are there; of etcd's, it has to be known whether it is empty.
  const shared = config.store === 'etcd' ? await openStore(config, signal, logger) : undefined;
  if (shared) stack.defer(() => shared.store.close());
  const members = shared?.members;
  const managed = given.etcd === 'managed' ? await import('./store/etcd/managed/managed-etcd.ts') : undefined;
  const pkiOptions = async () => ({
    directory: pkiDirectory(config),
    store: await existingCluster(config, shared),
    serverNames: serverNames({
      hostname: os.hostname(),
      interfaces: os.networkInterfaces(),
      clusterDomain: config.clusterDomain,
      serviceCidr: config.serviceCidr,
      podCidr: config.clusterCidr,
      extra: [...config.tlsSan, ...(config.advertiseAddress ? [config.advertiseAddress] : [])],
    }),
  });
  // etcd's are not the api-server's: it reads its files again for each connection, so that they are replaced and never missing.
  const renewEtcds = async (isDue: boolean): Promise<void> => {
    if (managed && members) await managed.renewEtcdPki(given, members, { isDue });
  };
  const isDue = async (): Promise<boolean> =>
    managed !== undefined && (await requestedRotation(pkiDirectory(config))) === 'leaves';
  const isDueNow = await isDue();
  const pki = await openPki({ ...(await pkiOptions()), mayReplaceCa: true });
  await renewEtcds(isDueNow);
  if (shared) await checkSameCluster(config, shared, pki, logger);
  if (managed) await mustHaveMoved(config, shared);
  if (managed && members) stack.use(new managed.MembersFollower({ config: given, members, removed: lost, logger }));
  const { store, keys, dataFile, plain, size } = shared ?? (await openStore(config, signal, logger));
  if (!shared) stack.defer(() => store.close());
  collectWhenIdle(signal, dataFile);
  let current = pki;
  let kubeletIdentity = await readKubeletIdentity(config, pki);
  let frontProxyClient = pki.frontProxyClient;
  if (!kubeletIdentity.ca) logger.warn({}, 'kubelet serving certificates are not verified');
  const backupSource = sourceOf(plain, config.store === 'etcd' ? 'etcd' : 'embedded', keys.root);
  const backups = await startBackups({ config, source: backupSource, logger, signal });
  if (backups) stack.use(backups);
  const tracing = await openTracing(config, logger);
  if (tracing) stack.use(tracing);
  const server = await startApiServer({
    config,
    pki,
    kubeletIdentity: () => kubeletIdentity,
    frontProxyClient: () => frontProxyClient,
    store,
    keys,
    // As it was given: who joins finds its own etcd.
    serverBundle: shared && (() => makeServerBundle(given, members?.endpoints.map(({ url }) => url) ?? [], current)),
    backupSource,
    nodePackages: nodePackages(config),
    console: await consoleDirectory(config, logger),
    tracer: tracing?.tracer,
    metrics: [...(shared?.writeMetrics ? [shared.writeMetrics] : []), ...(tracing ? [tracing.write] : [])],
    metricsElsewhere: async () => {
      const [sizes, others] = await Promise.all([storageSizeMetric(size, logger), metrics.text()]);
      return certificateMetrics(current) + sizes + others + (backups?.metrics() ?? '');
    },
    logger,
    signal,
  });
  stack.defer(() => server.close());
  const host = WILDCARDS.has(config.bindAddress) ? '127.0.0.1' : config.bindAddress;
  const shownHost = host.includes(':') ? `[${host}]` : host;
  const changes = new EventEmitter();
  const writeAdminKubeconfig = (url: string, { bundle, admin }: ClusterPki): Promise<void> =>
    writeKubeconfig(config.adminKubeconfig, {
      ...{ server: url, caCertificate: bundle, user: 'admin' },
      credentials: admin,
    });
  // One after the other: both write files.
  let lastRenewal = Promise.resolve();
  const renewNow = async (): Promise<void> => {
    await renewEtcds(await isDue());
    const renewed = await openPki(await pkiOptions());
    // Reread the operator's own files, too.
    kubeletIdentity = await readKubeletIdentity(config, renewed);
    frontProxyClient = renewed.frontProxyClient;
    if (isDeepStrictEqual(renewed, access.pki)) return;
    access.pki = current = renewed;
    server.setCertificate(renewed.serving.certificate, renewed.serving.key);
    changes.emit('renewed');
    await writeAdminKubeconfig(access.server, renewed);
    logger.info({ until: new X509Certificate(renewed.serving.certificate).validToDate }, 'certificates renewed');
  };
  const access: Access = {
    ...{ server: `https://${shownHost}:${server.port}`, pki, changes },
    renew: () => {
      const renewal = lastRenewal.then(renewNow);
      lastRenewal = renewal.catch(() => undefined);
      return renewal;
    },
  };
  const renewal = setInterval(() => {
    access.renew().catch((error: Error) => logger.error({ err: error }, 'failed to renew certificates'));
  }, CERTIFICATE_CHECK_MS);
  stack.defer(() => clearInterval(renewal));

  await writeAdminKubeconfig(access.server, pki);
  if (config.portFile) await writeFile(config.portFile, String(server.port));
  logger.info(
    { address: config.bindAddress, port: server.port, kubeconfig: config.adminKubeconfig },
    'api-server ready',
  );
  return access;
}

/** The files of the console lie beside the program; the sources have none. */
async function consoleDirectory({ disable }: ServerConfig, logger: Logger): Promise<string | undefined> {
  if (disable.includes('console')) return undefined;
  const directory = path.join(path.dirname(process.argv[1] ?? ''), 'console');
  try {
    await accessFile(path.join(directory, 'index.html'));
    return directory;
  } catch (error) {
    logger.debug({ directory, err: error }, 'no console is served: its files are missing');
    return undefined;
  }
}

async function schedulerSettings({ schedulerConfig }: ServerConfig): Promise<SchedulerSettings | undefined> {
  if (!schedulerConfig) return undefined;
  // Loaded on demand: it knows all plugins, which run on a thread of their own.
  const { loadSchedulerSettings } = await import('./scheduler/configuration/load.ts');
  return loadSchedulerSettings(schedulerConfig);
}

/** The controllers read it themselves, again and again: one that is wrong from the start is found here. */
async function checkInventory({ inventory }: ServerConfig): Promise<void> {
  if (!inventory) return;
  const { loadInventory } = await import('./inventory.ts');
  await loadInventory(inventory);
}

async function roleOptions(
  role: RoleOptions['role'],
  config: ServerConfig,
  access: Access | undefined,
  scheduler: SchedulerSettings | undefined,
): Promise<RoleOptions> {
  const { controllers, clusterCidr, nodeMonitorGracePeriodSeconds, inventory, logLevel } = config;
  const isOnlyCandidate = access !== undefined && config.store === 'embedded';
  const common = {
    role,
    logLevel,
    pkiDirectory: pkiDirectory(config),
    controllers,
    clusterCidr,
    nodeMaskSizes: nodeMaskSizes(config),
    nodeMonitorGracePeriodSeconds,
    inventory,
    loadBalancerPools: config.loadBalancerPools,
    reservedPorts: reservedPorts(config),
    scheduler,
    isOnlyCandidate,
    identity: isOnlyCandidate ? COLOCATED_IDENTITY : STANDALONE_IDENTITY,
  };
  if (access) {
    const { certificate: cert, key } = role === 'scheduler' ? access.pki.scheduler : access.pki.controllerManager;
    return { ...common, server: access.server, credentials: { ca: access.pki.bundle, cert, key } };
  }
  const { server, ca, cert, key, token, tokenFile } = await loadKubeconfig(config.kubeconfig);
  return { ...common, server, credentials: { ca, cert, key, token, tokenFile } };
}

/** Opens the port that kube-scheduler or kube-controller-manager has, where the settings ask for it. */
async function openRolePort(
  role: ThreadRole,
  config: ServerConfig,
  access: Access | undefined,
  metrics: RoleMetrics,
  logger: Logger,
  stack: AsyncDisposableStack,
): Promise<void> {
  const port = role === 'scheduler' ? config.schedulerPort : config.controllersPort;
  if (port === 0) return;
  const { RolePort } = await import('./role-port.ts');
  const current = () => roleOptions(role, config, access, undefined);
  const { server, credentials } = await current();
  const { ownCertificate } = await import('./pki/own-certificate.ts');
  const certificate = access ? certificateOf(access) : await ownCertificate(role);
  const opened = stack.use(
    new RolePort({ role, address: config.rolesAddress, port, certificate, server, credentials, metrics, logger }),
  );
  const renew = guarded(
    async () => opened.renew(access ? certificateOf(access) : certificate, (await current()).credentials),
    (error) => logger.error({ err: error, role }, 'failed to renew the certificate of a port'),
  );
  access?.changes.on('renewed', renew);
  stack.defer(() => void access?.changes.off('renewed', renew));
}

const certificateOf = ({ pki: { bundle, serving } }: Access): PortCertificate => ({
  ...{ cert: serving.certificate, key: serving.key },
  ca: bundle,
});

/** Restarts a role whose thread has failed; the other roles are not affected. */
async function keepRunning(
  current: () => Promise<RoleOptions>,
  access: Access | undefined,
  metrics: RoleMetrics,
  signal: AbortSignal,
  logger: Logger,
): Promise<void> {
  for (let failures = 0; !signal.aborted; failures++) {
    if (failures > 0) await delay(backoffMs(RESTART, failures), undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    const options = await current();
    const thread = new Worker(process.argv[1] ?? '', {
      // Shown by debuggers and `ps -L`.
      name: options.role,
      workerData: options,
      resourceLimits: { maxYoungGenerationSizeMb: THREAD_YOUNG_GENERATION_MB },
    });
    metrics.add(options.role, thread);
    const tell = (message: RoleMessage): void => thread.postMessage(message);
    const stop = (): void => tell('stop');
    const renew = (): void => void current().then(({ credentials }) => tell(credentials));
    signal.addEventListener('abort', stop, { once: true });
    access?.changes.on('renewed', renew);
    await new Promise<void>((resolve) => {
      thread.once('error', (error) => logger.error({ role: options.role, err: error }, 'role failed, restarting'));
      thread.once('exit', () => resolve());
    });
    signal.removeEventListener('abort', stop);
    access?.changes.off('renewed', renew);
  }
}

/**
 * The election identity beside the embedded store. Only one process at a time can open the store: after a restart, on whatever
 * host, it is the same candidate and need not wait until its own Lease expires.
 */
const COLOCATED_IDENTITY = 'kedge-server';
const STANDALONE_IDENTITY = `${os.hostname()}_${randomUUID()}`;

const pkiDirectory = ({ dataDir }: ServerConfig): string => path.join(dataDir, 'pki');
