/**
 * The agent of a host: what kubelet and kube-proxy do, in one process. Read from top to bottom, this is every part of it
 * and who talks to whom. Nothing is used before the line on which it is made.
 */
import { dirname, join, resolve } from 'node:path';
import type { Logger } from 'pino';
import { CONTROLLER_ATTACHES } from '../api/domain/csi-attachment.ts';
import { NFS_CLIENT } from '../api/domain/nfs-volumes.ts';
import { NODE_CLIENT_CA } from '../api/domain/node-annotations.ts';
import { LOCAL_PATH_DIRECTORY } from '../api/domain/local-path.ts';
import { familiesOf } from '../api/domain/cluster-ranges.ts';
import { kedgeVersion, kubernetesVersion } from '../api/version.ts';
import { ApiClient } from '../client/api-client.ts';
import { EventRecorder, type EventOccurrence } from '../client/event-recorder.ts';
import { UNMANAGED, type DaemonLife } from '../daemon/service-manager.ts';
import { nodeNameOf, type AgentConfig } from './config.ts';
import { CriClient } from './cri/client.ts';
import { createDevices } from './devices/main.ts';
import { PodResourcesServer } from './devices/pod-resources/pod-resources-server.ts';
import { createEvictions } from './eviction/main.ts';
import { readDisk } from './host/meters.ts';
import { readHostFacts } from './host/host-facts.ts';
import { isSwapOn } from './host/swap.ts';
import { isIpv6Enabled } from './host/sysctl.ts';
import { ownCommand } from './host/own-command.ts';
import { HELLO_IMAGE, PAUSE_IMAGE } from './images/bundled.ts';
import { importImageArchives, retryImageArchives } from './images/image-archives.ts';
import { RecentEvents } from './inspect/recent-events.ts';
import { ImageMounts } from './images/image-mounts.ts';
import { ImageCollection } from './images/image-collection.ts';
import { ImageService } from './images/image-service.ts';
import { volumeImageNames } from './images/volume-images.ts';
import { ClusterCas } from './join/cluster-cas.ts';
import { ClusterConfiguration } from './join/cluster-configuration.ts';
import { clusterNetwork } from './join/cluster-network.ts';
import { listenAddress, networkOfHost, nodeAddresses } from './join/node-families.ts';
import { joinCluster } from './join/join-cluster.ts';
import { clientCredentials } from './join/node-certificates.ts';
import { proxierRightMissing } from './join/proxier-right.ts';
import { keepIdentityRenewed } from './join/rotation.ts';
import { AddressAnnouncer } from './network/announcer/address-announcer.ts';
import { ClusterDnsServer, clusterDnsRecord } from './network/dns/cluster-dns.ts';
import { DnsRules, FamilyDnsRules } from './network/dns/dns-rules.ts';
import { applyKernelSettings } from './network/kernel-settings.ts';
import { Iptables, isLegacyIptables } from './network/netfilter/iptables.ts';
import { Netfilter } from './network/netfilter/netfilter.ts';
import { Nft } from './network/netfilter/nft.ts';
import { NftWatch } from './network/netfilter/rule-watch.ts';
import { PodNetwork } from './network/pod-network.ts';
import { NetworkPolicies, NO_PROTECTION } from './network/policy/network-policies.ts';
import { PolicyTable, removePolicyTable } from './network/policy/policy-table.ts';
import { ServiceCache } from './network/service-cache.ts';
import { ipvsHost } from './network/services/backends/ipvs/ipvs-host.ts';
import { availableProxyMode, requireProxyMode } from './network/services/backends/proxy-modes.ts';
import { createServiceProxy } from './network/services/main.ts';
import { addressingBy, cloudAnnotations, cloudTaints } from './node/cloud-provider.ts';
import { createNode } from './node/main.ts';
import { OwnAnnotations } from './node/own-annotations.ts';
import { parseLabels, parseTaints } from './node/node-labels.ts';
import { parseThresholds } from './node/pressure.ts';
import { waitForRuntime } from './node/runtime-ready.ts';
import { PluginRegistrations } from './plugins/plugin-registrations.ts';
import { startRecorder } from './recorder/main.ts';
import { report, wordsOf } from './recorder/report.ts';
import { reportEvent } from './recorder/report-event.ts';
import { createPodManager, podSettings } from './pods/main.ts';
import { PodWorkers } from './pods/sync/pod-workers.ts';
import { openPodCgroups } from './resources/pod-cgroups.ts';
import { readResourceHost } from './resources/resource-host.ts';
import { serveLocalApi } from './server/local-api.ts';
import { serveNodeApi } from './server/main.ts';
import { firstTarget, ServerChoice } from './servers/server-choice.ts';
import { API_SERVICE, serversIn } from './servers/server-list.ts';
import { ServerRecord } from './servers/server-record.ts';
import { ClientMetrics } from '../daemon/metrics/client-metrics.ts';
import type { GracefulShutdown } from './shutdown/graceful-shutdown.ts';
import { createShutdown } from './shutdown/main.ts';
import { AgentMetrics, writeProcess } from './stats/agent-metrics.ts';
import { ResizeMetrics } from './stats/resize-metrics.ts';
import { NodeStatistics } from './stats/node-statistics.ts';
import { VolumeMeter } from './stats/volume-usage.ts';
import { unhealthy } from './stats/health.ts';
import { beginUpgrade, ownProgram } from './upgrade/begin-upgrade.ts';
import { NodeUpgrades } from './upgrade/node-upgrades.ts';
import { PROGRAM_LINK, Versions } from './upgrade/versions.ts';
import { Attachments } from './volumes/csi/attachments.ts';
import { canKeepOutOfSwap, canMountNfs } from './host/mounts.ts';
import { openPlacement } from './topology/main.ts';
import { reservedResources } from './topology/placement-settings.ts';
import type { PodPlacement } from './topology/pod-placement.ts';
import { createVolumes, localPathDirectory } from './volumes/main.ts';

