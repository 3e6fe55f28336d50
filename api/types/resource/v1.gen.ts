// Generated from api/types/facts.txt by `npm run generate`.
import { boolean, int64, list, mapOf, namedObject, oneOf, optional, quantity, required, string, struct, time } from '../../machinery/schema.ts';
import { Condition, ObjectMeta } from '../meta/v1.gen.ts';
import { NodeSelector } from '../core/v1.gen.ts';

export const AllocatedDeviceStatus = struct('io.k8s.api.resource.v1.AllocatedDeviceStatus', () => ({
  device: required(3, string),
  driver: required(1, string),
  pool: required(2, string),
  conditions: optional(4, list(Condition), { always: true, listType: 'map', listMapKeys: ['type'] }),
  data: optional(5, namedObject('io.k8s.apimachinery.pkg.runtime.RawExtension')),
  networkData: optional(6, NetworkDeviceData),
  shareID: optional(7, string, { pointer: true }),
}));
export type AllocatedDeviceStatus = {
  device: string;
  driver: string;
  pool: string;
  conditions?: Condition[] | null;
  data?: Record<string, unknown>;
  networkData?: NetworkDeviceData;
  shareID?: string;
};

export const AllocationResult = struct('io.k8s.api.resource.v1.AllocationResult', () => ({
  allocationTimestamp: optional(5, time),
  devices: optional(1, DeviceAllocationResult, { always: true }),
  nodeSelector: optional(3, NodeSelector),
}));
export type AllocationResult = {
  allocationTimestamp?: string;
  devices?: DeviceAllocationResult;
  nodeSelector?: NodeSelector;
};

export const CELDeviceSelector = struct('io.k8s.api.resource.v1.CELDeviceSelector', () => ({
  expression: required(1, string),
}));
export type CELDeviceSelector = {
  expression: string;
};

export const CapacityRequestPolicy = struct('io.k8s.api.resource.v1.CapacityRequestPolicy', () => ({
  default: optional(1, quantity, { nullable: true }),
  validRange: optional(4, CapacityRequestPolicyRange),
  validValues: optional(3, list(quantity), { listType: 'atomic' }),
}));
export type CapacityRequestPolicy = {
  default?: string | null;
  validRange?: CapacityRequestPolicyRange;
  validValues?: string[];
};

export const CapacityRequestPolicyRange = struct('io.k8s.api.resource.v1.CapacityRequestPolicyRange', () => ({
  min: required(1, quantity),
  max: optional(2, quantity),
  step: optional(3, quantity),
}));
export type CapacityRequestPolicyRange = {
  min: string;
  max?: string;
  step?: string;
};

export const CapacityRequirements = struct('io.k8s.api.resource.v1.CapacityRequirements', () => ({
  requests: optional(1, mapOf(quantity), { goType: 'map[v1.QualifiedName]resource.Quantity' }),
}));
export type CapacityRequirements = {
  requests?: Record<string, string>;
};

export const Counter = struct('io.k8s.api.resource.v1.Counter', () => ({
  value: required(1, quantity),
}));
export type Counter = {
  value: string;
};

export const CounterSet = struct('io.k8s.api.resource.v1.CounterSet', () => ({
  counters: required(2, mapOf(Counter)),
  name: required(1, string),
}));
export type CounterSet = {
  counters: Record<string, Counter>;
  name: string;
};

