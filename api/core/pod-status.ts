import {
  always,
  atomic,
  boolean,
  int32,
  int64,
  mapList,
  mapOf,
  merged,
  oneOf,
  pointer,
  quantity,
  setOf,
  string,
  struct,
  time,
  type Static,
} from '../machinery/schema.ts';
import { ResourceRequirements } from './container.ts';
import { stopSignal } from './stop-signal.ts';

export const PodCondition = struct(
  'io.k8s.api.core.v1.PodCondition',
  {
    status: string(),
    type: string(),
  },
  {
    lastProbeTime: always(time()),
    lastTransitionTime: always(time()),
    message: string(),
    observedGeneration: int64(),
    reason: string(),
  },
);
export type PodCondition = Static<typeof PodCondition>;

export const ResourceHealth = struct(
  'io.k8s.api.core.v1.ResourceHealth',
  {
    resourceID: string(),
  },
  {
    health: string(),
    message: string(),
  },
);
export type ResourceHealth = Static<typeof ResourceHealth>;

export const ResourceStatus = struct(
  'io.k8s.api.core.v1.ResourceStatus',
  {
    name: string(),
  },
  {
    resources: mapList(ResourceHealth, ['resourceID']),
  },
);
export type ResourceStatus = Static<typeof ResourceStatus>;

export const ContainerStateRunning = struct(
  'io.k8s.api.core.v1.ContainerStateRunning',
  {},
  {
    startedAt: always(time()),
  },
);
export type ContainerStateRunning = Static<typeof ContainerStateRunning>;

export const ContainerStateTerminated = struct(
  'io.k8s.api.core.v1.ContainerStateTerminated',
  {
    exitCode: int32(),
  },
  {
    containerID: string(),
    finishedAt: always(time()),
    message: string(),
    reason: string(),
    signal: int32(),
    startedAt: always(time()),
  },
);
export type ContainerStateTerminated = Static<typeof ContainerStateTerminated>;

export const ContainerStateWaiting = struct(
  'io.k8s.api.core.v1.ContainerStateWaiting',
  {},
  {
    message: string(),
    reason: string(),
  },
);
export type ContainerStateWaiting = Static<typeof ContainerStateWaiting>;

export const ContainerState = struct(
  'io.k8s.api.core.v1.ContainerState',
  {},
  {
    running: ContainerStateRunning,
    terminated: ContainerStateTerminated,
    waiting: ContainerStateWaiting,
  },
);
export type ContainerState = Static<typeof ContainerState>;

export const LinuxContainerUser = struct(
  'io.k8s.api.core.v1.LinuxContainerUser',
  {
    gid: int64(),
    uid: int64(),
  },
  {
    supplementalGroups: atomic(int64()),
  },
);
export type LinuxContainerUser = Static<typeof LinuxContainerUser>;

export const ContainerUser = struct(
  'io.k8s.api.core.v1.ContainerUser',
  {},
  {
    linux: LinuxContainerUser,
  },
);
export type ContainerUser = Static<typeof ContainerUser>;

export const ImageVolumeStatus = struct(
  'io.k8s.api.core.v1.ImageVolumeStatus',
  {
    imageRef: string(),
  },
  {},
);
export type ImageVolumeStatus = Static<typeof ImageVolumeStatus>;

export const VolumeStatus = struct(
  'io.k8s.api.core.v1.VolumeStatus',
  {},
  {
    image: ImageVolumeStatus,
  },
);
export type VolumeStatus = Static<typeof VolumeStatus>;

export const VolumeMountStatus = struct(
  'io.k8s.api.core.v1.VolumeMountStatus',
  {
    mountPath: string(),
    name: string(),
  },
  {
    readOnly: boolean(),
    recursiveReadOnly: string(),
    volumeStatus: VolumeStatus,
  },
);
export type VolumeMountStatus = Static<typeof VolumeMountStatus>;

