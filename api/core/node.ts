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
import { ageColumn, nameColumn, text, wide } from '../machinery/columns.ts';
import { type FieldError, duplicate, forbidden, invalid, notSupported, required } from '../machinery/field-error.ts';
import { validateCIDR, validateLabelValue, validateQualifiedName } from '../machinery/names.ts';
import { TAINT_EFFECTS } from './affinity-validation.ts';
import { validateResourceAmount } from './resource-validation.ts';

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

const ROLE_PREFIX = 'node-role.kubernetes.io/';
const ROLE_LABEL = 'kubernetes.io/role';

function statusOf({ spec, status }: Node): string {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  const word = !ready ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady';
  return spec?.unschedulable ? `${word},SchedulingDisabled` : word;
}

function rolesOf({ metadata }: Node): string {
  const roles = new Set<string>();
  for (const [key, value] of Object.entries(metadata?.labels ?? {})) {
    if (key.startsWith(ROLE_PREFIX) && key.length > ROLE_PREFIX.length) roles.add(key.slice(ROLE_PREFIX.length));
    else if (key === ROLE_LABEL && value) roles.add(value);
  }
  return [...roles].sort().join(',') || '<none>';
}

const addressOf = ({ status }: Node, type: string): string =>
  status?.addresses?.find((address) => address.type === type)?.address ?? '<none>';

function validateTaints(taints: readonly Taint[]): FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  for (const [index, { key, value = '', effect }] of taints.entries()) {
    const at = `spec.taints[${index}]`;
    for (const problem of validateQualifiedName(key)) errors.push(invalid(`${at}.key`, key, problem));
    for (const problem of validateLabelValue(value)) errors.push(invalid(`${at}.value`, value, problem));
    if (!effect) errors.push(required(`${at}.effect`));
    else if (!TAINT_EFFECTS.includes(effect)) errors.push(notSupported(`${at}.effect`, effect, TAINT_EFFECTS));
    const pair = `${key}:${effect}`;
    if (seen.has(pair)) errors.push(duplicate(at, { key, value, effect }));
    seen.add(pair);
  }
  return errors;
}

function validatePodCIDRs(cidrs: readonly string[]): FieldError[] {
  const errors = cidrs.flatMap((cidr, index) =>
    validateCIDR(cidr).map((problem) => invalid(`spec.podCIDRs[${index}]`, cidr, problem)),
  );
  const families = new Set(cidrs.map((cidr) => cidr.includes(':')));
  if (families.size < cidrs.length) {
    errors.push(invalid('spec.podCIDRs', cidrs, 'may specify no more than one CIDR for each IP family'));
  }
  return errors;
}

function validateAmounts(status: NodeStatus | undefined): FieldError[] {
  const errors: FieldError[] = [];
  for (const field of ['capacity', 'allocatable'] as const) {
    for (const [name, amount] of Object.entries(status?.[field] ?? {})) {
      validateResourceAmount(name, amount, `status.${field}[${name}]`, errors);
    }
  }
  return errors;
}

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
  columns: [
    nameColumn(),
    text('Status', statusOf),
    text('Roles', rolesOf),
    ageColumn(),
    text('Version', ({ status }) => status?.nodeInfo?.kubeletVersion ?? ''),
    wide('Internal-IP', (node) => addressOf(node, 'InternalIP')),
    wide('External-IP', (node) => addressOf(node, 'ExternalIP')),
    wide('OS-Image', ({ status }) => status?.nodeInfo?.osImage || '<unknown>'),
    wide('Kernel-Version', ({ status }) => status?.nodeInfo?.kernelVersion || '<unknown>'),
    wide('Container-Runtime', ({ status }) => status?.nodeInfo?.containerRuntimeVersion || '<unknown>'),
  ],
  selectableFields: { 'spec.unschedulable': ({ spec }) => String(spec?.unschedulable ?? false) },
  applyDefaults: ({ spec, status }) => {
    if (spec?.podCIDR && !spec.podCIDRs?.length) spec.podCIDRs = [spec.podCIDR];
    if (spec?.podCIDRs?.length) spec.podCIDR = spec.podCIDRs[0];
    if (status?.capacity && !status.allocatable) status.allocatable = { ...status.capacity };
  },
  prepareForUpdate: (node, old) => {
    node.status = old.status;
  },
  prepareForStatusUpdate: (node, old) => {
    node.spec = old.spec;
  },
  validate: ({ spec, status }) => [
    ...validateTaints(spec?.taints ?? []),
    ...validatePodCIDRs(spec?.podCIDRs ?? []),
    ...validateAmounts(status),
  ],
  validateUpdate: ({ spec }, old) => {
    const errors: FieldError[] = [];
    if (old.spec?.podCIDRs?.length && spec?.podCIDRs?.join() !== old.spec.podCIDRs.join()) {
      errors.push(forbidden('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid'));
    }
    if (old.spec?.providerID && spec?.providerID !== old.spec.providerID) {
      errors.push(forbidden('spec.providerID', 'node updates may not change providerID except from "" to valid'));
    }
    return errors;
  },
  validateStatusUpdate: ({ status }) => validateAmounts(status),
});