export const Device = struct('io.k8s.api.resource.v1.Device', () => ({
  name: required(1, string),
  allNodes: optional(7, boolean, { pointer: true }),
  allowMultipleAllocations: optional(12, boolean, { pointer: true }),
  attributes: optional(2, mapOf(DeviceAttribute), { goType: 'map[v1.QualifiedName]v1.DeviceAttribute' }),
  bindingConditions: optional(10, list(string), { listType: 'atomic' }),
  bindingFailureConditions: optional(11, list(string), { listType: 'atomic' }),
  bindsToNode: optional(9, boolean, { pointer: true }),
  capacity: optional(3, mapOf(DeviceCapacity), { goType: 'map[v1.QualifiedName]v1.DeviceCapacity' }),
  consumesCounters: optional(4, list(DeviceCounterConsumption), { listType: 'atomic' }),
  nodeAllocatableResourceMappings: optional(13, mapOf(NodeAllocatableResourceMapping), { goType: 'map[v1.ResourceName]v1.NodeAllocatableResourceMapping' }),
  nodeName: optional(5, string, { pointer: true }),
  nodeSelector: optional(6, NodeSelector),
  taints: optional(8, list(DeviceTaint), { listType: 'atomic' }),
}));
export type Device = {
  name: string;
  allNodes?: boolean;
  allowMultipleAllocations?: boolean;
  attributes?: Record<string, DeviceAttribute>;
  bindingConditions?: string[];
  bindingFailureConditions?: string[];
  bindsToNode?: boolean;
  capacity?: Record<string, DeviceCapacity>;
  consumesCounters?: DeviceCounterConsumption[];
  nodeAllocatableResourceMappings?: Record<string, NodeAllocatableResourceMapping>;
  nodeName?: string;
  nodeSelector?: NodeSelector;
  taints?: DeviceTaint[];
};

export const DeviceAllocationConfiguration = struct('io.k8s.api.resource.v1.DeviceAllocationConfiguration', () => ({
  source: required(1, oneOf('FromClaim', 'FromClass'), { goType: 'v1.AllocationConfigSource' }),
  opaque: optional([3, 1], OpaqueDeviceConfiguration, { embeddedIn: 'DeviceConfiguration' }),
  requests: optional(2, list(string), { listType: 'atomic' }),
}));
export type DeviceAllocationConfiguration = {
  source: 'FromClaim' | 'FromClass';
  opaque?: OpaqueDeviceConfiguration;
  requests?: string[];
};

export const DeviceAllocationResult = struct('io.k8s.api.resource.v1.DeviceAllocationResult', () => ({
  config: optional(2, list(DeviceAllocationConfiguration), { listType: 'atomic' }),
  results: optional(1, list(DeviceRequestAllocationResult), { listType: 'atomic' }),
}));
export type DeviceAllocationResult = {
  config?: DeviceAllocationConfiguration[];
  results?: DeviceRequestAllocationResult[];
};

export const DeviceAttribute = struct('io.k8s.api.resource.v1.DeviceAttribute', () => ({
  bool: optional(3, boolean, { pointer: true }),
  bools: optional(7, list(boolean), { listType: 'atomic' }),
  int: optional(2, int64, { pointer: true }),
  ints: optional(6, list(int64), { listType: 'atomic' }),
  string: optional(4, string, { pointer: true }),
  strings: optional(8, list(string), { listType: 'atomic' }),
  version: optional(5, string, { pointer: true }),
  versions: optional(9, list(string), { listType: 'atomic' }),
}));
export type DeviceAttribute = {
  bool?: boolean;
  bools?: boolean[];
  int?: number;
  ints?: number[];
  string?: string;
  strings?: string[];
  version?: string;
  versions?: string[];
};

export const DeviceCapacity = struct('io.k8s.api.resource.v1.DeviceCapacity', () => ({
  value: required(1, quantity),
  requestPolicy: optional(2, CapacityRequestPolicy),
}));
export type DeviceCapacity = {
  value: string;
  requestPolicy?: CapacityRequestPolicy;
};

export const DeviceClaim = struct('io.k8s.api.resource.v1.DeviceClaim', () => ({
  config: optional(3, list(DeviceClaimConfiguration), { listType: 'atomic' }),
  constraints: optional(2, list(DeviceConstraint), { listType: 'atomic' }),
  requests: optional(1, list(DeviceRequest), { always: true, listType: 'atomic' }),
}));
export type DeviceClaim = {
  config?: DeviceClaimConfiguration[];
  constraints?: DeviceConstraint[];
  requests?: DeviceRequest[] | null;
};