export const ContainerStatus = struct(
  'io.k8s.api.core.v1.ContainerStatus',
  {
    image: string(),
    imageID: string(),
    name: string(),
    ready: boolean(),
    restartCount: int32(),
  },
  {
    allocatedResources: mapOf(quantity()),
    allocatedResourcesStatus: merged(ResourceStatus, 'name'),
    containerID: string(),
    lastState: always(ContainerState),
    resources: ResourceRequirements,
    started: pointer(boolean()),
    state: always(ContainerState),
    stopSignal: stopSignal(),
    user: ContainerUser,
    volumeMounts: merged(VolumeMountStatus, 'mountPath'),
  },
);
export type ContainerStatus = Static<typeof ContainerStatus>;

export const ContainerExtendedResourceRequest = struct(
  'io.k8s.api.core.v1.ContainerExtendedResourceRequest',
  {
    containerName: string(),
    requestName: string(),
    resourceName: string(),
  },
  {},
);
export type ContainerExtendedResourceRequest = Static<typeof ContainerExtendedResourceRequest>;

export const PodExtendedResourceClaimStatus = struct(
  'io.k8s.api.core.v1.PodExtendedResourceClaimStatus',
  {
    requestMappings: atomic(ContainerExtendedResourceRequest),
    resourceClaimName: string(),
  },
  {},
);
export type PodExtendedResourceClaimStatus = Static<typeof PodExtendedResourceClaimStatus>;

export const HostIP = struct(
  'io.k8s.api.core.v1.HostIP',
  {
    ip: string(),
  },
  {},
);
export type HostIP = Static<typeof HostIP>;

export const NodeAllocatableResourceClaimStatus = struct(
  'io.k8s.api.core.v1.NodeAllocatableResourceClaimStatus',
  {
    resourceClaimName: string(),
    resources: mapOf(quantity()),
  },
  {
    containers: setOf(string()),
  },
);
export type NodeAllocatableResourceClaimStatus = Static<typeof NodeAllocatableResourceClaimStatus>;

export const PodIP = struct(
  'io.k8s.api.core.v1.PodIP',
  {
    ip: string(),
  },
  {},
);
export type PodIP = Static<typeof PodIP>;

export const PodResourceClaimStatus = struct(
  'io.k8s.api.core.v1.PodResourceClaimStatus',
  {
    name: string(),
  },
  {
    resourceClaimName: string(),
  },
);
export type PodResourceClaimStatus = Static<typeof PodResourceClaimStatus>;

export const PodStatus = struct(
  'io.k8s.api.core.v1.PodStatus',
  {},
  {
    allocatedResources: mapOf(quantity()),
    conditions: merged(PodCondition, 'type'),
    containerStatuses: atomic(ContainerStatus),
    ephemeralContainerStatuses: atomic(ContainerStatus),
    extendedResourceClaimStatus: PodExtendedResourceClaimStatus,
    hostIP: string(),
    hostIPs: atomic(HostIP, { patchMergeKey: 'ip', patchStrategy: 'merge' }),
    initContainerStatuses: atomic(ContainerStatus),
    message: string(),
    nodeAllocatableResourceClaimStatuses: atomic(NodeAllocatableResourceClaimStatus),
    nominatedNodeName: string(),
    observedGeneration: int64(),
    phase: oneOf('Failed', 'Pending', 'Running', 'Succeeded', 'Unknown'),
    podIP: string(),
    podIPs: merged(PodIP, 'ip'),
    qosClass: oneOf('BestEffort', 'Burstable', 'Guaranteed'),
    reason: string(),
    resize: string(),
    resourceClaimStatuses: mapList(PodResourceClaimStatus, ['name'], {
      patchMergeKey: 'name',
      patchStrategy: 'merge,retainKeys',
    }),
    resources: ResourceRequirements,
    startTime: time(),
  },
);
export type PodStatus = Static<typeof PodStatus>;
