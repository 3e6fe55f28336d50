/** Composition of the pods room: sources, workers, statuses and logs. */
import type { ApiClient } from '../../client/api-client.ts';
import type { EventRecorder } from '../../client/event-recorder.ts';
import type { Logger } from '../../client/logger.ts';
import type { CriClient } from '../cri/client.ts';
import type { AgentConfig } from '../config.ts';
import type { ImageService } from '../images/image-service.ts';
import { Semaphore } from '../../client/semaphore.ts';
import type { Pressure } from '../node/pressure.ts';
import type { ResourceHost } from '../resources/compute.ts';
import type { PodCgroups } from '../resources/pod-cgroups.ts';
import type { ResourceList } from '../../api/domain/resource-names.ts';
import type { ObjectSource } from '../volumes/written/object-source.ts';
import type { PodProtection } from '../network/policy/network-policies.ts';
import type { PodDevices } from '../devices/pod-devices.ts';
import type { PodPlacement } from '../topology/pod-placement.ts';
import type { PodVolumes } from '../volumes/pod-volumes.ts';
import type { ResizeObserver } from './resize/resize-observer.ts';
import { RuntimeHandlers } from './sandbox/runtime-handlers.ts';
import { ContainerLogLinks } from './logs/container-log-links.ts';
import type { LinkedService } from './containers/service-env.ts';
import { PodLogs } from './logs/pod-logs.ts';
import type { ClusterDns } from './sandbox/dns.ts';
import { ApiPods } from './sources/api-pods.ts';
import { MirrorPods } from './sources/mirror-pods.ts';
import { StaticPods } from './sources/static-pods.ts';
import { StatusManager } from './status/status-manager.ts';
import { HostInventory } from './sync/host-inventory.ts';
import type { PodDependencies } from './sync/pod-dependencies.ts';
import { podEvents } from './sync/pod-events.ts';
import { PodManager } from './sync/pod-manager.ts';
import type { PodMetrics } from './sync/pod-metrics.ts';
import type { PodWorkers } from './sync/pod-workers.ts';
import type { NodeFeatures } from '../../api/types/core/v1.gen.ts';

export interface PodsOptions {
  /** Empty: the manager fills it. */
  readonly workers: PodWorkers;
  readonly cri: CriClient;
  readonly images: ImageService;
  readonly volumes: PodVolumes;
  readonly devices: PodDevices;
  /** Absent: pods share all CPUs. */
  readonly placement?: PodPlacement;
  readonly resizes?: ResizeObserver;
  readonly policies: PodProtection;
  readonly objects: ObjectSource;
  readonly client: ApiClient;
  readonly events: EventRecorder;
  /** Every service of the cluster, for environment variables. */
  readonly services: () => Iterable<LinkedService>;
  readonly nodeName: string;
  /** Of the Node object; undefined before the node has been registered. */
  readonly nodeUid: () => string | undefined;
  readonly nodeIPs: readonly string[];
  readonly dns: ClusterDns;
  readonly cgroups: PodCgroups;
  readonly resourceHost: ResourceHost;
  /** The node's allocatable resources. */
  readonly allocatable: () => ResourceList;
  /** The node's pressures. */
  readonly pressures: () => readonly Pressure[];
  readonly isShuttingDown: () => boolean;
  /** Optional features of the runtime. */
  readonly features: () => NodeFeatures;
  /** Static pods; none when absent. */
  readonly staticPodDirectory?: string;
  /** `/var/log/pods` */
  readonly logDirectory: string;
  /** `/var/log/containers`; no links to the logs are kept when absent. */
  readonly logLinkDirectory?: string;
  readonly resolvConf?: string;
  readonly hostsFile?: string;
  readonly metrics?: PodMetrics;
  readonly logger: Logger;
}

/** Starting a container is mostly the runtime's CPU time: more at once would only wait for each other. */
const PARALLEL_STARTS = 8;

/** The agent's settings of pods. */
export const podSettings = (config: AgentConfig) => ({
  staticPodDirectory: config.staticPodDir || undefined,
  logDirectory: config.podLogDir,
  logLinkDirectory: config.containerLogDir || undefined,
  resolvConf: config.resolvConf,
});

export function createPodManager(options: PodsOptions, signal: AbortSignal): PodManager {
  const { workers, cri, client, images, volumes, devices, cgroups, resourceHost, dns, nodeName, nodeUid, logger } =
    options;
  const { staticPodDirectory, logDirectory, logLinkDirectory } = options;
  const apiPods = new ApiPods({ client, nodeName, logger });
  const logLinks = logLinkDirectory === undefined ? undefined : new ContainerLogLinks(logLinkDirectory);
  const { placement, policies, resizes, objects, services, allocatable, pressures, features, isShuttingDown, nodeIPs } =
    options;
  const dependencies: PodDependencies = {
    ...{ cri, images, volumes, devices, placement, policies, cgroups, resourceHost, dns, logLinks, resizes, logger },
    environment: { objects, services, allocatable, hostIPs: nodeIPs, nodeName },
    sandbox: { logDirectory, clusterDomain: dns.domain },
    resolvConf: options.resolvConf ?? '/etc/resolv.conf',
    hostsFile: options.hostsFile ?? '/etc/hosts',
    runtimeHandlers: new RuntimeHandlers(client),
    starts: new Semaphore(PARALLEL_STARTS),
    record: podEvents(options.events, workers, apiPods),
  };
  return new PodManager(
    {
      ...{ workers, apiPods, dependencies, logger },
      mirrorPods: new MirrorPods({ client, logger, nodeName, nodeUid }),
      ...(staticPodDirectory !== undefined && {
        staticPods: new StaticPods({ directory: staticPodDirectory, nodeName, logger }),
      }),
      inventory: new HostInventory({ cri, volumes, devices, cgroups, logger }),
      statuses: new StatusManager({ client, logger, apiPods }, signal),
      logs: new PodLogs({ cri, directory: logDirectory, links: logLinks, logger }),
      hostIPs: nodeIPs,
      node: () => ({
        allocatable: allocatable(),
        pressures: pressures(),
        features: features(),
        isShuttingDown: isShuttingDown(),
      }),
      metrics: options.metrics,
    },
    signal,
  );
}