export const DeviceClaimConfiguration = struct('io.k8s.api.resource.v1.DeviceClaimConfiguration', () => ({
  opaque: optional([2, 1], OpaqueDeviceConfiguration, { embeddedIn: 'DeviceConfiguration' }),
  requests: optional(1, list(string), { listType: 'atomic' }),
}));
export type DeviceClaimConfiguration = {
  opaque?: OpaqueDeviceConfiguration;
  requests?: string[];
};

export const DeviceClass = struct('io.k8s.api.resource.v1.DeviceClass', () => ({
  spec: required(2, DeviceClassSpec),
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
}));
export type DeviceClass = {
  spec: DeviceClassSpec;
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
};

export const DeviceClassConfiguration = struct('io.k8s.api.resource.v1.DeviceClassConfiguration', () => ({
  opaque: optional([1, 1], OpaqueDeviceConfiguration, { embeddedIn: 'DeviceConfiguration' }),
}));
export type DeviceClassConfiguration = {
  opaque?: OpaqueDeviceConfiguration;
};

export const DeviceClassSpec = struct('io.k8s.api.resource.v1.DeviceClassSpec', () => ({
  config: optional(2, list(DeviceClassConfiguration), { listType: 'atomic' }),
  extendedResourceName: optional(4, string, { pointer: true }),
  selectors: optional(1, list(DeviceSelector), { listType: 'atomic' }),
}));
export type DeviceClassSpec = {
  config?: DeviceClassConfiguration[];
  extendedResourceName?: string;
  selectors?: DeviceSelector[];
};

export const DeviceConstraint = struct('io.k8s.api.resource.v1.DeviceConstraint', () => ({
  distinctAttribute: optional(3, string, { pointer: true, goType: 'v1.FullyQualifiedName' }),
  matchAttribute: optional(2, string, { pointer: true, goType: 'v1.FullyQualifiedName' }),
  requests: optional(1, list(string), { listType: 'atomic' }),
}));
export type DeviceConstraint = {
  distinctAttribute?: string;
  matchAttribute?: string;
  requests?: string[];
};

export const DeviceCounterConsumption = struct('io.k8s.api.resource.v1.DeviceCounterConsumption', () => ({
  counterSet: required(1, string),
  counters: required(2, mapOf(Counter)),
}));
export type DeviceCounterConsumption = {
  counterSet: string;
  counters: Record<string, Counter>;
};

export const DeviceRequest = struct('io.k8s.api.resource.v1.DeviceRequest', () => ({
  name: required(1, string),
  exactly: optional(2, ExactDeviceRequest),
  firstAvailable: optional(3, list(DeviceSubRequest), { listType: 'atomic' }),
}));
export type DeviceRequest = {
  name: string;
  exactly?: ExactDeviceRequest;
  firstAvailable?: DeviceSubRequest[];
};

export const DeviceRequestAllocationResult = struct('io.k8s.api.resource.v1.DeviceRequestAllocationResult', () => ({
  device: required(4, string),
  driver: required(2, string),
  pool: required(3, string),
  request: required(1, string),
  adminAccess: optional(5, boolean, { pointer: true }),
  bindingConditions: optional(7, list(string), { listType: 'atomic' }),
  bindingFailureConditions: optional(8, list(string), { listType: 'atomic' }),
  consumedCapacity: optional(10, mapOf(quantity), { goType: 'map[v1.QualifiedName]resource.Quantity' }),
  shareID: optional(9, string, { pointer: true, goType: 'types.UID' }),
  tolerations: optional(6, list(DeviceToleration), { listType: 'atomic' }),
}));
export type DeviceRequestAllocationResult = {
  device: string;
  driver: string;
  pool: string;
  request: string;
  adminAccess?: boolean;
  bindingConditions?: string[];
  bindingFailureConditions?: string[];
  consumedCapacity?: Record<string, string>;
  shareID?: string;
  tolerations?: DeviceToleration[];
};

export const DeviceSelector = struct('io.k8s.api.resource.v1.DeviceSelector', () => ({
  cel: optional(1, CELDeviceSelector),
}));
export type DeviceSelector = {
  cel?: CELDeviceSelector;
};

