/**
 * The agent of a host: what kubelet and kube-proxy do, in one process. Read from top to bottom, this is every part of it
 * and who talks to whom.
 */
import { dirname, join, resolve } from 'node:path';
import type { TokenReview } from '../api/authentication/token-review.ts';
import type { SubjectAccessReview } from '../api/authorization/subject-access-review.ts';
import type { Service } from '../api/core/service.ts';
import { quantityMilliValue, quantityValue } from '../api/machinery/quantity.ts';
import { kubernetesVersion } from '../api/version.ts';
import { ApiClient } from '../client/api-client.ts';
import { EventRecorder } from '../client/event-recorder.ts';
import { Informer } from '../client/informer.ts';
import { services, subjectAccessReviews, tokenReviews } from '../client/resources.ts';
import type { Logger } from 'pino';
import { nodeNameOf, readRange, type AgentConfig } from './config.ts';
import { CriClient } from './cri/client.ts';
import { EvictionManager } from './eviction/eviction-manager.ts';
import { Meter } from './eviction/meter.ts';
import { readCgroupTree } from './host/cgroup-tree.ts';
import { readHostFacts } from './host/host-facts.ts';
import { lowestOomScoreAdj } from './host/oom-score.ts';
import { ownCommand } from './host/own-command.ts';
import { volumeHelper } from './host/volume-helper/ask.ts';
import { HELLO_IMAGE, PAUSE_IMAGE } from './images/carried.ts';
import { ImageCollection } from './images/image-collection.ts';
import { ImageService } from './images/image-service.ts';
import { importImageArchives, retryImageArchives } from './images/image-archives.ts';
import { joinCluster } from './join/join-cluster.ts';
import {
  clientCertificate,
  obtainServingCertificate,
  pendingApproval,
  renew,
  servingCertificate,
  type ServingTrouble,
} from './join/join.ts';
import { clientCredentials, type CertifiedKey } from './join/node-certificates.ts';
import { proxierRightMissing } from './join/proxier-right.ts';
import { keepRenewed } from './join/rotation.ts';
import { applyKernelSettings } from './network/kernel-settings.ts';
import { PodNetwork } from './network/pod-network.ts';
import { describeNode } from './node/describe.ts';
import { Heartbeat } from './node/heartbeat.ts';
import { parseLabels, parseTaints } from './node/node-labels.ts';
import { NodeApiState } from './node/node-api-state.ts';
import { NodeObserver } from './node/node-observer.ts';
import { NodeRegistration } from './node/node-registration.ts';
import { parseThresholds } from './node/pressure.ts';
import { untilRuntimeAnswers } from './node/runtime-ready.ts';
import { PodManager } from './pods/sync/pod-manager.ts';
import { PodWorkers } from './pods/sync/pod-workers.ts';
import { IptablesBackend } from './proxy/iptables-backend.ts';
import { Iptables } from './proxy/iptables.ts';
import { ServiceProxy } from './proxy/service-proxy.ts';
import { PodCgroups } from './resources/pod-cgroups.ts';
import { CriNodeRuntime } from './server/cri-node-runtime.ts';
import { NodeServer, type ServingCertificate } from './server/node-server.ts';
import { AgentMetrics } from './stats/agent-metrics.ts';
import { NodeStatistics } from './stats/node-statistics.ts';
import { unwell } from './stats/wellness.ts';
import { ApiObjectSource } from './volumes/api-object-source.ts';
import { HostPodVolumes } from './volumes/host-pod-volumes.ts';
import { ServiceAccountTokens } from './volumes/service-account-tokens.ts';

/** Pods are started without the api-server's word on network and Services when it stays silent for so long. */
const API_PATIENCE_MS = 5_000;
/** A new node is Ready without a certificate for its own API after this: not every control plane approves those by itself. */
const SERVING_PATIENCE_MS = 15_000;

/**
 * Runs until `signal` is aborted; containers, volumes and rules stay as they are then. Throws JoinError, ConnectionError or
 * Error with a sentence for the operator when the host cannot be made a node.
 */
