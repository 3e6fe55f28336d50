/** The part of the agent that runs pods, as a process of its own: what a test kills and starts again. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { CriClient } from '../../../agent/cri/client.ts';
import { createDevices } from '../../../agent/devices/main.ts';
import { EvictionManager } from '../../../agent/eviction/eviction-manager.ts';
import { Meter } from '../../../agent/eviction/meter.ts';
import { readTextIfThere } from '../../../agent/host/files.ts';
import { readHugePages } from '../../../agent/host/meters.ts';
import { readSwap } from '../../../agent/host/swap.ts';
import { readTopology } from '../../../agent/host/cpu-topology.ts';
import { placementSettings } from '../../../agent/topology/placement-settings.ts';
import { PodPlacement } from '../../../agent/topology/pod-placement.ts';
import { volumeHelper } from '../../../agent/host/volume-helper/client.ts';
import { ImageMounts } from '../../../agent/images/image-mounts.ts';
import { ImageService } from '../../../agent/images/image-service.ts';
import { parseThresholds, type Levels } from '../../../agent/node/pressure.ts';
import { NO_PROTECTION } from '../../../agent/network/policy/network-policies.ts';
import { createPodManager } from '../../../agent/pods/main.ts';
import { PodWorkers } from '../../../agent/pods/sync/pod-workers.ts';
import { cgroupTree } from '../../../agent/host/cgroup-tree.ts';
import { lowestOomScoreAdj } from '../../../agent/host/oom-score.ts';
import { PodCgroups } from '../../../agent/resources/pod-cgroups.ts';
import { Attachments } from '../../../agent/volumes/csi/attachments.ts';
import { createVolumes } from '../../../agent/volumes/main.ts';
import { services } from '../../../client/resources.gen.ts';
import { dnsFacts } from '../../../agent/network/dns/dns-facts.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { EventRecorder } from '../../../client/event-recorder.ts';
import { Informer } from '../../../client/informer.ts';

export interface AgentSettings {
  readonly api: string;
  readonly socket: string;
  readonly cgroupRoot: string;
  readonly directory: string;
  /** Containers may have CPUs for themselves, all but the first. */
  readonly staticCpus?: boolean;
}

const NODE = 'node-1';
const NODE_IP = '192.0.2.1';
const MEMORY_BYTES = 8 * 2 ** 30;

const settings = JSON.parse(process.argv[2] ?? '{}') as AgentSettings;
const write = (level: string) => (fields: object, message: string) =>
  process.stderr.write(`${JSON.stringify({ level, message, ...fields })}\n`);
const logger = { debug: () => undefined, info: write('info'), warn: write('warn'), error: write('error') };
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
const { signal } = stop;

const cri = new CriClient(settings.socket);
const client = new ApiClient({ server: settings.api });
const cgroups = new PodCgroups({
  tree: cgroupTree(await readFile('/proc/self/mountinfo', 'utf8')),
  driver: 'cgroupfs',
  root: settings.cgroupRoot,
});
await cgroups.ensureTop({ milliCpu: 2000, memoryBytes: MEMORY_BYTES });
const workers = new PodWorkers();
const allocatable = () => ({ cpu: '2', memory: '8Gi', pods: '110', 'ephemeral-storage': '10Gi' });
const { objects, volumes } = await createVolumes({
  client,
  nodeName: NODE,
  dataDir: settings.directory,
  kubeletDir: path.join(settings.directory, 'kubelet'),
  attachments: new Attachments({ client, nodeName: NODE }),
  allocatable,
  onStale: (uid) => workers.refreshVolumes(uid),
  images: new ImageMounts(cri),
  logger,
  helper: volumeHelper([process.execPath, path.join(import.meta.dirname, '../agent-host/volume-helper-process.ts')]),
});
const devices = await createDevices({
  ...{ client, nodeName: NODE, dataDir: settings.directory, logger },
  kubeletDir: path.join(settings.directory, 'kubelet'),
  onPodChange: (uid) => workers.get(uid)?.wake(),
  onAmounts: () => undefined,
});
const topology = await readTopology();
const placement = await PodPlacement.open({
  settings: placementSettings(
    {
      ...{ cpuManagerPolicy: settings.staticCpus ? 'static' : 'none', cpuManagerPolicyOptions: [], reserved: [] },
      ...{
        reservedCpus: settings.staticCpus ? '0' : '',
        topologyManagerPolicy: 'none',
        topologyManagerPolicyOptions: [],
        topologyManagerScope: 'container',
      },
    },
    topology,
  ),
  ...{ dataDir: settings.directory, cri, logger },
  running: () => workers.running(),
  isActive: (uid) => manager.isActive(uid),
});
const serviceInformer = new Informer({ client, resource: services, logger, select: dnsFacts });
const events = new EventRecorder({ client, component: 'kubelet', host: NODE, logger, signal });
const manager = createPodManager(
  {
    workers,
    cri,
    images: new ImageService({ cri }),
    volumes,
    devices: devices.ofPods,
    placement,
    policies: NO_PROTECTION,
    objects,
    client,
    events,
    services: () => serviceInformer.values(),
    nodeName: NODE,
    nodeUid: () => 'node-uid',
    nodeIPs: [NODE_IP],
    dns: { servers: ['10.43.0.10'], domain: 'cluster.local' },
    cgroups,
    resourceHost: {
      memoryCapacityBytes: MEMORY_BYTES,
      lowestOomScoreAdj: await lowestOomScoreAdj(),
      cgroupVersion: cgroups.tree.version,
      pageSizes: [...(await readHugePages()).keys()].map((kib) => kib * 1024),
      swap: {
        ...(await readSwap(cgroups.tree)),
        ...{ behavior: 'LimitedSwap', cgroupVersion: cgroups.tree.version, memoryCapacityBytes: MEMORY_BYTES },
      },
    },
    allocatable,
    pressures: () => [],
    features: () => ({ supplementalGroupsPolicy: false }),
    isShuttingDown: () => false,
    staticPodDirectory: path.join(settings.directory, 'manifests'),
    logDirectory: path.join(settings.directory, 'logs'),
    logLinkDirectory: path.join(settings.directory, 'log-links'),
    logger,
  },
  signal,
);

// The test sets the node's available resources in a file.
const levels = async (): Promise<Levels> =>
  JSON.parse((await readTextIfThere(path.join(settings.directory, 'levels.json'))) ?? '{}') as Levels;
const evictions = new EvictionManager({
  pods: workers,
  thresholds: parseThresholds(['memory.available<100Mi', 'nodefs.available<10%']),
  meter: new Meter({ cri, cgroups, volumes, logDirectory: path.join(settings.directory, 'logs') }),
  evict: (podUid, graceSeconds, message) => manager.evict(podUid, graceSeconds, message),
  levels,
  reclaimDisk: () => Promise.resolve(),
  warnOfNode: (reason, message) => write('info')({ reason }, message),
  limitsPeriodMs: 500,
  logger,
});
const look = setInterval(() => void levels().then((seen) => evictions.relieve(seen, signal)), 200);
signal.addEventListener('abort', () => clearInterval(look), { once: true });

await Promise.all([placement.run(signal), manager.run(), serviceInformer.run(signal), evictions.run(signal)]);
objects[Symbol.dispose]();
volumes[Symbol.dispose]();
devices[Symbol.dispose]();
cri.close();
await client[Symbol.asyncDispose]();