export const DeviceSubRequest = struct('io.k8s.api.resource.v1.DeviceSubRequest', () => ({
  deviceClassName: required(2, string),
  name: required(1, string),
  allocationMode: optional(4, oneOf('All', 'ExactCount'), { goType: 'v1.DeviceAllocationMode' }),
  capacity: optional(7, CapacityRequirements),
  count: optional(5, int64),
  selectors: optional(3, list(DeviceSelector), { listType: 'atomic' }),
  tolerations: optional(6, list(DeviceToleration), { listType: 'atomic' }),
}));
export type DeviceSubRequest = {
  deviceClassName: string;
  name: string;
  allocationMode?: 'All' | 'ExactCount';
  capacity?: CapacityRequirements;
  count?: number;
  selectors?: DeviceSelector[];
  tolerations?: DeviceToleration[];
};

export const DeviceTaint = struct('io.k8s.api.resource.v1.DeviceTaint', () => ({
  effect: required(3, oneOf('NoExecute', 'NoSchedule', 'None'), { goType: 'v1.DeviceTaintEffect' }),
  key: required(1, string),
  timeAdded: optional(4, time),
  value: optional(2, string),
}));
export type DeviceTaint = {
  effect: 'NoExecute' | 'NoSchedule' | 'None';
  key: string;
  timeAdded?: string;
  value?: string;
};

export const DeviceToleration = struct('io.k8s.api.resource.v1.DeviceToleration', () => ({
  effect: optional(4, oneOf('NoExecute', 'NoSchedule', 'None'), { goType: 'v1.DeviceTaintEffect' }),
  key: optional(1, string),
  operator: optional(2, oneOf('Equal', 'Exists'), { goType: 'v1.DeviceTolerationOperator' }),
  tolerationSeconds: optional(5, int64, { pointer: true }),
  value: optional(3, string),
}));
export type DeviceToleration = {
  effect?: 'NoExecute' | 'NoSchedule' | 'None';
  key?: string;
  operator?: 'Equal' | 'Exists';
  tolerationSeconds?: number;
  value?: string;
};

export const ExactDeviceRequest = struct('io.k8s.api.resource.v1.ExactDeviceRequest', () => ({
  deviceClassName: required(1, string),
  adminAccess: optional(5, boolean, { pointer: true }),
  allocationMode: optional(3, oneOf('All', 'ExactCount'), { goType: 'v1.DeviceAllocationMode' }),
  capacity: optional(7, CapacityRequirements),
  count: optional(4, int64),
  selectors: optional(2, list(DeviceSelector), { listType: 'atomic' }),
  tolerations: optional(6, list(DeviceToleration), { listType: 'atomic' }),
}));
export type ExactDeviceRequest = {
  deviceClassName: string;
  adminAccess?: boolean;
  allocationMode?: 'All' | 'ExactCount';
  capacity?: CapacityRequirements;
  count?: number;
  selectors?: DeviceSelector[];
  tolerations?: DeviceToleration[];
};

export const NetworkDeviceData = struct('io.k8s.api.resource.v1.NetworkDeviceData', () => ({
  hardwareAddress: optional(3, string),
  interfaceName: optional(1, string),
  ips: optional(2, list(string), { listType: 'atomic' }),
}));
export type NetworkDeviceData = {
  hardwareAddress?: string;
  interfaceName?: string;
  ips?: string[];
};

export const NodeAllocatableResourceMapping = struct('io.k8s.api.resource.v1.NodeAllocatableResourceMapping', () => ({
  allocationMultiplier: optional(2, quantity),
  capacityKey: optional(1, string, { pointer: true, goType: 'v1.QualifiedName' }),
}));
export type NodeAllocatableResourceMapping = {
  allocationMultiplier?: string;
  capacityKey?: string;
};

export const OpaqueDeviceConfiguration = struct('io.k8s.api.resource.v1.OpaqueDeviceConfiguration', () => ({
  driver: required(1, string),
  parameters: required(2, namedObject('io.k8s.apimachinery.pkg.runtime.RawExtension')),
}));
export type OpaqueDeviceConfiguration = {
  driver: string;
  parameters: Record<string, unknown>;
};