/** How long the first pods wait for podCIDR and Services while the api-server does not respond. */
const API_PATIENCE_MS = 5_000;

/**
 * Runs until `signal` is aborted; containers, volumes and rules stay as they are then. Throws JoinError, ConnectionError or
 * Error with a sentence for the operator when the host cannot be made a node.
 */
export async function runAgent(
  config: AgentConfig,
  signal: AbortSignal,
  logger: Logger,
  life: DaemonLife = UNMANAGED,
): Promise<void> {
  // The flight recorder hears of whatever the others do.
  await using held = new AsyncDisposableStack();
  held.use(await startRecorder(config, logger));
  try {
    report({ kind: 'agent', what: 'started', version: kedgeVersion });
    await runParts(config, signal, logger, life);
    report({ kind: 'agent', what: 'stopped' });
  } catch (error) {
    report({ kind: 'agent', what: signal.aborted ? 'stopped' : 'failed', error: wordsOf(error) });
    throw error;
  }
}

async function runParts(config: AgentConfig, signal: AbortSignal, logger: Logger, life: DaemonLife): Promise<void> {
  const dataDir = resolve(config.dataDir);
  const thresholds = parseThresholds(config.evictionHard);
  const labels = parseLabels(config.nodeLabels);
  const taints = [...parseTaints(config.nodeTaints), ...cloudTaints(config)];

  // Who this host is, what it is, and what it runs containers with.
  life.status(`waiting for containerd at ${config.containerdSocket}, and for the identity of this node`);
  const reading = readHostFacts(ownCommand('host-facts'), signal);
  const isSwapping = await isSwapOn();
  if (isSwapping && config.failSwapOn)
    throw new Error('this host has swap, and fail-swap-on is set: switch swap off (swapoff -a, and /etc/fstab)');
  const metrics = new AgentMetrics(nodeNameOf(config));
  const cri = new CriClient(config.containerdSocket, (call, seconds, failed) => metrics.called(call, seconds, failed));
  const [membership, facts, runtime] = await Promise.all([
    joinCluster(config, async () => (await reading).machineId, signal, logger),
    reading,
    waitForRuntime(cri, logger, signal),
  ]);
  const { name, certificates, identity } = membership;
  const cas = new ClusterCas(identity.ca, certificates, logger);
  const calls = new ClientMetrics((): string => client.server);
  metrics.include(calls);
  const serverRecord = new ServerRecord(certificates.directory, logger);
  const known = await serverRecord.read();
  await using client: ApiClient = new ApiClient({
    ...firstTarget(config.server, known),
    ...clientCredentials(identity.ca, identity.client),
    // As upstream: managedFields name who writes by it.
    userAgent: `kubelet/${kubernetesVersion.gitVersion}`,
    onUnreachable: () => servers.suspect(),
    observe: calls.observe,
    logger,
  });
  // Begins at once: what follows asks the api-server, and the one that was used last may be gone.
  const servers = new ServerChoice({
    ...{ client, configured: config.server, nodeName: name, known, record: serverRecord, logger },
  });
  const choosing = servers.run(signal);
  const recent = new RecentEvents();
  const recorded = (occurrence: EventOccurrence): void => {
    recent.add(occurrence);
    reportEvent(occurrence);
  };
  const events = new EventRecorder({ client, component: 'kubelet', host: name, logger, signal, recorded });
  const configuration = new ClusterConfiguration(client, certificates.directory, logger);
  const ofCluster = clusterNetwork(config, await configuration.learn(signal), logger);
  const { podRanges, serviceRanges, dns } = networkOfHost(ofCluster, await isIpv6Enabled(), logger);
  const addresses = nodeAddresses(membership.addresses, podRanges);
  const bindAddress = listenAddress(config.bindAddress, podRanges);

  // The Node object and its heartbeat.
  const registered = Promise.withResolvers<void>();
  const attachments = new Attachments({ client, nodeName: name });
  const node = await createNode({
    ...{
      name,
      addresses,
      addressing: addressingBy(config),
      port: config.port,
      maxPods: config.maxPods,
      reserved: reservedResources(config),
    },
    ...{ thresholds, dataDir, facts, runtime, labels, taints, cri, client, events, logger },
    annotations: {
      ...((await canMountNfs()) && { [NFS_CLIENT]: 'true' }),
      [LOCAL_PATH_DIRECTORY]: localPathDirectory(dataDir),
      // Without it, upstream's attach/detach controller leaves volumes to the node.
      [CONTROLLER_ATTACHES]: 'true',
      ...cloudAnnotations(config),
    },
    problems: await applyKernelSettings(familiesOf(podRanges), logger, signal),
    shutdownProblems: () => (shutdown.isComing ? ['node is shutting down'] : []),
    awaitsApi: (await certificates.read('serving')) === undefined,
    onRegistered: registered.resolve,
    tell: (sentence) => life.status(sentence),
    volumesInUse: () => attachments.report(),
    deviceAmounts: () => devices.amounts(),
  });
  const annotations = new OwnAnnotations({ client, nodeName: name, logger });
  node.registration.onNode(annotations.see);
  const upgrades = new NodeUpgrades({
    ...{ annotations, logger, dataDir, program: await ownProgram() },
    versions: new Versions(PROGRAM_LINK),
    begin: beginUpgrade,
    client,
    // A package is on the server that was told to hand it out.
    openOthers: async () => {
      const pair = (await certificates.read('client')) ?? identity.client;
      return servers.others.map((target) => new ApiClient({ ...target, ...clientCredentials(cas.bundle, pair) }));
    },
  });
  node.registration.onNode(upgrades.see);
  const { capacity, allocatable } = node.description;
  node.record('Normal', 'Starting', 'Starting kubelet.');
  if (isSwapping && !canKeepOutOfSwap())
    node.record(
      ...(['Warning', 'PossibleMemoryBackedVolumesOnDisk'] as const),
      'The kernel cannot keep a tmpfs out of swap: volumes in memory, such as Secrets, may be written to disk',
    );

  // The network between pods, here and on the other nodes.
  const nft = new Nft(signal);
  // Where it is not known, rules are looked at as often as where nobody tells of their removal.
  const hasSilentRules = await isLegacyIptables(podRanges[0].family, signal).catch(() => true);
  const ruleWatch = new NftWatch(nft, logger, !hasSilentRules);
  const onForbidden = proxierRightMissing(logger);
  const network = new PodNetwork({
    ...{ client, nodeName: name, podRanges, onForbidden, logger },
    cniConfDir: config.cniConfDir,
    bridgeName: config.bridgeName,
    mtu: config.bridgeMtu,
    stateDir: config.cniStateDir,
    hostRoutes: config.hostRoutes,
    ...{ vxlan: config.vxlan, vxlanPort: config.vxlanPort, nft, watch: ruleWatch },
    onConfigured: () => node.registration.wake(),
    onNodeDeleted: () => node.registration.forget(),
  });

  // Pods: their images, cgroups, volumes, devices and workers.
  const workers = new PodWorkers();
  const resizes = new ResizeMetrics(() => [...workers].map(({ resizeState }) => resizeState));
  metrics.include(resizes);
  const onStale = (podUid: string): void => workers.refreshVolumes(podUid);
  using storage = await createVolumes({
    ...{ client, nodeName: name, dataDir, kubeletDir: config.kubeletDir, attachments, onStale, logger },
    measured: metrics.volumeStep,
    allocatable: () => allocatable,
    images: new ImageMounts(cri),
  });
  const { objects, volumes, localPaths, nfsDirectories, csi } = storage;
  attachments.onChange(() => node.registration.wake());
  node.registration.onNode((seen) => csi.seeNode(seen));
  node.registration.onReported(({ volumesInUse = [] }) => attachments.reported(volumesInUse));
  using devices = await createDevices({
    ...{ client, nodeName: name, dataDir, kubeletDir: config.kubeletDir, metrics, logger },
    onPodChange: (podUid) => workers.get(podUid)?.wake(),
    onAmounts: () => node.registration.wake(),
    placement: () => placement,
  });
  const placement: PodPlacement = await openPlacement({
    ...{ config, node: node.description, dataDir, cri, metrics, logger },
    devices: () => devices.inventory(),
    running: () => workers.running(),
    isActive: (podUid) => pods.isActive(podUid),
  });
  const podResources = new PodResourcesServer({
    directory: join(config.kubeletDir, 'pod-resources'),
    pods: () => workers.list(),
    facts: {
      ...devices.facts,
      cpusOf: (podUid, container) => placement.exclusiveOf(podUid, container),
      allocatableCpus: () => placement.allocatable,
      memoryOf: (podUid, container) => placement.memoryOf(podUid, container),
      allocatableMemory: () => placement.allocatableMemory,
    },
    logger,
  });
  metrics.include(podResources);
  const plugins = new PluginRegistrations({
    ...{ directory: csi.registrations, logger },
    handlers: { CSIPlugin: csi.drivers, DRAPlugin: devices.drivers, DevicePlugin: devices.plugins },
  });
  const cgroups = await openPodCgroups(cri, config.cgroupRoot, allocatable, signal, metrics.cgroupChanged);
  // Services: for their rules, their names and the variables of pods.
  const serviceCache = new ServiceCache({
    ...{ client, logger, nodeName: name, onForbidden },
    families: familiesOf(podRanges),
  });
  serviceCache.onChange((key) => {
    if (key === `${API_SERVICE.namespace}/${API_SERVICE.name}`)
      servers.learn(serversIn(serviceCache.slices.byIndex('service', key)));
  });
  // Policies: pods wait for theirs before they start.
  const policies = config.networkPolicy
    ? new NetworkPolicies({
        ...{ client, events, logger, nodeName: name, services: serviceCache.services },
        table: new PolicyTable(nft, config.bridgeName),
        watch: ruleWatch,
        localPods: () => workers.addresses(),
        localPodsKnown: () => pods.known,
        record: (type, reason, message) => node.record(type, reason, message),
      })
    : undefined;
  const unusedImages = new ImageCollection({
    ...{ cri, logger, events },
    node: node.reference,
    pinned: [PAUSE_IMAGE, HELLO_IMAGE],
    ofVolumes: () => volumeImageNames(workers.list()),
  });
  const pods = createPodManager(
    {
      ...{ workers, cri, volumes, objects, client, events, cgroups, metrics, resizes, logger },
      devices: devices.ofPods,
      placement,
      policies: policies ?? NO_PROTECTION,
      ...podSettings(config),
      dns,
      images: new ImageService({ cri }),
      services: () => serviceCache.services.values().map(({ dns: facts }) => facts),
      nodeName: name,
      nodeUid: () => node.registration.uid,
      nodeIPs: addresses,
      resourceHost: await readResourceHost(capacity, cgroups.tree, config.memorySwapBehavior),
      allocatable: () => allocatable,
      pressures: () => node.observer.pressures,
      features: () => node.observer.features,
      isShuttingDown: () => shutdown.isComing,
    },
    signal,
  );
  const shutdown: GracefulShutdown = await createShutdown({
    ...{ config, dataDir, metrics, logger, pods: workers },
    end: (podUid, graceSeconds, verdict) => pods.end(podUid, graceSeconds, verdict),
    haveEnded: (podUids) => pods.haveEnded(podUids),
    onChange: () => node.registration.wake(),
  });
  const archives = {
    ...{ cri, logger },
    directory: config.imageDir || join(dirname(process.argv[1] ?? ''), 'images'),
    recordFile: join(dataDir, 'imported-images.json'),
  };
  const runPods = async (): Promise<void> => {
    const imported = await importImageArchives(archives, signal);
    // On a first start pods would only fail before there is a network, and miss the Services' variables.
    await settledWithin(API_PATIENCE_MS, [network.configured, serviceCache.services.hasSynced()], signal);
    await Promise.all([pods.run(), serving(), imported ? undefined : retryImageArchives(archives, signal)]);
  };
  /** Without an api-server, an agent serves when it looks after the pods that are there. */
  const serving = async (): Promise<void> => {
    await settledWithin(API_PATIENCE_MS, [registered.promise], signal);
    life.watch(async () => ((await clusterDns.answers()) ? undefined : 'no answer of the thread of DNS'));
    if (!signal.aborted) life.ready();
  };

  // Node-pressure eviction.
  const evictions = createEvictions(
    {
      ...{ node, pods: workers, images: unusedImages, thresholds, cri, cgroups, volumes, logger },
      evict: (podUid, graceSeconds, message) => pods.evict(podUid, graceSeconds, message),
      evicted: metrics.evicted,
      logDirectory: config.podLogDir,
    },
    signal,
  );

  // The node API and statistics.
  const nodeApi = {
    ...{ config: { ...config, bindAddress }, membership: { ...membership, addresses } },
    ...{ client, cas, cri, pods: workers, metrics, logger },
    state: node.api,
    statistics: new NodeStatistics({
      ...{ nodeName: name, pods: workers, cgroups, cri, metrics, dataDir, logger },
      volumes: new VolumeMeter({ volumes, disk: () => readDisk(dataDir), logger }),
      logDirectory: config.podLogDir,
    }),
    unhealthy: () => unhealthy({ cri, stuckPods: () => workers.stuck() }),
  };

  // The same for commands on this host, without an api-server.
  const localApi = {
    ...{ dataDir, logger, pods: workers, statistics: nodeApi.statistics, unhealthy: nodeApi.unhealthy },
    configuration: () => ({ ...config, token: '' }),
    events: () => recent.list(),
    node: () => node.registration.current,
  };

  // Services: their rules in the tables of netfilter, and their names in DNS.
  const ipvsSettings = { scheduler: config.ipvsScheduler, strictArp: config.ipvsStrictArp };
  const proxyHosts = podRanges.map((clusterCidr) => ({
    ...{ clusterCidr, nft, netfilter: new Netfilter(new Iptables(clusterCidr.family, signal)) },
    ipvs: ipvsHost(clusterCidr.family, ipvsSettings, signal, () => network.otherNodes),
  }));
  const proxyMode = config.proxyMode || (await availableProxyMode(proxyHosts, logger));
  if (config.serviceProxy) await requireProxyMode(proxyMode, proxyHosts);
  const proxy = createServiceProxy({
    ...{
      cache: serviceCache,
      logger,
      nodeName: name,
      dataDir,
      serviceRanges,
      hosts: proxyHosts,
      mode: proxyMode,
      watch: ruleWatch,
      writeProcess: async (to) => {
        calls.write(to);
        await writeProcess(to);
      },
    },
    events: new EventRecorder({ client, component: 'kube-proxy', host: name, logger, signal, recorded }),
    onNode: (seen) => node.registration.onNode(seen),
    ports: {
      ...{ health: config.proxyHealthPort, healthAddress: bindAddress },
      ...{ metrics: config.proxyMetricsPort, metricsAddress: config.proxyMetricsAddress },
    },
  });
  if (config.serviceProxy) metrics.include(proxy.metrics);
  const announcer = new AddressAnnouncer({ services: serviceCache.services, report: node.announce, logger });
  const clusterDns = new ClusterDnsServer({
    ...{ client, cache: serviceCache, podRanges, serviceRanges, logger },
    ...{ domain: dns.domain, resolvConf: config.resolvConf, logLevel: config.logLevel },
    rules: new DnsRules(proxyHosts.map(({ netfilter, clusterCidr }) => new FamilyDnsRules(netfilter, clusterCidr))),
    recordFile: clusterDnsRecord(dataDir),
  });

  life.onReload(() => Promise.resolve(cas.wake()));
  logger.info({ node: name, addresses, runtime: node.description.runtimeVersion, proxyMode }, 'agent started');
  try {
    await Promise.all([
      choosing,
      node.run(signal),
      configuration.confirm(signal),
      network.run(signal),
      serviceCache.run(signal),
      ruleWatch.run(signal),
      localPaths.run(signal),
      nfsDirectories.run(signal),
      csi.run(signal),
      devices.run(signal),
      podResources.run(signal),
      placement.run(signal),
      plugins.run(signal),
      runPods(),
      unusedImages.run(signal),
      evictions.run(signal),
      config.serviceProxy ? proxy.run(signal) : undefined,
      announcer.run(signal),
      clusterDns.run(signal),
      policies
        ? policies.run(signal)
        : removePolicyTable(nft).catch((error: unknown) =>
            logger.warn({ err: error }, 'failed to remove network policies'),
          ),
      serveNodeApi(nodeApi, signal),
      serveLocalApi(localApi, signal),
      annotations.run(signal),
      upgrades.run(signal),
      shutdown.run(signal),
      keepIdentityRenewed(
        { client, membership, cas, metrics, onIssuer: (hash) => annotations.set(NODE_CLIENT_CA, hash), logger },
        signal,
      ),
      cas.run(client, signal),
    ]);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    cri.close();
  }
}

/** Resolves when all have settled, at the latest after so long. */
async function settledWithin(
  limitMs: number,
  promises: readonly Promise<unknown>[],
  signal: AbortSignal,
): Promise<void> {
  const { promise, resolve: finish } = Promise.withResolvers<void>();
  const timer = setTimeout(finish, limitMs);
  signal.addEventListener('abort', () => finish(), { once: true });
  await Promise.race([Promise.allSettled(promises), promise]);
  clearTimeout(timer);
}
