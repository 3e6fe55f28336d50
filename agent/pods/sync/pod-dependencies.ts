/** The parts of the agent that pod workers use; created once, shared by all workers. */
import type { Logger } from '../../../client/logger.ts';
import type { CriClient } from '../../cri/client.ts';
import type { ImageService } from '../../images/image-service.ts';
import type { Semaphore } from '../../../client/semaphore.ts';
import type { ResourceHost } from '../../resources/compute.ts';
import type { PodCgroups } from '../../resources/pod-cgroups.ts';
import type { PodProtection } from '../../network/policy/network-policies.ts';
import type { PodDevices } from '../../devices/pod-devices.ts';
import type { PodPlacement } from '../../topology/pod-placement.ts';
import type { PodVolumes } from '../../volumes/pod-volumes.ts';
import type { ContainerLogLinks } from '../logs/container-log-links.ts';
import type { ClusterDns } from '../sandbox/dns.ts';
import type { EnvironmentSources } from '../containers/environment.ts';
import type { RuntimeHandlers } from '../sandbox/runtime-handlers.ts';
import type { SandboxSettings } from '../sandbox/sandbox-config.ts';
import type { ResizeObserver } from '../resize/resize-observer.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

/** `container` is the one that the event is about. */
export type RecordEvent = (
  pod: Pod,
  type: 'Normal' | 'Warning',
  reason: string,
  message: string,
  container?: string,
) => void;

export interface PodDependencies {
  readonly cri: CriClient;
  readonly runtimeHandlers: RuntimeHandlers;
  readonly images: ImageService;
  readonly volumes: PodVolumes;
  readonly devices: PodDevices;
  /** Absent: pods share all CPUs. */
  readonly placement?: PodPlacement;
  readonly cgroups: PodCgroups;
  readonly policies: PodProtection;
  readonly environment: EnvironmentSources;
  readonly resourceHost: ResourceHost;
  readonly dns: ClusterDns;
  readonly sandbox: SandboxSettings;
  /** Absent: no links are kept. */
  readonly logLinks?: ContainerLogLinks;
  /** The host's own resolv.conf and hosts file. */
  readonly resolvConf: string;
  readonly hostsFile: string;
  /** Bounds how many sandboxes and containers are started at the same time. */
  readonly starts: Semaphore;
  readonly record: RecordEvent;
  /** Absent: resizes are not counted. */
  readonly resizes?: ResizeObserver;
  readonly logger: Logger;
}