export const ResourceClaim = struct('io.k8s.api.resource.v1.ResourceClaim', () => ({
  spec: required(2, ResourceClaimSpec),
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  status: optional(3, ResourceClaimStatus, { always: true }),
}));
export type ResourceClaim = {
  spec: ResourceClaimSpec;
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  status?: ResourceClaimStatus;
};

export const ResourceClaimConsumerReference = struct('io.k8s.api.resource.v1.ResourceClaimConsumerReference', () => ({
  name: required(4, string),
  resource: required(3, string),
  uid: required(5, string, { goType: 'types.UID' }),
  apiGroup: optional(1, string),
}));
export type ResourceClaimConsumerReference = {
  name: string;
  resource: string;
  uid: string;
  apiGroup?: string;
};

export const ResourceClaimSpec = struct('io.k8s.api.resource.v1.ResourceClaimSpec', () => ({
  devices: optional(1, DeviceClaim, { always: true }),
}));
export type ResourceClaimSpec = {
  devices?: DeviceClaim;
};

export const ResourceClaimStatus = struct('io.k8s.api.resource.v1.ResourceClaimStatus', () => ({
  allocation: optional(1, AllocationResult),
  devices: optional(4, list(AllocatedDeviceStatus), { listType: 'map', listMapKeys: ['driver', 'device', 'pool', 'shareID'] }),
  reservedFor: optional(2, list(ResourceClaimConsumerReference), { listType: 'map', listMapKeys: ['uid'], patchMergeKey: 'uid', patchStrategy: 'merge' }),
}));
export type ResourceClaimStatus = {
  allocation?: AllocationResult;
  devices?: AllocatedDeviceStatus[];
  reservedFor?: ResourceClaimConsumerReference[];
};

export const ResourceClaimTemplate = struct('io.k8s.api.resource.v1.ResourceClaimTemplate', () => ({
  spec: required(2, ResourceClaimTemplateSpec),
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
}));
export type ResourceClaimTemplate = {
  spec: ResourceClaimTemplateSpec;
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
};

export const ResourceClaimTemplateSpec = struct('io.k8s.api.resource.v1.ResourceClaimTemplateSpec', () => ({
  spec: required(2, ResourceClaimSpec),
  metadata: optional(1, ObjectMeta, { always: true }),
}));
export type ResourceClaimTemplateSpec = {
  spec: ResourceClaimSpec;
  metadata?: ObjectMeta;
};

export const ResourcePool = struct('io.k8s.api.resource.v1.ResourcePool', () => ({
  generation: required(2, int64),
  name: required(1, string),
  resourceSliceCount: required(3, int64),
}));
export type ResourcePool = {
  generation: number;
  name: string;
  resourceSliceCount: number;
};

export const ResourceSlice = struct('io.k8s.api.resource.v1.ResourceSlice', () => ({
  spec: required(2, ResourceSliceSpec),
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
}));
export type ResourceSlice = {
  spec: ResourceSliceSpec;
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
};

export const ResourceSliceSpec = struct('io.k8s.api.resource.v1.ResourceSliceSpec', () => ({
  driver: required(1, string),
  pool: required(2, ResourcePool),
  allNodes: optional(5, boolean, { pointer: true }),
  devices: optional(6, list(Device), { listType: 'atomic' }),
  nodeName: optional(3, string, { pointer: true }),
  nodeSelector: optional(4, NodeSelector),
  perDeviceNodeSelection: optional(7, boolean, { pointer: true }),
  sharedCounters: optional(8, list(CounterSet), { listType: 'atomic' }),
}));
export type ResourceSliceSpec = {
  driver: string;
  pool: ResourcePool;
  allNodes?: boolean;
  devices?: Device[];
  nodeName?: string;
  nodeSelector?: NodeSelector;
  perDeviceNodeSelection?: boolean;
  sharedCounters?: CounterSet[];
};
