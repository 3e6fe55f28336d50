import { defineKind } from '../machinery/define-kind.ts';
import {
  always,
  atomic,
  boolean,
  int32,
  int64,
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
import { Taint } from './affinity.ts';
import { ObjectMeta } from '../meta/object-meta.ts';

export const ConfigMapNodeConfigSource = struct(
  'io.k8s.api.core.v1.ConfigMapNodeConfigSource',
  {
    kubeletConfigKey: string(),
    name: string(),
    namespace: string(),
  },
  {
    resourceVersion: string(),
    uid: string(),
  },
);
export type ConfigMapNodeConfigSource = Static<typeof ConfigMapNodeConfigSource>;

export const NodeConfigSource = struct(
  'io.k8s.api.core.v1.NodeConfigSource',
  {},
  {
    configMap: ConfigMapNodeConfigSource,
  },
);
export type NodeConfigSource = Static<typeof NodeConfigSource>;

export const NodeSpec = struct(
  'io.k8s.api.core.v1.NodeSpec',
  {},
  {
    configSource: NodeConfigSource,
    externalID: string(),
    podCIDR: string(),
    podCIDRs: setOf(string(), { patchStrategy: 'merge' }),
    providerID: string(),
    taints: atomic(Taint),
    unschedulable: boolean(),
  },
);
export type NodeSpec = Static<typeof NodeSpec>;

export const NodeAddress = struct(
  'io.k8s.api.core.v1.NodeAddress',
  {
    address: string(),
    type: string(),
  },
  {},
);
export type NodeAddress = Static<typeof NodeAddress>;

export const NodeCondition = struct(
  'io.k8s.api.core.v1.NodeCondition',
  {
    status: string(),
    type: string(),
  },
  {
    lastHeartbeatTime: always(time()),
    lastTransitionTime: always(time()),
    message: string(),
    reason: string(),
  },
);
export type NodeCondition = Static<typeof NodeCondition>;

export const NodeConfigStatus = struct(
  'io.k8s.api.core.v1.NodeConfigStatus',
  {},
  {
    active: NodeConfigSource,
    assigned: NodeConfigSource,
    error: string(),
    lastKnownGood: NodeConfigSource,
  },
);
export type NodeConfigStatus = Static<typeof NodeConfigStatus>;

export const DaemonEndpoint = struct(
  'io.k8s.api.core.v1.DaemonEndpoint',
  {
    Port: int32(),
  },
  {},
);
export type DaemonEndpoint = Static<typeof DaemonEndpoint>;

export const NodeDaemonEndpoints = struct(
  'io.k8s.api.core.v1.NodeDaemonEndpoints',
  {},
  {
    kubeletEndpoint: always(DaemonEndpoint),
  },
);
export type NodeDaemonEndpoints = Static<typeof NodeDaemonEndpoints>;

export const NodeFeatures = struct(
  'io.k8s.api.core.v1.NodeFeatures',
  {},
  {
    supplementalGroupsPolicy: pointer(boolean()),
  },
);
export type NodeFeatures = Static<typeof NodeFeatures>;

export const ContainerImage = struct(
  'io.k8s.api.core.v1.ContainerImage',
  {},
  {
    names: always(atomic(string())),
    sizeBytes: int64(),
  },
);
export type ContainerImage = Static<typeof ContainerImage>;

export const NodeSwapStatus = struct(
  'io.k8s.api.core.v1.NodeSwapStatus',
  {},
  {
    capacity: pointer(int64()),
  },
);
export type NodeSwapStatus = Static<typeof NodeSwapStatus>;

export const NodeSystemInfo = struct(
  'io.k8s.api.core.v1.NodeSystemInfo',
  {
    architecture: string(),
    bootID: string(),
    containerRuntimeVersion: string(),
    kernelVersion: string(),
    kubeProxyVersion: string(),
    kubeletVersion: string(),
    machineID: string(),
    operatingSystem: string(),
    osImage: string(),
    systemUUID: string(),
  },
  {
    swap: NodeSwapStatus,
  },
);
export type NodeSystemInfo = Static<typeof NodeSystemInfo>;

export const NodeRuntimeHandlerFeatures = struct(
  'io.k8s.api.core.v1.NodeRuntimeHandlerFeatures',
  {},
  {
    recursiveReadOnlyMounts: pointer(boolean()),
    userNamespaces: pointer(boolean()),
  },
);
export type NodeRuntimeHandlerFeatures = Static<typeof NodeRuntimeHandlerFeatures>;

export const NodeRuntimeHandler = struct(
  'io.k8s.api.core.v1.NodeRuntimeHandler',
  {},
  {
    features: NodeRuntimeHandlerFeatures,
    name: string(),
  },
);
export type NodeRuntimeHandler = Static<typeof NodeRuntimeHandler>;

export const AttachedVolume = struct(
  'io.k8s.api.core.v1.AttachedVolume',
  {
    devicePath: string(),
    name: string(),
  },
  {},
);
export type AttachedVolume = Static<typeof AttachedVolume>;

export const NodeStatus = struct(
  'io.k8s.api.core.v1.NodeStatus',
  {},
  {
    addresses: merged(NodeAddress, 'type'),
    allocatable: mapOf(quantity()),
    capacity: mapOf(quantity()),
    conditions: merged(NodeCondition, 'type'),
    config: NodeConfigStatus,
    daemonEndpoints: always(NodeDaemonEndpoints),
    declaredFeatures: atomic(string()),
    features: NodeFeatures,
    images: atomic(ContainerImage),
    nodeInfo: always(NodeSystemInfo),
    phase: oneOf('Pending', 'Running', 'Terminated'),
    runtimeHandlers: atomic(NodeRuntimeHandler),
    volumesAttached: atomic(AttachedVolume),
    volumesInUse: atomic(string()),
  },
);
export type NodeStatus = Static<typeof NodeStatus>;

export const Node = struct(
  'io.k8s.api.core.v1.Node',
  {},
  {
    apiVersion: string(),
    kind: string(),
    metadata: always(ObjectMeta),
    spec: always(NodeSpec),
    status: always(NodeStatus),
  },
);
export type Node = Static<typeof Node>;

export const nodes = defineKind<Node>({
  group: '',
  version: 'v1',
  kind: 'Node',
  plural: 'nodes',
  shortNames: ['no'],
  namespaced: false,
  schema: Node,
  subresources: [
    {
      name: 'proxy',
      verbs: ['create', 'delete', 'get', 'patch', 'update'],
      group: '',
      version: 'v1',
      kind: 'NodeProxyOptions',
    },
    { name: 'status', verbs: ['get', 'patch', 'update'] },
  ],
});