export async function runAgent(config: AgentConfig, signal: AbortSignal, logger: Logger): Promise<void> {
  const dataDir = resolve(config.dataDir);
  const thresholds = parseThresholds(config.evictionHard);
  const labels = parseLabels(config.nodeLabels);
  const clusterCidr = readRange(config.clusterCidr);
  const serviceCidr = config.serviceCidr === '' ? undefined : readRange(config.serviceCidr);
  const taints = parseTaints(config.nodeTaints);

  // Who this host is, what it is, and what it runs containers with.
  const reading = readHostFacts(ownCommand('host-facts'), signal);
  const machineId = async (): Promise<string> => (await reading).machineId;
  const metrics = new AgentMetrics(nodeNameOf(config));
  const cri = new CriClient(config.containerdSocket, (call, seconds, failed) => metrics.called(call, seconds, failed));
  const [{ name, address, certificates, identity }, facts, runtime] = await Promise.all([
    joinCluster(config, machineId, signal, logger),
    reading,
    untilRuntimeAnswers(cri, logger, signal),
  ]);
  const { ca } = identity;
  await using client = new ApiClient({
    server: config.server,
    ...clientCredentials(ca, identity.client),
    userAgent: `kedge-agent/${kubernetesVersion.gitVersion}`,
    logger,
  });
  const description = await describeNode({
    ...{ name, address, port: config.port, maxPods: config.maxPods, reserved: config.reserved },
    ...{ thresholds, dataDir, facts, runtime },
  });
  const allocatable = (): typeof description.allocatable => description.allocatable;
  const events = new EventRecorder({ client, component: 'kubelet', host: name, logger, signal });

  // As the kubelet does, a Node is named in events by its name in place of its uid: there may be no Node yet.
  const nodeReference = { apiVersion: 'v1', kind: 'Node', name, uid: name };
  const recordOfNode = (reason: string, message: string): void =>
    events.event(nodeReference, 'Normal', reason, message);
  recordOfNode('Starting', 'Starting kubelet.');

  // The Node object and its heartbeat.
  const kernelProblems = await applyKernelSettings(logger);
  // Whoever sees a new node Ready may ask it for logs.
  let awaitsApi = (await certificates.read('serving')) === undefined;
  const stopAwaitingApi = (): void => {
    if (awaitsApi) registration.wake();
    awaitsApi = false;
  };
  const nodeApi = new NodeApiState();
  const observer = new NodeObserver({
    ...{ cri, thresholds, dataDir },
    nodeApi: (nowMs) => nodeApi.verdict(nowMs),
    problems: () => (awaitsApi ? [...kernelProblems, 'the node API is not ready yet'] : kernelProblems),
    onLevels: (levels) => void evictions.relieve(levels, signal),
  });
  const registration = new NodeRegistration({
    client,
    description,
    labels,
    taints,
    annotations: config.nodeIp ? { 'alpha.kubernetes.io/provided-node-ip': config.nodeIp } : {},
    observe: (looking) => observer.observe(looking),
    record: recordOfNode,
    logger,
  });
  const heartbeat = new Heartbeat({ client, nodeName: name, nodeUid: () => registration.uid, logger });

  // The network between pods, here and on the other nodes.
  const onForbidden = proxierRightMissing(logger);
  const network = new PodNetwork({
    client,
    nodeName: name,
    cniConfDir: config.cniConfDir,
    clusterCidr,
    bridgeName: config.bridgeName,
    mtu: config.bridgeMtu,
    stateDir: config.cniStateDir,
    hostRoutes: config.hostRoutes,
    onConfigured: () => registration.wake(),
    onNodeDeleted: () => registration.forget(),
    onForbidden,
    logger,
  });

  // Pods: their images, cgroups, volumes and lives.
  const workers = new PodWorkers();
  const refreshVolumes = (podUid: string): void => workers.refreshVolumes(podUid);
  using objects = new ApiObjectSource({ client, logger, onChange: refreshVolumes });
  using volumes = new HostPodVolumes({
    podsDirectory: join(dataDir, 'pods'),
    objects,
    tokens: new ServiceAccountTokens(client),
    ask: volumeHelper(ownCommand('volume-helper')),
    allocatable,
    onStale: refreshVolumes,
    logger,
  });
  const cgroups = new PodCgroups({
    tree: await readCgroupTree(),
    driver: await cri.cgroupDriver({ signal }),
    root: config.cgroupRoot,
  });
  await cgroups.ensureTop({
    milliCpu: quantityMilliValue(description.allocatable['cpu'] ?? '0'),
    memoryBytes: quantityValue(description.allocatable['memory'] ?? '0'),
  });
  const knownServices = new Informer({ client, resource: services, logger, select: linkedService });
  const images = new ImageService({ cri });
  const unusedImages = new ImageCollection({
    ...{ cri, logger, events },
    node: nodeReference,
    pinned: [PAUSE_IMAGE, HELLO_IMAGE],
  });
  const pods = new PodManager({
    ...{ workers, cri, images, volumes, objects, client, events, cgroups, allocatable, metrics, logger },
    services: () => knownServices.values(),
    nodeName: name,
    nodeUid: () => registration.uid,
    nodeIPs: [address],
    dns: { servers: config.clusterDns ? [config.clusterDns] : [], domain: config.clusterDomain },
    resourceHost: {
      memoryCapacityBytes: quantityValue(description.capacity['memory'] ?? '0'),
      lowestOomScoreAdj: await lowestOomScoreAdj(),
      cgroupVersion: cgroups.tree.version,
    },
    staticPodDirectory: config.staticPodDir || undefined,
    logDirectory: config.podLogDir,
    pressures: () => observer.pressures,
    features: () => observer.features,
    logLinkDirectory: config.containerLogDir || undefined,
    resolvConf: config.resolvConf,
  });
  // Who has to go when the node runs short of something.
  const evictions = new EvictionManager({
    ...{ pods: workers, thresholds, logger },
    meter: new Meter({ cri, cgroups, volumes, logDirectory: config.podLogDir }),
    evict: (podUid, graceSeconds, message) => pods.evict(podUid, graceSeconds, message),
    levels: () => observer.levels(),
    reclaimDisk: (reclaiming) => unusedImages.collectAll(reclaiming),
    warnOfNode: (reason, message) => events.event(nodeReference, 'Warning', reason, message),
  });
  const carriedImages = config.imageDir || join(dirname(process.argv[1] ?? ''), 'images');

  const runPods = async (): Promise<void> => {
    const archives = { cri, directory: carriedImages, recordFile: join(dataDir, 'imported-images.json'), logger };
    const imported = await importImageArchives(archives, signal);
    // On a first start pods would only fail before there is a network, and miss the Services' variables.
    await settledWithin(API_PATIENCE_MS, [network.configured, knownServices.hasSynced()], signal);
    await Promise.all([pods.run(signal), imported ? undefined : retryImageArchives(archives, signal)]);
  };

  const registerNode = async (): Promise<void> => {
    await registration.register(signal);
    await registration.run(signal);
  };

  // The node API, and the certificates that expire.
  const serveNodeApi = async (): Promise<void> => {
    const troubled = (trouble: ServingTrouble): void => {
      nodeApi.troubled(trouble);
      registration.wake();
    };
    const serving = await obtainServingCertificate(client, certificates, name, address, logger, signal, troubled);
    const certificate = (pair: CertifiedKey): ServingCertificate => ({ cert: pair.certificate, key: pair.key, ca });
    const server = new NodeServer({
      nodeName: name,
      address: config.bindAddress,
      port: config.port,
      certificate: certificate(serving),
      reviews: {
        reviewToken: (review) => client.create<TokenReview>(tokenReviews, review, { signal }),
        reviewAccess: (review) => client.create<SubjectAccessReview>(subjectAccessReviews, review, { signal }),
      },
      runtime: new CriNodeRuntime({ cri, logger }),
      pods: workers,
      statistics: new NodeStatistics({
        ...{ nodeName: name, pods: workers, cgroups, cri, metrics, dataDir, logger },
        logDirectory: config.podLogDir,
      }),
      configuration: () => ({ ...config, token: '' }),
      unwell: () => unwell({ cri, stuckPods: () => workers.stuck() }),
      logDirectory: config.systemLogDir,
      logger,
    });
    await server.listen();
    nodeApi.served(serving.validToMs);
    stopAwaitingApi();
    registration.wake();
    metrics.certified('serving', serving.validToMs);
    try {
      await keepRenewed(
        'serving',
        serving,
        (asking) =>
          metrics.renewing(
            'serving',
            renew(client, 'serving', certificates, servingCertificate(name, address), logger, asking, (request) =>
              troubled(pendingApproval(request)),
            ),
          ),
        (renewed) => {
          server.replaceCertificate(certificate(renewed));
          nodeApi.served(renewed.validToMs);
        },
        logger,
        signal,
      );
    } finally {
      await server.close();
    }
  };
  metrics.certified('client', identity.client.validToMs);
  const renewIdentity = (): Promise<void> =>
    keepRenewed(
      'client',
      identity.client,
      (asking) =>
        metrics.renewing('client', renew(client, 'client', certificates, clientCertificate(name), logger, asking)),
      (renewed) => client.replaceCredentials(clientCredentials(ca, renewed)),
      logger,
      signal,
    );

  const proxy = new ServiceProxy({
    ...{ client, logger, nodeName: name, dataDir, onForbidden },
    events: new EventRecorder({ client, component: 'kube-proxy', host: name, logger, signal }),
    backend: new IptablesBackend({ clusterCidr, iptables: new Iptables(signal) }),
    serviceCidr,
    synced: (seconds, failed) => metrics.rulesSynced(seconds, failed),
  });

  setTimeout(stopAwaitingApi, SERVING_PATIENCE_MS).unref();
  logger.info({ node: name, address, runtime: description.runtimeVersion }, 'agent started');
  try {
    await Promise.all([
      registerNode(),
      heartbeat.run(signal),
      network.run(signal),
      knownServices.run(signal),
      runPods(),
      unusedImages.run(signal),
      evictions.run(signal),
      config.serviceProxy ? proxy.run(signal) : undefined,
      serveNodeApi(),
      renewIdentity(),
    ]);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    cri.close();
  }
}

/** What the environment of containers says of a Service. */
const linkedService = ({ metadata, spec }: Service): Service => ({
  metadata: { name: metadata?.name, namespace: metadata?.namespace },
  spec: {
    clusterIP: spec?.clusterIP,
    ports: spec?.ports?.map(({ name, port, protocol }) => ({ name, port, protocol })),
  },
});

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
