// Generated from api/types/facts.txt by `npm run generate`.
import { boolean, bytes, cidr, configKey, envName, int32, int64, intOrString, ip, labelKey, linuxId, list, longName, mapOf, microTime, oneOf, optional, port, portName, quantity, required, shortName, string, struct, time } from '../../machinery/schema.ts';
import { Condition, LabelSelector, ObjectMeta } from '../meta/v1.gen.ts';

export const AWSElasticBlockStoreVolumeSource = struct('io.k8s.api.core.v1.AWSElasticBlockStoreVolumeSource', () => ({
  volumeID: required(1, string),
  fsType: optional(2, string),
  partition: optional(3, int32),
  readOnly: optional(4, boolean),
}));
export type AWSElasticBlockStoreVolumeSource = {
  volumeID: string;
  fsType?: string;
  partition?: number;
  readOnly?: boolean;
};

export const Affinity = struct('io.k8s.api.core.v1.Affinity', () => ({
  nodeAffinity: optional(1, NodeAffinity),
  podAffinity: optional(2, PodAffinity),
  podAntiAffinity: optional(3, PodAntiAffinity),
}));
export type Affinity = {
  nodeAffinity?: NodeAffinity;
  podAffinity?: PodAffinity;
  podAntiAffinity?: PodAntiAffinity;
};

export const AppArmorProfile = struct('io.k8s.api.core.v1.AppArmorProfile', () => ({
  type: required(1, oneOf('Localhost', 'RuntimeDefault', 'Unconfined'), { goType: 'v1.AppArmorProfileType' }),
  localhostProfile: optional(2, string, { pointer: true }),
}));
export type AppArmorProfile = {
  type: 'Localhost' | 'RuntimeDefault' | 'Unconfined';
  localhostProfile?: string;
};

export const AttachedVolume = struct('io.k8s.api.core.v1.AttachedVolume', () => ({
  devicePath: required(2, string),
  name: required(1, string, { goType: 'v1.UniqueVolumeName' }),
}));
export type AttachedVolume = {
  devicePath: string;
  name: string;
};

export const AzureDiskVolumeSource = struct('io.k8s.api.core.v1.AzureDiskVolumeSource', () => ({
  diskName: required(1, string),
  diskURI: required(2, string),
  cachingMode: optional(3, oneOf('None', 'ReadOnly', 'ReadWrite'), { pointer: true, goType: 'v1.AzureDataDiskCachingMode' }),
  fsType: optional(4, string, { pointer: true }),
  kind: optional(6, oneOf('Dedicated', 'Managed', 'Shared'), { pointer: true, goType: 'v1.AzureDataDiskKind' }),
  readOnly: optional(5, boolean, { pointer: true }),
}));
export type AzureDiskVolumeSource = {
  diskName: string;
  diskURI: string;
  cachingMode?: 'None' | 'ReadOnly' | 'ReadWrite';
  fsType?: string;
  kind?: 'Dedicated' | 'Managed' | 'Shared';
  readOnly?: boolean;
};

export const AzureFilePersistentVolumeSource = struct('io.k8s.api.core.v1.AzureFilePersistentVolumeSource', () => ({
  secretName: required(1, string),
  shareName: required(2, string),
  readOnly: optional(3, boolean),
  secretNamespace: optional(4, string, { pointer: true, nullable: true }),
}));
export type AzureFilePersistentVolumeSource = {
  secretName: string;
  shareName: string;
  readOnly?: boolean;
  secretNamespace?: string | null;
};

export const AzureFileVolumeSource = struct('io.k8s.api.core.v1.AzureFileVolumeSource', () => ({
  secretName: required(1, string),
  shareName: required(2, string),
  readOnly: optional(3, boolean),
}));
export type AzureFileVolumeSource = {
  secretName: string;
  shareName: string;
  readOnly?: boolean;
};

export const Binding = struct('io.k8s.api.core.v1.Binding', () => ({
  target: required(2, ObjectReference),
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
}));
export type Binding = {
  target: ObjectReference;
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
};

export const CSIPersistentVolumeSource = struct('io.k8s.api.core.v1.CSIPersistentVolumeSource', () => ({
  driver: required(1, string),
  volumeHandle: required(2, string),
  controllerExpandSecretRef: optional(9, SecretReference),
  controllerPublishSecretRef: optional(6, SecretReference),
  fsType: optional(4, string),
  nodeExpandSecretRef: optional(10, SecretReference),
  nodePublishSecretRef: optional(8, SecretReference),
  nodeStageSecretRef: optional(7, SecretReference),
  readOnly: optional(3, boolean),
  volumeAttributes: optional(5, mapOf(string)),
}));
export type CSIPersistentVolumeSource = {
  driver: string;
  volumeHandle: string;
  controllerExpandSecretRef?: SecretReference;
  controllerPublishSecretRef?: SecretReference;
  fsType?: string;
  nodeExpandSecretRef?: SecretReference;
  nodePublishSecretRef?: SecretReference;
  nodeStageSecretRef?: SecretReference;
  readOnly?: boolean;
  volumeAttributes?: Record<string, string>;
};

export const CSIVolumeSource = struct('io.k8s.api.core.v1.CSIVolumeSource', () => ({
  driver: required(1, string),
  fsType: optional(3, string, { pointer: true }),
  nodePublishSecretRef: optional(5, LocalObjectReference),
  readOnly: optional(2, boolean, { pointer: true }),
  volumeAttributes: optional(4, mapOf(string)),
}));
export type CSIVolumeSource = {
  driver: string;
  fsType?: string;
  nodePublishSecretRef?: LocalObjectReference;
  readOnly?: boolean;
  volumeAttributes?: Record<string, string>;
};

export const Capabilities = struct('io.k8s.api.core.v1.Capabilities', () => ({
  add: optional(1, list(string), { listType: 'atomic', goType: '[]v1.Capability' }),
  drop: optional(2, list(string), { listType: 'atomic', goType: '[]v1.Capability' }),
}));
export type Capabilities = {
  add?: string[];
  drop?: string[];
};

export const CephFSPersistentVolumeSource = struct('io.k8s.api.core.v1.CephFSPersistentVolumeSource', () => ({
  monitors: required(1, list(string), { listType: 'atomic' }),
  path: optional(2, string),
  readOnly: optional(6, boolean),
  secretFile: optional(4, string),
  secretRef: optional(5, SecretReference),
  user: optional(3, string),
}));
export type CephFSPersistentVolumeSource = {
  monitors: string[];
  path?: string;
  readOnly?: boolean;
  secretFile?: string;
  secretRef?: SecretReference;
  user?: string;
};

export const CephFSVolumeSource = struct('io.k8s.api.core.v1.CephFSVolumeSource', () => ({
  monitors: required(1, list(string), { listType: 'atomic' }),
  path: optional(2, string),
  readOnly: optional(6, boolean),
  secretFile: optional(4, string),
  secretRef: optional(5, LocalObjectReference),
  user: optional(3, string),
}));
export type CephFSVolumeSource = {
  monitors: string[];
  path?: string;
  readOnly?: boolean;
  secretFile?: string;
  secretRef?: LocalObjectReference;
  user?: string;
};

export const CinderPersistentVolumeSource = struct('io.k8s.api.core.v1.CinderPersistentVolumeSource', () => ({
  volumeID: required(1, string),
  fsType: optional(2, string),
  readOnly: optional(3, boolean),
  secretRef: optional(4, SecretReference),
}));
export type CinderPersistentVolumeSource = {
  volumeID: string;
  fsType?: string;
  readOnly?: boolean;
  secretRef?: SecretReference;
};

export const CinderVolumeSource = struct('io.k8s.api.core.v1.CinderVolumeSource', () => ({
  volumeID: required(1, string),
  fsType: optional(2, string),
  readOnly: optional(3, boolean),
  secretRef: optional(4, LocalObjectReference),
}));
export type CinderVolumeSource = {
  volumeID: string;
  fsType?: string;
  readOnly?: boolean;
  secretRef?: LocalObjectReference;
};

export const ClientIPConfig = struct('io.k8s.api.core.v1.ClientIPConfig', () => ({
  timeoutSeconds: optional(1, int32, { pointer: true }),
}));
export type ClientIPConfig = {
  timeoutSeconds?: number;
};

export const ClusterTrustBundleProjection = struct('io.k8s.api.core.v1.ClusterTrustBundleProjection', () => ({
  path: required(4, string),
  labelSelector: optional(3, LabelSelector),
  name: optional(1, string, { pointer: true }),
  optional: optional(5, boolean, { pointer: true }),
  signerName: optional(2, string, { pointer: true }),
}));
export type ClusterTrustBundleProjection = {
  path: string;
  labelSelector?: LabelSelector;
  name?: string;
  optional?: boolean;
  signerName?: string;
};

export const ComponentCondition = struct('io.k8s.api.core.v1.ComponentCondition', () => ({
  status: required(2, string, { goType: 'v1.ConditionStatus' }),
  type: required(1, string, { goType: 'v1.ComponentConditionType' }),
  error: optional(4, string),
  message: optional(3, string),
}));
export type ComponentCondition = {
  status: string;
  type: string;
  error?: string;
  message?: string;
};

export const ComponentStatus = struct('io.k8s.api.core.v1.ComponentStatus', () => ({
  apiVersion: optional(undefined, string),
  conditions: optional(2, list(ComponentCondition), { listType: 'map', listMapKeys: ['type'], patchMergeKey: 'type', patchStrategy: 'merge' }),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
}));
export type ComponentStatus = {
  apiVersion?: string;
  conditions?: ComponentCondition[];
  kind?: string;
  metadata?: ObjectMeta;
};

export const ConfigMap = struct('io.k8s.api.core.v1.ConfigMap', () => ({
  apiVersion: optional(undefined, string),
  binaryData: optional(3, mapOf(bytes)),
  data: optional(2, mapOf(string)),
  immutable: optional(4, boolean, { pointer: true }),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
}));
export type ConfigMap = {
  apiVersion?: string;
  binaryData?: Record<string, string>;
  data?: Record<string, string>;
  immutable?: boolean;
  kind?: string;
  metadata?: ObjectMeta;
};

export const ConfigMapEnvSource = struct('io.k8s.api.core.v1.ConfigMapEnvSource', () => ({
  name: optional([1, 1], string, { embeddedIn: 'LocalObjectReference' }),
  optional: optional(2, boolean, { pointer: true }),
}));
export type ConfigMapEnvSource = {
  name?: string;
  optional?: boolean;
};

export const ConfigMapKeySelector = struct('io.k8s.api.core.v1.ConfigMapKeySelector', () => ({
  key: required(2, configKey, { nonEmpty: true }),
  name: optional([1, 1], string, { embeddedIn: 'LocalObjectReference' }),
  optional: optional(3, boolean, { pointer: true }),
}), { mapType: 'atomic' });
export type ConfigMapKeySelector = {
  key: string;
  name?: string;
  optional?: boolean;
};

export const ConfigMapNodeConfigSource = struct('io.k8s.api.core.v1.ConfigMapNodeConfigSource', () => ({
  kubeletConfigKey: required(5, string),
  name: required(2, string),
  namespace: required(1, string),
  resourceVersion: optional(4, string),
  uid: optional(3, string, { goType: 'types.UID' }),
}));
export type ConfigMapNodeConfigSource = {
  kubeletConfigKey: string;
  name: string;
  namespace: string;
  resourceVersion?: string;
  uid?: string;
};

export const ConfigMapProjection = struct('io.k8s.api.core.v1.ConfigMapProjection', () => ({
  items: optional(2, list(KeyToPath), { listType: 'atomic' }),
  name: optional([1, 1], string, { embeddedIn: 'LocalObjectReference' }),
  optional: optional(4, boolean, { pointer: true }),
}));
export type ConfigMapProjection = {
  items?: KeyToPath[];
  name?: string;
  optional?: boolean;
};

export const ConfigMapVolumeSource = struct('io.k8s.api.core.v1.ConfigMapVolumeSource', () => ({
  defaultMode: optional(3, int32, { pointer: true }),
  items: optional(2, list(KeyToPath), { listType: 'atomic' }),
  name: optional([1, 1], string, { embeddedIn: 'LocalObjectReference' }),
  optional: optional(4, boolean, { pointer: true }),
}));
export type ConfigMapVolumeSource = {
  defaultMode?: number;
  items?: KeyToPath[];
  name?: string;
  optional?: boolean;
};

export const Container = struct('io.k8s.api.core.v1.Container', () => ({
  name: required(1, shortName, { nonEmpty: true }),
  args: optional(4, list(string), { listType: 'atomic' }),
  command: optional(3, list(string), { listType: 'atomic' }),
  env: optional(7, list(EnvVar), { listType: 'map', listMapKeys: ['name'], patchMergeKey: 'name', patchStrategy: 'merge' }),
  envFrom: optional(19, list(EnvFromSource), { listType: 'atomic' }),
  image: optional(2, string, { nonEmpty: true }),
  imagePullPolicy: optional(14, oneOf('Always', 'IfNotPresent', 'Never'), { nonEmpty: true, supported: ['Always', 'IfNotPresent', 'Never'], goType: 'v1.PullPolicy' }),
  lifecycle: optional(12, Lifecycle),
  livenessProbe: optional(10, Probe),
  ports: optional(6, list(ContainerPort), { listType: 'map', listMapKeys: ['containerPort', 'protocol'], patchMergeKey: 'containerPort', patchStrategy: 'merge' }),
  readinessProbe: optional(11, Probe),
  resizePolicy: optional(23, list(ContainerResizePolicy), { listType: 'atomic' }),
  resources: optional(8, ResourceRequirements, { always: true }),
  restartPolicy: optional(24, string, { pointer: true, supported: ['Always', 'Never', 'OnFailure'], goType: 'v1.ContainerRestartPolicy' }),
  restartPolicyRules: optional(25, list(ContainerRestartRule), { listType: 'atomic', maxItems: 20 }),
  securityContext: optional(15, SecurityContext),
  startupProbe: optional(22, Probe),
  stdin: optional(16, boolean),
  stdinOnce: optional(17, boolean),
  terminationMessagePath: optional(13, string),
  terminationMessagePolicy: optional(20, oneOf('FallbackToLogsOnError', 'File'), { supported: ['File', 'FallbackToLogsOnError'], goType: 'v1.TerminationMessagePolicy' }),
  tty: optional(18, boolean),
  volumeDevices: optional(21, list(VolumeDevice), { listType: 'map', listMapKeys: ['devicePath'], patchMergeKey: 'devicePath', patchStrategy: 'merge' }),
  volumeMounts: optional(9, list(VolumeMount), { listType: 'map', listMapKeys: ['mountPath'], patchMergeKey: 'mountPath', patchStrategy: 'merge' }),
  workingDir: optional(5, string),
}));
export type Container = {
  name: string;
  args?: string[];
  command?: string[];
  env?: EnvVar[];
  envFrom?: EnvFromSource[];
  image?: string;
  imagePullPolicy?: 'Always' | 'IfNotPresent' | 'Never';
  lifecycle?: Lifecycle;
  livenessProbe?: Probe;
  ports?: ContainerPort[];
  readinessProbe?: Probe;
  resizePolicy?: ContainerResizePolicy[];
  resources?: ResourceRequirements;
  restartPolicy?: string;
  restartPolicyRules?: ContainerRestartRule[];
  securityContext?: SecurityContext;
  startupProbe?: Probe;
  stdin?: boolean;
  stdinOnce?: boolean;
  terminationMessagePath?: string;
  terminationMessagePolicy?: 'FallbackToLogsOnError' | 'File';
  tty?: boolean;
  volumeDevices?: VolumeDevice[];
  volumeMounts?: VolumeMount[];
  workingDir?: string;
};

export const ContainerExtendedResourceRequest = struct('io.k8s.api.core.v1.ContainerExtendedResourceRequest', () => ({
  containerName: required(1, string),
  requestName: required(3, string),
  resourceName: required(2, string),
}));
export type ContainerExtendedResourceRequest = {
  containerName: string;
  requestName: string;
  resourceName: string;
};

export const ContainerImage = struct('io.k8s.api.core.v1.ContainerImage', () => ({
  names: optional(1, list(string), { always: true, listType: 'atomic' }),
  sizeBytes: optional(2, int64),
}));
export type ContainerImage = {
  names?: string[] | null;
  sizeBytes?: number;
};

export const ContainerPort = struct('io.k8s.api.core.v1.ContainerPort', () => ({
  containerPort: required(3, port, { nonEmpty: true }),
  hostIP: optional(5, string),
  hostPort: optional(2, port),
  name: optional(1, portName),
  protocol: optional(4, oneOf('SCTP', 'TCP', 'UDP'), { nonEmpty: true, supported: ['SCTP', 'TCP', 'UDP'], goType: 'v1.Protocol' }),
}));
export type ContainerPort = {
  containerPort: number;
  hostIP?: string;
  hostPort?: number;
  name?: string;
  protocol?: 'SCTP' | 'TCP' | 'UDP';
};

export const ContainerResizePolicy = struct('io.k8s.api.core.v1.ContainerResizePolicy', () => ({
  resourceName: required(1, string, { goType: 'v1.ResourceName' }),
  restartPolicy: required(2, string, { goType: 'v1.ResourceResizeRestartPolicy' }),
}));
export type ContainerResizePolicy = {
  resourceName: string;
  restartPolicy: string;
};

export const ContainerRestartRule = struct('io.k8s.api.core.v1.ContainerRestartRule', () => ({
  action: required(1, string, { supported: ['Restart', 'RestartAllContainers'], goType: 'v1.ContainerRestartRuleAction' }),
  exitCodes: optional(2, ContainerRestartRuleOnExitCodes),
}));
export type ContainerRestartRule = {
  action: string;
  exitCodes?: ContainerRestartRuleOnExitCodes;
};

export const ContainerRestartRuleOnExitCodes = struct('io.k8s.api.core.v1.ContainerRestartRuleOnExitCodes', () => ({
  operator: required(1, string, { supported: ['In', 'NotIn'], goType: 'v1.ContainerRestartRuleOnExitCodesOperator' }),
  values: optional(2, list(int32), { listType: 'set', maxItems: 255 }),
}));
export type ContainerRestartRuleOnExitCodes = {
  operator: string;
  values?: number[];
};

export const ContainerState = struct('io.k8s.api.core.v1.ContainerState', () => ({
  running: optional(2, ContainerStateRunning),
  terminated: optional(3, ContainerStateTerminated),
  waiting: optional(1, ContainerStateWaiting),
}));
export type ContainerState = {
  running?: ContainerStateRunning;
  terminated?: ContainerStateTerminated;
  waiting?: ContainerStateWaiting;
};

export const ContainerStateRunning = struct('io.k8s.api.core.v1.ContainerStateRunning', () => ({
  startedAt: optional(1, time, { always: true }),
}));
export type ContainerStateRunning = {
  startedAt?: string | null;
};

export const ContainerStateTerminated = struct('io.k8s.api.core.v1.ContainerStateTerminated', () => ({
  exitCode: required(1, int32),
  containerID: optional(7, string),
  finishedAt: optional(6, time, { always: true }),
  message: optional(4, string),
  reason: optional(3, string),
  signal: optional(2, int32),
  startedAt: optional(5, time, { always: true }),
}));
export type ContainerStateTerminated = {
  exitCode: number;
  containerID?: string;
  finishedAt?: string | null;
  message?: string;
  reason?: string;
  signal?: number;
  startedAt?: string | null;
};

export const ContainerStateWaiting = struct('io.k8s.api.core.v1.ContainerStateWaiting', () => ({
  message: optional(2, string),
  reason: optional(1, string),
}));
export type ContainerStateWaiting = {
  message?: string;
  reason?: string;
};

export const ContainerStatus = struct('io.k8s.api.core.v1.ContainerStatus', () => ({
  image: required(6, string),
  imageID: required(7, string),
  name: required(1, string),
  ready: required(4, boolean),
  restartCount: required(5, int32),
  allocatedResources: optional(10, mapOf(quantity)),
  allocatedResourcesStatus: optional(14, list(ResourceStatus), { listType: 'map', listMapKeys: ['name'], patchMergeKey: 'name', patchStrategy: 'merge' }),
  containerID: optional(8, string),
  lastState: optional(3, ContainerState, { always: true }),
  resources: optional(11, ResourceRequirements),
  started: optional(9, boolean, { pointer: true }),
  state: optional(2, ContainerState, { always: true }),
  stopSignal: optional(15, oneOf('SIGABRT', 'SIGALRM', 'SIGBUS', 'SIGCHLD', 'SIGCLD', 'SIGCONT', 'SIGFPE', 'SIGHUP', 'SIGILL', 'SIGINT', 'SIGIO', 'SIGIOT', 'SIGKILL', 'SIGPIPE', 'SIGPOLL', 'SIGPROF', 'SIGPWR', 'SIGQUIT', 'SIGRTMAX', 'SIGRTMAX-1', 'SIGRTMAX-10', 'SIGRTMAX-11', 'SIGRTMAX-12', 'SIGRTMAX-13', 'SIGRTMAX-14', 'SIGRTMAX-2', 'SIGRTMAX-3', 'SIGRTMAX-4', 'SIGRTMAX-5', 'SIGRTMAX-6', 'SIGRTMAX-7', 'SIGRTMAX-8', 'SIGRTMAX-9', 'SIGRTMIN', 'SIGRTMIN+1', 'SIGRTMIN+10', 'SIGRTMIN+11', 'SIGRTMIN+12', 'SIGRTMIN+13', 'SIGRTMIN+14', 'SIGRTMIN+15', 'SIGRTMIN+2', 'SIGRTMIN+3', 'SIGRTMIN+4', 'SIGRTMIN+5', 'SIGRTMIN+6', 'SIGRTMIN+7', 'SIGRTMIN+8', 'SIGRTMIN+9', 'SIGSEGV', 'SIGSTKFLT', 'SIGSTOP', 'SIGSYS', 'SIGTERM', 'SIGTRAP', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU', 'SIGURG', 'SIGUSR1', 'SIGUSR2', 'SIGVTALRM', 'SIGWINCH', 'SIGXCPU', 'SIGXFSZ'), { pointer: true, goType: 'v1.Signal' }),
  user: optional(13, ContainerUser),
  volumeMounts: optional(12, list(VolumeMountStatus), { listType: 'map', listMapKeys: ['mountPath'], patchMergeKey: 'mountPath', patchStrategy: 'merge' }),
}));
export type ContainerStatus = {
  image: string;
  imageID: string;
  name: string;
  ready: boolean;
  restartCount: number;
  allocatedResources?: Record<string, string>;
  allocatedResourcesStatus?: ResourceStatus[];
  containerID?: string;
  lastState?: ContainerState;
  resources?: ResourceRequirements;
  started?: boolean;
  state?: ContainerState;
  stopSignal?: 'SIGABRT' | 'SIGALRM' | 'SIGBUS' | 'SIGCHLD' | 'SIGCLD' | 'SIGCONT' | 'SIGFPE' | 'SIGHUP' | 'SIGILL' | 'SIGINT' | 'SIGIO' | 'SIGIOT' | 'SIGKILL' | 'SIGPIPE' | 'SIGPOLL' | 'SIGPROF' | 'SIGPWR' | 'SIGQUIT' | 'SIGRTMAX' | 'SIGRTMAX-1' | 'SIGRTMAX-10' | 'SIGRTMAX-11' | 'SIGRTMAX-12' | 'SIGRTMAX-13' | 'SIGRTMAX-14' | 'SIGRTMAX-2' | 'SIGRTMAX-3' | 'SIGRTMAX-4' | 'SIGRTMAX-5' | 'SIGRTMAX-6' | 'SIGRTMAX-7' | 'SIGRTMAX-8' | 'SIGRTMAX-9' | 'SIGRTMIN' | 'SIGRTMIN+1' | 'SIGRTMIN+10' | 'SIGRTMIN+11' | 'SIGRTMIN+12' | 'SIGRTMIN+13' | 'SIGRTMIN+14' | 'SIGRTMIN+15' | 'SIGRTMIN+2' | 'SIGRTMIN+3' | 'SIGRTMIN+4' | 'SIGRTMIN+5' | 'SIGRTMIN+6' | 'SIGRTMIN+7' | 'SIGRTMIN+8' | 'SIGRTMIN+9' | 'SIGSEGV' | 'SIGSTKFLT' | 'SIGSTOP' | 'SIGSYS' | 'SIGTERM' | 'SIGTRAP' | 'SIGTSTP' | 'SIGTTIN' | 'SIGTTOU' | 'SIGURG' | 'SIGUSR1' | 'SIGUSR2' | 'SIGVTALRM' | 'SIGWINCH' | 'SIGXCPU' | 'SIGXFSZ';
  user?: ContainerUser;
  volumeMounts?: VolumeMountStatus[];
};

export const ContainerUser = struct('io.k8s.api.core.v1.ContainerUser', () => ({
  linux: optional(1, LinuxContainerUser),
}));
export type ContainerUser = {
  linux?: LinuxContainerUser;
};

export const DaemonEndpoint = struct('io.k8s.api.core.v1.DaemonEndpoint', () => ({
  Port: required(1, int32),
}));
export type DaemonEndpoint = {
  Port: number;
};

export const DownwardAPIProjection = struct('io.k8s.api.core.v1.DownwardAPIProjection', () => ({
  items: optional(1, list(DownwardAPIVolumeFile), { listType: 'atomic' }),
}));
export type DownwardAPIProjection = {
  items?: DownwardAPIVolumeFile[];
};

export const DownwardAPIVolumeFile = struct('io.k8s.api.core.v1.DownwardAPIVolumeFile', () => ({
  path: required(1, string),
  fieldRef: optional(2, ObjectFieldSelector),
  mode: optional(4, int32, { pointer: true }),
  resourceFieldRef: optional(3, ResourceFieldSelector),
}));
export type DownwardAPIVolumeFile = {
  path: string;
  fieldRef?: ObjectFieldSelector;
  mode?: number;
  resourceFieldRef?: ResourceFieldSelector;
};

export const DownwardAPIVolumeSource = struct('io.k8s.api.core.v1.DownwardAPIVolumeSource', () => ({
  defaultMode: optional(2, int32, { pointer: true }),
  items: optional(1, list(DownwardAPIVolumeFile), { listType: 'atomic' }),
}));
export type DownwardAPIVolumeSource = {
  defaultMode?: number;
  items?: DownwardAPIVolumeFile[];
};

export const EmptyDirVolumeSource = struct('io.k8s.api.core.v1.EmptyDirVolumeSource', () => ({
  medium: optional(1, string, { goType: 'v1.StorageMedium' }),
  sizeLimit: optional(2, quantity),
}));
export type EmptyDirVolumeSource = {
  medium?: string;
  sizeLimit?: string;
};

export const EndpointAddress = struct('io.k8s.api.core.v1.EndpointAddress', () => ({
  ip: required(1, ip),
  hostname: optional(3, shortName),
  nodeName: optional(4, longName, { pointer: true }),
  targetRef: optional(2, ObjectReference),
}), { mapType: 'atomic' });
export type EndpointAddress = {
  ip: string;
  hostname?: string;
  nodeName?: string;
  targetRef?: ObjectReference;
};

export const EndpointPort = struct('io.k8s.api.core.v1.EndpointPort', () => ({
  port: required(2, port),
  appProtocol: optional(4, labelKey, { pointer: true }),
  name: optional(1, shortName),
  protocol: optional(3, oneOf('SCTP', 'TCP', 'UDP'), { nonEmpty: true, supported: ['SCTP', 'TCP', 'UDP'], goType: 'v1.Protocol' }),
}), { mapType: 'atomic' });
export type EndpointPort = {
  port: number;
  appProtocol?: string;
  name?: string;
  protocol?: 'SCTP' | 'TCP' | 'UDP';
};

export const EndpointSubset = struct('io.k8s.api.core.v1.EndpointSubset', () => ({
  addresses: optional(1, list(EndpointAddress), { listType: 'atomic' }),
  notReadyAddresses: optional(2, list(EndpointAddress), { listType: 'atomic' }),
  ports: optional(3, list(EndpointPort), { listType: 'atomic' }),
}));
export type EndpointSubset = {
  addresses?: EndpointAddress[];
  notReadyAddresses?: EndpointAddress[];
  ports?: EndpointPort[];
};

export const Endpoints = struct('io.k8s.api.core.v1.Endpoints', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  subsets: optional(2, list(EndpointSubset), { listType: 'atomic' }),
}));
export type Endpoints = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  subsets?: EndpointSubset[];
};

export const EnvFromSource = struct('io.k8s.api.core.v1.EnvFromSource', () => ({
  configMapRef: optional(2, ConfigMapEnvSource),
  prefix: optional(1, envName),
  secretRef: optional(3, SecretEnvSource),
}));
export type EnvFromSource = {
  configMapRef?: ConfigMapEnvSource;
  prefix?: string;
  secretRef?: SecretEnvSource;
};

export const EnvVar = struct('io.k8s.api.core.v1.EnvVar', () => ({
  name: required(1, envName, { nonEmpty: true }),
  value: optional(2, string),
  valueFrom: optional(3, EnvVarSource),
}));
export type EnvVar = {
  name: string;
  value?: string;
  valueFrom?: EnvVarSource;
};

export const EnvVarSource = struct('io.k8s.api.core.v1.EnvVarSource', () => ({
  configMapKeyRef: optional(3, ConfigMapKeySelector),
  fieldRef: optional(1, ObjectFieldSelector),
  fileKeyRef: optional(5, FileKeySelector),
  resourceFieldRef: optional(2, ResourceFieldSelector),
  secretKeyRef: optional(4, SecretKeySelector),
}));
export type EnvVarSource = {
  configMapKeyRef?: ConfigMapKeySelector;
  fieldRef?: ObjectFieldSelector;
  fileKeyRef?: FileKeySelector;
  resourceFieldRef?: ResourceFieldSelector;
  secretKeyRef?: SecretKeySelector;
};

export const EphemeralContainer = struct('io.k8s.api.core.v1.EphemeralContainer', () => ({
  name: required([1, 1], shortName, { nonEmpty: true, embeddedIn: 'EphemeralContainerCommon' }),
  args: optional([1, 4], list(string), { listType: 'atomic', embeddedIn: 'EphemeralContainerCommon' }),
  command: optional([1, 3], list(string), { listType: 'atomic', embeddedIn: 'EphemeralContainerCommon' }),
  env: optional([1, 7], list(EnvVar), { listType: 'map', listMapKeys: ['name'], patchMergeKey: 'name', patchStrategy: 'merge', embeddedIn: 'EphemeralContainerCommon' }),
  envFrom: optional([1, 19], list(EnvFromSource), { listType: 'atomic', embeddedIn: 'EphemeralContainerCommon' }),
  image: optional([1, 2], string, { nonEmpty: true, embeddedIn: 'EphemeralContainerCommon' }),
  imagePullPolicy: optional([1, 14], oneOf('Always', 'IfNotPresent', 'Never'), { nonEmpty: true, supported: ['Always', 'IfNotPresent', 'Never'], goType: 'v1.PullPolicy', embeddedIn: 'EphemeralContainerCommon' }),
  lifecycle: optional([1, 12], Lifecycle, { embeddedIn: 'EphemeralContainerCommon' }),
  livenessProbe: optional([1, 10], Probe, { embeddedIn: 'EphemeralContainerCommon' }),
  ports: optional([1, 6], list(ContainerPort), { listType: 'map', listMapKeys: ['containerPort', 'protocol'], patchMergeKey: 'containerPort', patchStrategy: 'merge', embeddedIn: 'EphemeralContainerCommon' }),
  readinessProbe: optional([1, 11], Probe, { embeddedIn: 'EphemeralContainerCommon' }),
  resizePolicy: optional([1, 23], list(ContainerResizePolicy), { listType: 'atomic', embeddedIn: 'EphemeralContainerCommon' }),
  resources: optional([1, 8], ResourceRequirements, { always: true, embeddedIn: 'EphemeralContainerCommon' }),
  restartPolicy: optional([1, 24], string, { pointer: true, goType: 'v1.ContainerRestartPolicy', embeddedIn: 'EphemeralContainerCommon' }),
  restartPolicyRules: optional([1, 25], list(ContainerRestartRule), { listType: 'atomic', embeddedIn: 'EphemeralContainerCommon' }),
  securityContext: optional([1, 15], SecurityContext, { embeddedIn: 'EphemeralContainerCommon' }),
  startupProbe: optional([1, 22], Probe, { embeddedIn: 'EphemeralContainerCommon' }),
  stdin: optional([1, 16], boolean, { embeddedIn: 'EphemeralContainerCommon' }),
  stdinOnce: optional([1, 17], boolean, { embeddedIn: 'EphemeralContainerCommon' }),
  targetContainerName: optional(2, string),
  terminationMessagePath: optional([1, 13], string, { embeddedIn: 'EphemeralContainerCommon' }),
  terminationMessagePolicy: optional([1, 20], oneOf('FallbackToLogsOnError', 'File'), { supported: ['File', 'FallbackToLogsOnError'], goType: 'v1.TerminationMessagePolicy', embeddedIn: 'EphemeralContainerCommon' }),
  tty: optional([1, 18], boolean, { embeddedIn: 'EphemeralContainerCommon' }),
  volumeDevices: optional([1, 21], list(VolumeDevice), { listType: 'map', listMapKeys: ['devicePath'], patchMergeKey: 'devicePath', patchStrategy: 'merge', embeddedIn: 'EphemeralContainerCommon' }),
  volumeMounts: optional([1, 9], list(VolumeMount), { listType: 'map', listMapKeys: ['mountPath'], patchMergeKey: 'mountPath', patchStrategy: 'merge', embeddedIn: 'EphemeralContainerCommon' }),
  workingDir: optional([1, 5], string, { embeddedIn: 'EphemeralContainerCommon' }),
}));
export type EphemeralContainer = {
  name: string;
  args?: string[];
  command?: string[];
  env?: EnvVar[];
  envFrom?: EnvFromSource[];
  image?: string;
  imagePullPolicy?: 'Always' | 'IfNotPresent' | 'Never';
  lifecycle?: Lifecycle;
  livenessProbe?: Probe;
  ports?: ContainerPort[];
  readinessProbe?: Probe;
  resizePolicy?: ContainerResizePolicy[];
  resources?: ResourceRequirements;
  restartPolicy?: string;
  restartPolicyRules?: ContainerRestartRule[];
  securityContext?: SecurityContext;
  startupProbe?: Probe;
  stdin?: boolean;
  stdinOnce?: boolean;
  targetContainerName?: string;
  terminationMessagePath?: string;
  terminationMessagePolicy?: 'FallbackToLogsOnError' | 'File';
  tty?: boolean;
  volumeDevices?: VolumeDevice[];
  volumeMounts?: VolumeMount[];
  workingDir?: string;
};

export const EphemeralVolumeSource = struct('io.k8s.api.core.v1.EphemeralVolumeSource', () => ({
  volumeClaimTemplate: optional(1, PersistentVolumeClaimTemplate),
}));
export type EphemeralVolumeSource = {
  volumeClaimTemplate?: PersistentVolumeClaimTemplate;
};

export const Event = struct('io.k8s.api.core.v1.Event', () => ({
  involvedObject: required(2, ObjectReference),
  metadata: required(1, ObjectMeta),
  action: optional(12, string),
  apiVersion: optional(undefined, string),
  count: optional(8, int32),
  eventTime: optional(10, microTime, { always: true }),
  firstTimestamp: optional(6, time, { always: true }),
  kind: optional(undefined, string),
  lastTimestamp: optional(7, time, { always: true }),
  message: optional(4, string),
  reason: optional(3, string),
  related: optional(13, ObjectReference),
  reportingComponent: optional(14, string, { always: true }),
  reportingInstance: optional(15, string, { always: true }),
  series: optional(11, EventSeries),
  source: optional(5, EventSource, { always: true }),
  type: optional(9, string),
}));
export type Event = {
  involvedObject: ObjectReference;
  metadata: ObjectMeta;
  action?: string;
  apiVersion?: string;
  count?: number;
  eventTime?: string | null;
  firstTimestamp?: string | null;
  kind?: string;
  lastTimestamp?: string | null;
  message?: string;
  reason?: string;
  related?: ObjectReference;
  reportingComponent?: string;
  reportingInstance?: string;
  series?: EventSeries;
  source?: EventSource;
  type?: string;
};

export const EventSeries = struct('io.k8s.api.core.v1.EventSeries', () => ({
  count: optional(1, int32),
  lastObservedTime: optional(2, microTime, { always: true }),
}));
export type EventSeries = {
  count?: number;
  lastObservedTime?: string | null;
};

export const EventSource = struct('io.k8s.api.core.v1.EventSource', () => ({
  component: optional(1, string),
  host: optional(2, string),
}));
export type EventSource = {
  component?: string;
  host?: string;
};

export const ExecAction = struct('io.k8s.api.core.v1.ExecAction', () => ({
  command: optional(1, list(string), { listType: 'atomic', nonEmpty: true }),
}));
export type ExecAction = {
  command?: string[];
};

export const FCVolumeSource = struct('io.k8s.api.core.v1.FCVolumeSource', () => ({
  fsType: optional(3, string),
  lun: optional(2, int32, { pointer: true }),
  readOnly: optional(4, boolean),
  targetWWNs: optional(1, list(string), { listType: 'atomic' }),
  wwids: optional(5, list(string), { listType: 'atomic' }),
}));
export type FCVolumeSource = {
  fsType?: string;
  lun?: number;
  readOnly?: boolean;
  targetWWNs?: string[];
  wwids?: string[];
};

export const FileKeySelector = struct('io.k8s.api.core.v1.FileKeySelector', () => ({
  key: required(3, string, { nonEmpty: true }),
  path: required(2, string, { nonEmpty: true }),
  volumeName: required(1, string, { nonEmpty: true }),
  optional: optional(4, boolean, { pointer: true }),
}), { mapType: 'atomic' });
export type FileKeySelector = {
  key: string;
  path: string;
  volumeName: string;
  optional?: boolean;
};

export const FlexPersistentVolumeSource = struct('io.k8s.api.core.v1.FlexPersistentVolumeSource', () => ({
  driver: required(1, string),
  fsType: optional(2, string),
  options: optional(5, mapOf(string)),
  readOnly: optional(4, boolean),
  secretRef: optional(3, SecretReference),
}));
export type FlexPersistentVolumeSource = {
  driver: string;
  fsType?: string;
  options?: Record<string, string>;
  readOnly?: boolean;
  secretRef?: SecretReference;
};

export const FlexVolumeSource = struct('io.k8s.api.core.v1.FlexVolumeSource', () => ({
  driver: required(1, string),
  fsType: optional(2, string),
  options: optional(5, mapOf(string)),
  readOnly: optional(4, boolean),
  secretRef: optional(3, LocalObjectReference),
}));
export type FlexVolumeSource = {
  driver: string;
  fsType?: string;
  options?: Record<string, string>;
  readOnly?: boolean;
  secretRef?: LocalObjectReference;
};

export const FlockerVolumeSource = struct('io.k8s.api.core.v1.FlockerVolumeSource', () => ({
  datasetName: optional(1, string),
  datasetUUID: optional(2, string),
}));
export type FlockerVolumeSource = {
  datasetName?: string;
  datasetUUID?: string;
};

export const GCEPersistentDiskVolumeSource = struct('io.k8s.api.core.v1.GCEPersistentDiskVolumeSource', () => ({
  pdName: required(1, string),
  fsType: optional(2, string),
  partition: optional(3, int32),
  readOnly: optional(4, boolean),
}));
export type GCEPersistentDiskVolumeSource = {
  pdName: string;
  fsType?: string;
  partition?: number;
  readOnly?: boolean;
};

export const GRPCAction = struct('io.k8s.api.core.v1.GRPCAction', () => ({
  port: required(1, int32),
  service: optional(2, string, { pointer: true, nullable: true }),
}));
export type GRPCAction = {
  port: number;
  service?: string | null;
};

export const GitRepoVolumeSource = struct('io.k8s.api.core.v1.GitRepoVolumeSource', () => ({
  repository: required(1, string),
  directory: optional(3, string),
  revision: optional(2, string),
}));
export type GitRepoVolumeSource = {
  repository: string;
  directory?: string;
  revision?: string;
};

export const GlusterfsPersistentVolumeSource = struct('io.k8s.api.core.v1.GlusterfsPersistentVolumeSource', () => ({
  endpoints: required(1, string),
  path: required(2, string),
  endpointsNamespace: optional(4, string, { pointer: true }),
  readOnly: optional(3, boolean),
}));
export type GlusterfsPersistentVolumeSource = {
  endpoints: string;
  path: string;
  endpointsNamespace?: string;
  readOnly?: boolean;
};

export const GlusterfsVolumeSource = struct('io.k8s.api.core.v1.GlusterfsVolumeSource', () => ({
  endpoints: required(1, string),
  path: required(2, string),
  readOnly: optional(3, boolean),
}));
export type GlusterfsVolumeSource = {
  endpoints: string;
  path: string;
  readOnly?: boolean;
};

export const HTTPGetAction = struct('io.k8s.api.core.v1.HTTPGetAction', () => ({
  port: required(2, intOrString),
  host: optional(3, string),
  httpHeaders: optional(5, list(HTTPHeader), { listType: 'atomic' }),
  path: optional(1, string, { nonEmpty: true }),
  scheme: optional(4, oneOf('HTTP', 'HTTPS'), { nonEmpty: true, supported: ['HTTP', 'HTTPS'], goType: 'v1.URIScheme' }),
}));
export type HTTPGetAction = {
  port: number | string;
  host?: string;
  httpHeaders?: HTTPHeader[];
  path?: string;
  scheme?: 'HTTP' | 'HTTPS';
};

export const HTTPHeader = struct('io.k8s.api.core.v1.HTTPHeader', () => ({
  name: required(1, string),
  value: required(2, string),
}));
export type HTTPHeader = {
  name: string;
  value: string;
};

export const HostAlias = struct('io.k8s.api.core.v1.HostAlias', () => ({
  ip: required(1, ip),
  hostnames: optional(2, list(string), { listType: 'atomic' }),
}));
export type HostAlias = {
  ip: string;
  hostnames?: string[];
};

export const HostIP = struct('io.k8s.api.core.v1.HostIP', () => ({
  ip: required(1, string),
}));
export type HostIP = {
  ip: string;
};

export const HostPathVolumeSource = struct('io.k8s.api.core.v1.HostPathVolumeSource', () => ({
  path: required(1, string, { nonEmpty: true }),
  type: optional(2, oneOf('', 'BlockDevice', 'CharDevice', 'Directory', 'DirectoryOrCreate', 'File', 'FileOrCreate', 'Socket'), { pointer: true, supported: ['', 'BlockDevice', 'CharDevice', 'Directory', 'DirectoryOrCreate', 'File', 'FileOrCreate', 'Socket'], goType: 'v1.HostPathType' }),
}));
export type HostPathVolumeSource = {
  path: string;
  type?: '' | 'BlockDevice' | 'CharDevice' | 'Directory' | 'DirectoryOrCreate' | 'File' | 'FileOrCreate' | 'Socket';
};

export const ISCSIPersistentVolumeSource = struct('io.k8s.api.core.v1.ISCSIPersistentVolumeSource', () => ({
  iqn: required(2, string),
  lun: required(3, int32),
  targetPortal: required(1, string),
  chapAuthDiscovery: optional(8, boolean),
  chapAuthSession: optional(11, boolean),
  fsType: optional(5, string),
  initiatorName: optional(12, string, { pointer: true }),
  iscsiInterface: optional(4, string),
  portals: optional(7, list(string), { listType: 'atomic' }),
  readOnly: optional(6, boolean),
  secretRef: optional(10, SecretReference),
}));
export type ISCSIPersistentVolumeSource = {
  iqn: string;
  lun: number;
  targetPortal: string;
  chapAuthDiscovery?: boolean;
  chapAuthSession?: boolean;
  fsType?: string;
  initiatorName?: string;
  iscsiInterface?: string;
  portals?: string[];
  readOnly?: boolean;
  secretRef?: SecretReference;
};

export const ISCSIVolumeSource = struct('io.k8s.api.core.v1.ISCSIVolumeSource', () => ({
  iqn: required(2, string),
  lun: required(3, int32),
  targetPortal: required(1, string),
  chapAuthDiscovery: optional(8, boolean),
  chapAuthSession: optional(11, boolean),
  fsType: optional(5, string),
  initiatorName: optional(12, string, { pointer: true }),
  iscsiInterface: optional(4, string),
  portals: optional(7, list(string), { listType: 'atomic' }),
  readOnly: optional(6, boolean),
  secretRef: optional(10, LocalObjectReference),
}));
export type ISCSIVolumeSource = {
  iqn: string;
  lun: number;
  targetPortal: string;
  chapAuthDiscovery?: boolean;
  chapAuthSession?: boolean;
  fsType?: string;
  initiatorName?: string;
  iscsiInterface?: string;
  portals?: string[];
  readOnly?: boolean;
  secretRef?: LocalObjectReference;
};

export const ImageVolumeSource = struct('io.k8s.api.core.v1.ImageVolumeSource', () => ({
  pullPolicy: optional(2, oneOf('Always', 'IfNotPresent', 'Never'), { goType: 'v1.PullPolicy' }),
  reference: optional(1, string),
}));
export type ImageVolumeSource = {
  pullPolicy?: 'Always' | 'IfNotPresent' | 'Never';
  reference?: string;
};

export const ImageVolumeStatus = struct('io.k8s.api.core.v1.ImageVolumeStatus', () => ({
  imageRef: required(1, string),
}));
export type ImageVolumeStatus = {
  imageRef: string;
};

export const KeyToPath = struct('io.k8s.api.core.v1.KeyToPath', () => ({
  key: required(1, string, { nonEmpty: true }),
  path: required(2, string, { nonEmpty: true }),
  mode: optional(3, int32, { pointer: true }),
}));
export type KeyToPath = {
  key: string;
  path: string;
  mode?: number;
};

export const Lifecycle = struct('io.k8s.api.core.v1.Lifecycle', () => ({
  postStart: optional(1, LifecycleHandler),
  preStop: optional(2, LifecycleHandler),
  stopSignal: optional(3, oneOf('SIGABRT', 'SIGALRM', 'SIGBUS', 'SIGCHLD', 'SIGCLD', 'SIGCONT', 'SIGFPE', 'SIGHUP', 'SIGILL', 'SIGINT', 'SIGIO', 'SIGIOT', 'SIGKILL', 'SIGPIPE', 'SIGPOLL', 'SIGPROF', 'SIGPWR', 'SIGQUIT', 'SIGRTMAX', 'SIGRTMAX-1', 'SIGRTMAX-10', 'SIGRTMAX-11', 'SIGRTMAX-12', 'SIGRTMAX-13', 'SIGRTMAX-14', 'SIGRTMAX-2', 'SIGRTMAX-3', 'SIGRTMAX-4', 'SIGRTMAX-5', 'SIGRTMAX-6', 'SIGRTMAX-7', 'SIGRTMAX-8', 'SIGRTMAX-9', 'SIGRTMIN', 'SIGRTMIN+1', 'SIGRTMIN+10', 'SIGRTMIN+11', 'SIGRTMIN+12', 'SIGRTMIN+13', 'SIGRTMIN+14', 'SIGRTMIN+15', 'SIGRTMIN+2', 'SIGRTMIN+3', 'SIGRTMIN+4', 'SIGRTMIN+5', 'SIGRTMIN+6', 'SIGRTMIN+7', 'SIGRTMIN+8', 'SIGRTMIN+9', 'SIGSEGV', 'SIGSTKFLT', 'SIGSTOP', 'SIGSYS', 'SIGTERM', 'SIGTRAP', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU', 'SIGURG', 'SIGUSR1', 'SIGUSR2', 'SIGVTALRM', 'SIGWINCH', 'SIGXCPU', 'SIGXFSZ'), { pointer: true, goType: 'v1.Signal' }),
}));
export type Lifecycle = {
  postStart?: LifecycleHandler;
  preStop?: LifecycleHandler;
  stopSignal?: 'SIGABRT' | 'SIGALRM' | 'SIGBUS' | 'SIGCHLD' | 'SIGCLD' | 'SIGCONT' | 'SIGFPE' | 'SIGHUP' | 'SIGILL' | 'SIGINT' | 'SIGIO' | 'SIGIOT' | 'SIGKILL' | 'SIGPIPE' | 'SIGPOLL' | 'SIGPROF' | 'SIGPWR' | 'SIGQUIT' | 'SIGRTMAX' | 'SIGRTMAX-1' | 'SIGRTMAX-10' | 'SIGRTMAX-11' | 'SIGRTMAX-12' | 'SIGRTMAX-13' | 'SIGRTMAX-14' | 'SIGRTMAX-2' | 'SIGRTMAX-3' | 'SIGRTMAX-4' | 'SIGRTMAX-5' | 'SIGRTMAX-6' | 'SIGRTMAX-7' | 'SIGRTMAX-8' | 'SIGRTMAX-9' | 'SIGRTMIN' | 'SIGRTMIN+1' | 'SIGRTMIN+10' | 'SIGRTMIN+11' | 'SIGRTMIN+12' | 'SIGRTMIN+13' | 'SIGRTMIN+14' | 'SIGRTMIN+15' | 'SIGRTMIN+2' | 'SIGRTMIN+3' | 'SIGRTMIN+4' | 'SIGRTMIN+5' | 'SIGRTMIN+6' | 'SIGRTMIN+7' | 'SIGRTMIN+8' | 'SIGRTMIN+9' | 'SIGSEGV' | 'SIGSTKFLT' | 'SIGSTOP' | 'SIGSYS' | 'SIGTERM' | 'SIGTRAP' | 'SIGTSTP' | 'SIGTTIN' | 'SIGTTOU' | 'SIGURG' | 'SIGUSR1' | 'SIGUSR2' | 'SIGVTALRM' | 'SIGWINCH' | 'SIGXCPU' | 'SIGXFSZ';
};

export const LifecycleHandler = struct('io.k8s.api.core.v1.LifecycleHandler', () => ({
  exec: optional(1, ExecAction),
  httpGet: optional(2, HTTPGetAction),
  sleep: optional(4, SleepAction),
  tcpSocket: optional(3, TCPSocketAction),
}));
export type LifecycleHandler = {
  exec?: ExecAction;
  httpGet?: HTTPGetAction;
  sleep?: SleepAction;
  tcpSocket?: TCPSocketAction;
};

export const LimitRange = struct('io.k8s.api.core.v1.LimitRange', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  spec: optional(2, LimitRangeSpec, { always: true }),
}));
export type LimitRange = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  spec?: LimitRangeSpec;
};

export const LimitRangeItem = struct('io.k8s.api.core.v1.LimitRangeItem', () => ({
  type: required(1, string, { goType: 'v1.LimitType' }),
  default: optional(4, mapOf(quantity)),
  defaultRequest: optional(5, mapOf(quantity)),
  max: optional(2, mapOf(quantity)),
  maxLimitRequestRatio: optional(6, mapOf(quantity)),
  min: optional(3, mapOf(quantity)),
}));
export type LimitRangeItem = {
  type: string;
  default?: Record<string, string>;
  defaultRequest?: Record<string, string>;
  max?: Record<string, string>;
  maxLimitRequestRatio?: Record<string, string>;
  min?: Record<string, string>;
};

export const LimitRangeSpec = struct('io.k8s.api.core.v1.LimitRangeSpec', () => ({
  limits: required(1, list(LimitRangeItem), { listType: 'atomic' }),
}));
export type LimitRangeSpec = {
  limits: LimitRangeItem[];
};

export const LinuxContainerUser = struct('io.k8s.api.core.v1.LinuxContainerUser', () => ({
  gid: required(2, int64),
  uid: required(1, int64),
  supplementalGroups: optional(3, list(int64), { listType: 'atomic' }),
}));
export type LinuxContainerUser = {
  gid: number;
  uid: number;
  supplementalGroups?: number[];
};

export const LoadBalancerIngress = struct('io.k8s.api.core.v1.LoadBalancerIngress', () => ({
  hostname: optional(2, string),
  ip: optional(1, string),
  ipMode: optional(3, string, { pointer: true, goType: 'v1.LoadBalancerIPMode' }),
  ports: optional(4, list(PortStatus), { listType: 'atomic' }),
}));
export type LoadBalancerIngress = {
  hostname?: string;
  ip?: string;
  ipMode?: string;
  ports?: PortStatus[];
};

export const LoadBalancerStatus = struct('io.k8s.api.core.v1.LoadBalancerStatus', () => ({
  ingress: optional(1, list(LoadBalancerIngress), { listType: 'atomic' }),
}));
export type LoadBalancerStatus = {
  ingress?: LoadBalancerIngress[];
};

export const LocalObjectReference = struct('io.k8s.api.core.v1.LocalObjectReference', () => ({
  name: optional(1, string),
}), { mapType: 'atomic' });
export type LocalObjectReference = {
  name?: string;
};

export const LocalVolumeSource = struct('io.k8s.api.core.v1.LocalVolumeSource', () => ({
  path: required(1, string),
  fsType: optional(2, string, { pointer: true }),
}));
export type LocalVolumeSource = {
  path: string;
  fsType?: string;
};

export const ModifyVolumeStatus = struct('io.k8s.api.core.v1.ModifyVolumeStatus', () => ({
  status: required(2, oneOf('InProgress', 'Infeasible', 'Pending'), { goType: 'v1.PersistentVolumeClaimModifyVolumeStatus' }),
  targetVolumeAttributesClassName: optional(1, string),
}));
export type ModifyVolumeStatus = {
  status: 'InProgress' | 'Infeasible' | 'Pending';
  targetVolumeAttributesClassName?: string;
};

export const NFSVolumeSource = struct('io.k8s.api.core.v1.NFSVolumeSource', () => ({
  path: required(2, string),
  server: required(1, string),
  readOnly: optional(3, boolean),
}));
export type NFSVolumeSource = {
  path: string;
  server: string;
  readOnly?: boolean;
};

export const Namespace = struct('io.k8s.api.core.v1.Namespace', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  spec: optional(2, NamespaceSpec, { always: true }),
  status: optional(3, NamespaceStatus, { always: true }),
}));
export type Namespace = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  spec?: NamespaceSpec;
  status?: NamespaceStatus;
};

export const NamespaceCondition = struct('io.k8s.api.core.v1.NamespaceCondition', () => ({
  status: required(2, string, { goType: 'v1.ConditionStatus' }),
  type: required(1, string, { goType: 'v1.NamespaceConditionType' }),
  lastTransitionTime: optional(4, time, { always: true }),
  message: optional(6, string),
  reason: optional(5, string),
}));
export type NamespaceCondition = {
  status: string;
  type: string;
  lastTransitionTime?: string | null;
  message?: string;
  reason?: string;
};

export const NamespaceSpec = struct('io.k8s.api.core.v1.NamespaceSpec', () => ({
  finalizers: optional(1, list(string), { listType: 'atomic', goType: '[]v1.FinalizerName' }),
}));
export type NamespaceSpec = {
  finalizers?: string[];
};

export const NamespaceStatus = struct('io.k8s.api.core.v1.NamespaceStatus', () => ({
  conditions: optional(2, list(NamespaceCondition), { listType: 'map', listMapKeys: ['type'], patchMergeKey: 'type', patchStrategy: 'merge' }),
  phase: optional(1, oneOf('Active', 'Terminating'), { goType: 'v1.NamespacePhase' }),
}));
export type NamespaceStatus = {
  conditions?: NamespaceCondition[];
  phase?: 'Active' | 'Terminating';
};

export const Node = struct('io.k8s.api.core.v1.Node', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  spec: optional(2, NodeSpec, { always: true }),
  status: optional(3, NodeStatus, { always: true }),
}));
export type Node = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  spec?: NodeSpec;
  status?: NodeStatus;
};

export const NodeAddress = struct('io.k8s.api.core.v1.NodeAddress', () => ({
  address: required(2, string),
  type: required(1, string, { goType: 'v1.NodeAddressType' }),
}));
export type NodeAddress = {
  address: string;
  type: string;
};

export const NodeAffinity = struct('io.k8s.api.core.v1.NodeAffinity', () => ({
  preferredDuringSchedulingIgnoredDuringExecution: optional(2, list(PreferredSchedulingTerm), { listType: 'atomic' }),
  requiredDuringSchedulingIgnoredDuringExecution: optional(1, NodeSelector),
}));
export type NodeAffinity = {
  preferredDuringSchedulingIgnoredDuringExecution?: PreferredSchedulingTerm[];
  requiredDuringSchedulingIgnoredDuringExecution?: NodeSelector;
};

export const NodeAllocatableResourceClaimStatus = struct('io.k8s.api.core.v1.NodeAllocatableResourceClaimStatus', () => ({
  resourceClaimName: required(1, string),
  resources: required(3, mapOf(quantity), { goType: 'map[v1.ResourceName]resource.Quantity' }),
  containers: optional(2, list(string), { listType: 'set' }),
}));
export type NodeAllocatableResourceClaimStatus = {
  resourceClaimName: string;
  resources: Record<string, string>;
  containers?: string[];
};

export const NodeCondition = struct('io.k8s.api.core.v1.NodeCondition', () => ({
  status: required(2, string, { goType: 'v1.ConditionStatus' }),
  type: required(1, string, { goType: 'v1.NodeConditionType' }),
  lastHeartbeatTime: optional(3, time, { always: true }),
  lastTransitionTime: optional(4, time, { always: true }),
  message: optional(6, string),
  reason: optional(5, string),
}));
export type NodeCondition = {
  status: string;
  type: string;
  lastHeartbeatTime?: string | null;
  lastTransitionTime?: string | null;
  message?: string;
  reason?: string;
};

export const NodeConfigSource = struct('io.k8s.api.core.v1.NodeConfigSource', () => ({
  configMap: optional(2, ConfigMapNodeConfigSource),
}));
export type NodeConfigSource = {
  configMap?: ConfigMapNodeConfigSource;
};

export const NodeConfigStatus = struct('io.k8s.api.core.v1.NodeConfigStatus', () => ({
  active: optional(2, NodeConfigSource),
  assigned: optional(1, NodeConfigSource),
  error: optional(4, string),
  lastKnownGood: optional(3, NodeConfigSource),
}));
export type NodeConfigStatus = {
  active?: NodeConfigSource;
  assigned?: NodeConfigSource;
  error?: string;
  lastKnownGood?: NodeConfigSource;
};

export const NodeDaemonEndpoints = struct('io.k8s.api.core.v1.NodeDaemonEndpoints', () => ({
  kubeletEndpoint: optional(1, DaemonEndpoint, { always: true }),
}));
export type NodeDaemonEndpoints = {
  kubeletEndpoint?: DaemonEndpoint;
};

export const NodeFeatures = struct('io.k8s.api.core.v1.NodeFeatures', () => ({
  supplementalGroupsPolicy: optional(1, boolean, { pointer: true }),
}));
export type NodeFeatures = {
  supplementalGroupsPolicy?: boolean;
};

export const NodeRuntimeHandler = struct('io.k8s.api.core.v1.NodeRuntimeHandler', () => ({
  features: optional(2, NodeRuntimeHandlerFeatures),
  name: optional(1, string, { always: true }),
}));
export type NodeRuntimeHandler = {
  features?: NodeRuntimeHandlerFeatures;
  name?: string;
};

export const NodeRuntimeHandlerFeatures = struct('io.k8s.api.core.v1.NodeRuntimeHandlerFeatures', () => ({
  recursiveReadOnlyMounts: optional(1, boolean, { pointer: true }),
  userNamespaces: optional(2, boolean, { pointer: true }),
}));
export type NodeRuntimeHandlerFeatures = {
  recursiveReadOnlyMounts?: boolean;
  userNamespaces?: boolean;
};

export const NodeSelector = struct('io.k8s.api.core.v1.NodeSelector', () => ({
  nodeSelectorTerms: required(1, list(NodeSelectorTerm), { listType: 'atomic' }),
}), { mapType: 'atomic' });
export type NodeSelector = {
  nodeSelectorTerms: NodeSelectorTerm[];
};

export const NodeSelectorRequirement = struct('io.k8s.api.core.v1.NodeSelectorRequirement', () => ({
  key: required(1, string),
  operator: required(2, oneOf('DoesNotExist', 'Exists', 'Gt', 'In', 'Lt', 'NotIn'), { goType: 'v1.NodeSelectorOperator' }),
  values: optional(3, list(string), { listType: 'atomic' }),
}));
export type NodeSelectorRequirement = {
  key: string;
  operator: 'DoesNotExist' | 'Exists' | 'Gt' | 'In' | 'Lt' | 'NotIn';
  values?: string[];
};

export const NodeSelectorTerm = struct('io.k8s.api.core.v1.NodeSelectorTerm', () => ({
  matchExpressions: optional(1, list(NodeSelectorRequirement), { listType: 'atomic' }),
  matchFields: optional(2, list(NodeSelectorRequirement), { listType: 'atomic' }),
}), { mapType: 'atomic' });
export type NodeSelectorTerm = {
  matchExpressions?: NodeSelectorRequirement[];
  matchFields?: NodeSelectorRequirement[];
};

export const NodeSpec = struct('io.k8s.api.core.v1.NodeSpec', () => ({
  configSource: optional(6, NodeConfigSource),
  externalID: optional(2, string),
  podCIDR: optional(1, string),
  podCIDRs: optional(7, list(cidr), { listType: 'set', patchStrategy: 'merge' }),
  providerID: optional(3, string),
  taints: optional(5, list(Taint), { listType: 'atomic' }),
  unschedulable: optional(4, boolean),
}));
export type NodeSpec = {
  configSource?: NodeConfigSource;
  externalID?: string;
  podCIDR?: string;
  podCIDRs?: string[];
  providerID?: string;
  taints?: Taint[];
  unschedulable?: boolean;
};

export const NodeStatus = struct('io.k8s.api.core.v1.NodeStatus', () => ({
  addresses: optional(5, list(NodeAddress), { listType: 'map', listMapKeys: ['type'], patchMergeKey: 'type', patchStrategy: 'merge' }),
  allocatable: optional(2, mapOf(quantity)),
  capacity: optional(1, mapOf(quantity)),
  conditions: optional(4, list(NodeCondition), { listType: 'map', listMapKeys: ['type'], patchMergeKey: 'type', patchStrategy: 'merge' }),
  config: optional(11, NodeConfigStatus),
  daemonEndpoints: optional(6, NodeDaemonEndpoints, { always: true }),
  declaredFeatures: optional(14, list(string), { listType: 'atomic' }),
  features: optional(13, NodeFeatures),
  images: optional(8, list(ContainerImage), { listType: 'atomic' }),
  nodeInfo: optional(7, NodeSystemInfo, { always: true }),
  phase: optional(3, oneOf('Pending', 'Running', 'Terminated'), { goType: 'v1.NodePhase' }),
  runtimeHandlers: optional(12, list(NodeRuntimeHandler), { listType: 'atomic' }),
  volumesAttached: optional(10, list(AttachedVolume), { listType: 'atomic' }),
  volumesInUse: optional(9, list(string), { listType: 'atomic', goType: '[]v1.UniqueVolumeName' }),
}));
export type NodeStatus = {
  addresses?: NodeAddress[];
  allocatable?: Record<string, string>;
  capacity?: Record<string, string>;
  conditions?: NodeCondition[];
  config?: NodeConfigStatus;
  daemonEndpoints?: NodeDaemonEndpoints;
  declaredFeatures?: string[];
  features?: NodeFeatures;
  images?: ContainerImage[];
  nodeInfo?: NodeSystemInfo;
  phase?: 'Pending' | 'Running' | 'Terminated';
  runtimeHandlers?: NodeRuntimeHandler[];
  volumesAttached?: AttachedVolume[];
  volumesInUse?: string[];
};

export const NodeSwapStatus = struct('io.k8s.api.core.v1.NodeSwapStatus', () => ({
  capacity: optional(1, int64, { pointer: true }),
}));
export type NodeSwapStatus = {
  capacity?: number;
};

export const NodeSystemInfo = struct('io.k8s.api.core.v1.NodeSystemInfo', () => ({
  architecture: required(10, string),
  bootID: required(3, string),
  containerRuntimeVersion: required(6, string),
  kernelVersion: required(4, string),
  kubeProxyVersion: required(8, string),
  kubeletVersion: required(7, string),
  machineID: required(1, string),
  operatingSystem: required(9, string),
  osImage: required(5, string),
  systemUUID: required(2, string),
  swap: optional(11, NodeSwapStatus),
}));
export type NodeSystemInfo = {
  architecture: string;
  bootID: string;
  containerRuntimeVersion: string;
  kernelVersion: string;
  kubeProxyVersion: string;
  kubeletVersion: string;
  machineID: string;
  operatingSystem: string;
  osImage: string;
  systemUUID: string;
  swap?: NodeSwapStatus;
};

export const ObjectFieldSelector = struct('io.k8s.api.core.v1.ObjectFieldSelector', () => ({
  fieldPath: required(2, string),
  apiVersion: optional(1, string),
}), { mapType: 'atomic' });
export type ObjectFieldSelector = {
  fieldPath: string;
  apiVersion?: string;
};

export const ObjectReference = struct('io.k8s.api.core.v1.ObjectReference', () => ({
  apiVersion: optional(5, string),
  fieldPath: optional(7, string),
  kind: optional(1, string),
  name: optional(3, string),
  namespace: optional(2, string),
  resourceVersion: optional(6, string),
  uid: optional(4, string, { goType: 'types.UID' }),
}), { mapType: 'atomic' });
export type ObjectReference = {
  apiVersion?: string;
  fieldPath?: string;
  kind?: string;
  name?: string;
  namespace?: string;
  resourceVersion?: string;
  uid?: string;
};

export const PersistentVolume = struct('io.k8s.api.core.v1.PersistentVolume', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  spec: optional(2, PersistentVolumeSpec, { always: true }),
  status: optional(3, PersistentVolumeStatus, { always: true }),
}));
export type PersistentVolume = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  spec?: PersistentVolumeSpec;
  status?: PersistentVolumeStatus;
};

export const PersistentVolumeClaim = struct('io.k8s.api.core.v1.PersistentVolumeClaim', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  spec: optional(2, PersistentVolumeClaimSpec, { always: true }),
  status: optional(3, PersistentVolumeClaimStatus, { always: true }),
}));
export type PersistentVolumeClaim = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  spec?: PersistentVolumeClaimSpec;
  status?: PersistentVolumeClaimStatus;
};

export const PersistentVolumeClaimCondition = struct('io.k8s.api.core.v1.PersistentVolumeClaimCondition', () => ({
  status: required(2, string, { goType: 'v1.ConditionStatus' }),
  type: required(1, string, { goType: 'v1.PersistentVolumeClaimConditionType' }),
  lastProbeTime: optional(3, time, { always: true }),
  lastTransitionTime: optional(4, time, { always: true }),
  message: optional(6, string),
  reason: optional(5, string),
}));
export type PersistentVolumeClaimCondition = {
  status: string;
  type: string;
  lastProbeTime?: string | null;
  lastTransitionTime?: string | null;
  message?: string;
  reason?: string;
};

export const PersistentVolumeClaimSpec = struct('io.k8s.api.core.v1.PersistentVolumeClaimSpec', () => ({
  accessModes: optional(1, list(oneOf('ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod')), { listType: 'atomic', goType: '[]v1.PersistentVolumeAccessMode' }),
  dataSource: optional(7, TypedLocalObjectReference),
  dataSourceRef: optional(8, TypedObjectReference),
  resources: optional(2, VolumeResourceRequirements, { always: true }),
  selector: optional(4, LabelSelector),
  storageClassName: optional(5, string, { pointer: true }),
  volumeAttributesClassName: optional(9, string, { pointer: true }),
  volumeMode: optional(6, oneOf('Block', 'Filesystem'), { pointer: true, goType: 'v1.PersistentVolumeMode' }),
  volumeName: optional(3, string),
}));
export type PersistentVolumeClaimSpec = {
  accessModes?: ('ReadOnlyMany' | 'ReadWriteMany' | 'ReadWriteOnce' | 'ReadWriteOncePod')[];
  dataSource?: TypedLocalObjectReference;
  dataSourceRef?: TypedObjectReference;
  resources?: VolumeResourceRequirements;
  selector?: LabelSelector;
  storageClassName?: string;
  volumeAttributesClassName?: string;
  volumeMode?: 'Block' | 'Filesystem';
  volumeName?: string;
};

export const PersistentVolumeClaimStatus = struct('io.k8s.api.core.v1.PersistentVolumeClaimStatus', () => ({
  accessModes: optional(2, list(oneOf('ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod')), { listType: 'atomic', goType: '[]v1.PersistentVolumeAccessMode' }),
  allocatedResourceStatuses: optional(7, mapOf(oneOf('ControllerResizeInProgress', 'ControllerResizeInfeasible', 'NodeResizeInProgress', 'NodeResizeInfeasible', 'NodeResizePending')), { mapType: 'granular', goType: 'map[v1.ResourceName]v1.ClaimResourceStatus' }),
  allocatedResources: optional(5, mapOf(quantity)),
  capacity: optional(3, mapOf(quantity)),
  conditions: optional(4, list(PersistentVolumeClaimCondition), { listType: 'map', listMapKeys: ['type'], patchMergeKey: 'type', patchStrategy: 'merge' }),
  currentVolumeAttributesClassName: optional(8, string, { pointer: true }),
  modifyVolumeStatus: optional(9, ModifyVolumeStatus),
  phase: optional(1, oneOf('Bound', 'Lost', 'Pending'), { goType: 'v1.PersistentVolumeClaimPhase' }),
}));
export type PersistentVolumeClaimStatus = {
  accessModes?: ('ReadOnlyMany' | 'ReadWriteMany' | 'ReadWriteOnce' | 'ReadWriteOncePod')[];
  allocatedResourceStatuses?: Record<string, 'ControllerResizeInProgress' | 'ControllerResizeInfeasible' | 'NodeResizeInProgress' | 'NodeResizeInfeasible' | 'NodeResizePending'>;
  allocatedResources?: Record<string, string>;
  capacity?: Record<string, string>;
  conditions?: PersistentVolumeClaimCondition[];
  currentVolumeAttributesClassName?: string;
  modifyVolumeStatus?: ModifyVolumeStatus;
  phase?: 'Bound' | 'Lost' | 'Pending';
};

export const PersistentVolumeClaimTemplate = struct('io.k8s.api.core.v1.PersistentVolumeClaimTemplate', () => ({
  spec: required(2, PersistentVolumeClaimSpec),
  metadata: optional(1, ObjectMeta, { always: true }),
}));
export type PersistentVolumeClaimTemplate = {
  spec: PersistentVolumeClaimSpec;
  metadata?: ObjectMeta;
};

export const PersistentVolumeClaimVolumeSource = struct('io.k8s.api.core.v1.PersistentVolumeClaimVolumeSource', () => ({
  claimName: required(1, string),
  readOnly: optional(2, boolean),
}));
export type PersistentVolumeClaimVolumeSource = {
  claimName: string;
  readOnly?: boolean;
};

export const PersistentVolumeSpec = struct('io.k8s.api.core.v1.PersistentVolumeSpec', () => ({
  accessModes: optional(3, list(oneOf('ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod')), { listType: 'atomic', goType: '[]v1.PersistentVolumeAccessMode' }),
  awsElasticBlockStore: optional([2, 2], AWSElasticBlockStoreVolumeSource, { embeddedIn: 'PersistentVolumeSource' }),
  azureDisk: optional([2, 16], AzureDiskVolumeSource, { embeddedIn: 'PersistentVolumeSource' }),
  azureFile: optional([2, 13], AzureFilePersistentVolumeSource, { embeddedIn: 'PersistentVolumeSource' }),
  capacity: optional(1, mapOf(quantity)),
  cephfs: optional([2, 9], CephFSPersistentVolumeSource, { embeddedIn: 'PersistentVolumeSource' }),
  cinder: optional([2, 8], CinderPersistentVolumeSource, { embeddedIn: 'PersistentVolumeSource' }),
  claimRef: optional(4, ObjectReference, { mapType: 'granular' }),
  csi: optional([2, 22], CSIPersistentVolumeSource, { embeddedIn: 'PersistentVolumeSource' }),
  fc: optional([2, 10], FCVolumeSource, { embeddedIn: 'PersistentVolumeSource' }),
  flexVolume: optional([2, 12], FlexPersistentVolumeSource, { embeddedIn: 'PersistentVolumeSource' }),
  flocker: optional([2, 11], FlockerVolumeSource, { embeddedIn: 'PersistentVolumeSource' }),
  gcePersistentDisk: optional([2, 1], GCEPersistentDiskVolumeSource, { embeddedIn: 'PersistentVolumeSource' }),
  glusterfs: optional([2, 4], GlusterfsPersistentVolumeSource, { embeddedIn: 'PersistentVolumeSource' }),
  hostPath: optional([2, 3], HostPathVolumeSource, { embeddedIn: 'PersistentVolumeSource' }),
  iscsi: optional([2, 7], ISCSIPersistentVolumeSource, { embeddedIn: 'PersistentVolumeSource' }),
  local: optional([2, 20], LocalVolumeSource, { embeddedIn: 'PersistentVolumeSource' }),
  mountOptions: optional(7, list(string), { listType: 'atomic' }),
  nfs: optional([2, 5], NFSVolumeSource, { embeddedIn: 'PersistentVolumeSource' }),
  nodeAffinity: optional(9, VolumeNodeAffinity),
  persistentVolumeReclaimPolicy: optional(5, oneOf('Delete', 'Recycle', 'Retain'), { goType: 'v1.PersistentVolumeReclaimPolicy' }),
  photonPersistentDisk: optional([2, 17], PhotonPersistentDiskVolumeSource, { embeddedIn: 'PersistentVolumeSource' }),
  portworxVolume: optional([2, 18], PortworxVolumeSource, { embeddedIn: 'PersistentVolumeSource' }),
  quobyte: optional([2, 15], QuobyteVolumeSource, { embeddedIn: 'PersistentVolumeSource' }),
  rbd: optional([2, 6], RBDPersistentVolumeSource, { embeddedIn: 'PersistentVolumeSource' }),
  scaleIO: optional([2, 19], ScaleIOPersistentVolumeSource, { embeddedIn: 'PersistentVolumeSource' }),
  storageClassName: optional(6, string),
  storageos: optional([2, 21], StorageOSPersistentVolumeSource, { embeddedIn: 'PersistentVolumeSource' }),
  volumeAttributesClassName: optional(10, string, { pointer: true }),
  volumeMode: optional(8, oneOf('Block', 'Filesystem'), { pointer: true, goType: 'v1.PersistentVolumeMode' }),
  vsphereVolume: optional([2, 14], VsphereVirtualDiskVolumeSource, { embeddedIn: 'PersistentVolumeSource' }),
}));
export type PersistentVolumeSpec = {
  accessModes?: ('ReadOnlyMany' | 'ReadWriteMany' | 'ReadWriteOnce' | 'ReadWriteOncePod')[];
  awsElasticBlockStore?: AWSElasticBlockStoreVolumeSource;
  azureDisk?: AzureDiskVolumeSource;
  azureFile?: AzureFilePersistentVolumeSource;
  capacity?: Record<string, string>;
  cephfs?: CephFSPersistentVolumeSource;
  cinder?: CinderPersistentVolumeSource;
  claimRef?: ObjectReference;
  csi?: CSIPersistentVolumeSource;
  fc?: FCVolumeSource;
  flexVolume?: FlexPersistentVolumeSource;
  flocker?: FlockerVolumeSource;
  gcePersistentDisk?: GCEPersistentDiskVolumeSource;
  glusterfs?: GlusterfsPersistentVolumeSource;
  hostPath?: HostPathVolumeSource;
  iscsi?: ISCSIPersistentVolumeSource;
  local?: LocalVolumeSource;
  mountOptions?: string[];
  nfs?: NFSVolumeSource;
  nodeAffinity?: VolumeNodeAffinity;
  persistentVolumeReclaimPolicy?: 'Delete' | 'Recycle' | 'Retain';
  photonPersistentDisk?: PhotonPersistentDiskVolumeSource;
  portworxVolume?: PortworxVolumeSource;
  quobyte?: QuobyteVolumeSource;
  rbd?: RBDPersistentVolumeSource;
  scaleIO?: ScaleIOPersistentVolumeSource;
  storageClassName?: string;
  storageos?: StorageOSPersistentVolumeSource;
  volumeAttributesClassName?: string;
  volumeMode?: 'Block' | 'Filesystem';
  vsphereVolume?: VsphereVirtualDiskVolumeSource;
};

export const PersistentVolumeStatus = struct('io.k8s.api.core.v1.PersistentVolumeStatus', () => ({
  lastPhaseTransitionTime: optional(4, time),
  message: optional(2, string),
  phase: optional(1, oneOf('Available', 'Bound', 'Failed', 'Pending', 'Released'), { goType: 'v1.PersistentVolumePhase' }),
  reason: optional(3, string),
}));
export type PersistentVolumeStatus = {
  lastPhaseTransitionTime?: string;
  message?: string;
  phase?: 'Available' | 'Bound' | 'Failed' | 'Pending' | 'Released';
  reason?: string;
};

export const PhotonPersistentDiskVolumeSource = struct('io.k8s.api.core.v1.PhotonPersistentDiskVolumeSource', () => ({
  pdID: required(1, string),
  fsType: optional(2, string),
}));
export type PhotonPersistentDiskVolumeSource = {
  pdID: string;
  fsType?: string;
};

export const Pod = struct('io.k8s.api.core.v1.Pod', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  spec: optional(2, PodSpec, { always: true }),
  status: optional(3, PodStatus, { always: true }),
}));
export type Pod = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  spec?: PodSpec;
  status?: PodStatus;
};

export const PodAffinity = struct('io.k8s.api.core.v1.PodAffinity', () => ({
  preferredDuringSchedulingIgnoredDuringExecution: optional(2, list(WeightedPodAffinityTerm), { listType: 'atomic' }),
  requiredDuringSchedulingIgnoredDuringExecution: optional(1, list(PodAffinityTerm), { listType: 'atomic' }),
}));
export type PodAffinity = {
  preferredDuringSchedulingIgnoredDuringExecution?: WeightedPodAffinityTerm[];
  requiredDuringSchedulingIgnoredDuringExecution?: PodAffinityTerm[];
};

export const PodAffinityTerm = struct('io.k8s.api.core.v1.PodAffinityTerm', () => ({
  topologyKey: required(3, string),
  labelSelector: optional(1, LabelSelector),
  matchLabelKeys: optional(5, list(string), { listType: 'atomic' }),
  mismatchLabelKeys: optional(6, list(string), { listType: 'atomic' }),
  namespaceSelector: optional(4, LabelSelector),
  namespaces: optional(2, list(string), { listType: 'atomic' }),
}));
export type PodAffinityTerm = {
  topologyKey: string;
  labelSelector?: LabelSelector;
  matchLabelKeys?: string[];
  mismatchLabelKeys?: string[];
  namespaceSelector?: LabelSelector;
  namespaces?: string[];
};

export const PodAntiAffinity = struct('io.k8s.api.core.v1.PodAntiAffinity', () => ({
  preferredDuringSchedulingIgnoredDuringExecution: optional(2, list(WeightedPodAffinityTerm), { listType: 'atomic' }),
  requiredDuringSchedulingIgnoredDuringExecution: optional(1, list(PodAffinityTerm), { listType: 'atomic' }),
}));
export type PodAntiAffinity = {
  preferredDuringSchedulingIgnoredDuringExecution?: WeightedPodAffinityTerm[];
  requiredDuringSchedulingIgnoredDuringExecution?: PodAffinityTerm[];
};

export const PodCertificateProjection = struct('io.k8s.api.core.v1.PodCertificateProjection', () => ({
  keyType: required(2, string),
  signerName: required(1, string),
  certificateChainPath: optional(6, string),
  credentialBundlePath: optional(4, string),
  keyPath: optional(5, string),
  maxExpirationSeconds: optional(3, int32, { pointer: true }),
  userAnnotations: optional(7, mapOf(string)),
}));
export type PodCertificateProjection = {
  keyType: string;
  signerName: string;
  certificateChainPath?: string;
  credentialBundlePath?: string;
  keyPath?: string;
  maxExpirationSeconds?: number;
  userAnnotations?: Record<string, string>;
};

export const PodCondition = struct('io.k8s.api.core.v1.PodCondition', () => ({
  status: required(2, string, { goType: 'v1.ConditionStatus' }),
  type: required(1, string, { goType: 'v1.PodConditionType' }),
  lastProbeTime: optional(3, time, { always: true }),
  lastTransitionTime: optional(4, time, { always: true }),
  message: optional(6, string),
  observedGeneration: optional(7, int64),
  reason: optional(5, string),
}));
export type PodCondition = {
  status: string;
  type: string;
  lastProbeTime?: string | null;
  lastTransitionTime?: string | null;
  message?: string;
  observedGeneration?: number;
  reason?: string;
};

export const PodDNSConfig = struct('io.k8s.api.core.v1.PodDNSConfig', () => ({
  nameservers: optional(1, list(ip), { listType: 'atomic' }),
  options: optional(3, list(PodDNSConfigOption), { listType: 'atomic' }),
  searches: optional(2, list(string), { listType: 'atomic' }),
}));
export type PodDNSConfig = {
  nameservers?: string[];
  options?: PodDNSConfigOption[];
  searches?: string[];
};

export const PodDNSConfigOption = struct('io.k8s.api.core.v1.PodDNSConfigOption', () => ({
  name: optional(1, string),
  value: optional(2, string, { pointer: true }),
}));
export type PodDNSConfigOption = {
  name?: string;
  value?: string;
};

export const PodExtendedResourceClaimStatus = struct('io.k8s.api.core.v1.PodExtendedResourceClaimStatus', () => ({
  requestMappings: required(1, list(ContainerExtendedResourceRequest), { listType: 'atomic' }),
  resourceClaimName: required(2, string),
}));
export type PodExtendedResourceClaimStatus = {
  requestMappings: ContainerExtendedResourceRequest[];
  resourceClaimName: string;
};

export const PodIP = struct('io.k8s.api.core.v1.PodIP', () => ({
  ip: required(1, string),
}));
export type PodIP = {
  ip: string;
};

export const PodOS = struct('io.k8s.api.core.v1.PodOS', () => ({
  name: required(1, string, { goType: 'v1.OSName' }),
}));
export type PodOS = {
  name: string;
};

export const PodReadinessGate = struct('io.k8s.api.core.v1.PodReadinessGate', () => ({
  conditionType: required(1, labelKey, { goType: 'v1.PodConditionType' }),
}));
export type PodReadinessGate = {
  conditionType: string;
};

export const PodResourceClaim = struct('io.k8s.api.core.v1.PodResourceClaim', () => ({
  name: required(1, string),
  resourceClaimName: optional(3, string, { pointer: true }),
  resourceClaimTemplateName: optional(4, string, { pointer: true }),
}));
export type PodResourceClaim = {
  name: string;
  resourceClaimName?: string;
  resourceClaimTemplateName?: string;
};

export const PodResourceClaimStatus = struct('io.k8s.api.core.v1.PodResourceClaimStatus', () => ({
  name: required(1, string),
  resourceClaimName: optional(2, string, { pointer: true }),
}));
export type PodResourceClaimStatus = {
  name: string;
  resourceClaimName?: string;
};

export const PodSchedulingGate = struct('io.k8s.api.core.v1.PodSchedulingGate', () => ({
  name: required(1, string),
}));
export type PodSchedulingGate = {
  name: string;
};

export const PodSchedulingGroup = struct('io.k8s.api.core.v1.PodSchedulingGroup', () => ({
  podGroupName: optional(1, string, { pointer: true }),
}));
export type PodSchedulingGroup = {
  podGroupName?: string;
};

export const PodSecurityContext = struct('io.k8s.api.core.v1.PodSecurityContext', () => ({
  appArmorProfile: optional(11, AppArmorProfile),
  fsGroup: optional(5, linuxId, { pointer: true }),
  fsGroupChangePolicy: optional(9, oneOf('Always', 'OnRootMismatch'), { pointer: true, supported: ['Always', 'OnRootMismatch'], goType: 'v1.PodFSGroupChangePolicy' }),
  runAsGroup: optional(6, linuxId, { pointer: true }),
  runAsNonRoot: optional(3, boolean, { pointer: true }),
  runAsUser: optional(2, linuxId, { pointer: true }),
  seLinuxChangePolicy: optional(13, string, { pointer: true, supported: ['MountOption', 'Recursive'], goType: 'v1.PodSELinuxChangePolicy' }),
  seLinuxOptions: optional(1, SELinuxOptions),
  seccompProfile: optional(10, SeccompProfile),
  supplementalGroups: optional(4, list(linuxId), { listType: 'atomic' }),
  supplementalGroupsPolicy: optional(12, oneOf('Merge', 'Strict'), { pointer: true, supported: ['Merge', 'Strict'], goType: 'v1.SupplementalGroupsPolicy' }),
  sysctls: optional(7, list(Sysctl), { listType: 'atomic' }),
  windowsOptions: optional(8, WindowsSecurityContextOptions),
}));
export type PodSecurityContext = {
  appArmorProfile?: AppArmorProfile;
  fsGroup?: number;
  fsGroupChangePolicy?: 'Always' | 'OnRootMismatch';
  runAsGroup?: number;
  runAsNonRoot?: boolean;
  runAsUser?: number;
  seLinuxChangePolicy?: string;
  seLinuxOptions?: SELinuxOptions;
  seccompProfile?: SeccompProfile;
  supplementalGroups?: number[];
  supplementalGroupsPolicy?: 'Merge' | 'Strict';
  sysctls?: Sysctl[];
  windowsOptions?: WindowsSecurityContextOptions;
};

export const PodSpec = struct('io.k8s.api.core.v1.PodSpec', () => ({
  containers: required(2, list(Container), { listType: 'map', listMapKeys: ['name'], patchMergeKey: 'name', patchStrategy: 'merge', nonEmpty: true }),
  activeDeadlineSeconds: optional(5, int64, { pointer: true, minimum: 1, maximum: 2147483647 }),
  affinity: optional(18, Affinity),
  automountServiceAccountToken: optional(21, boolean, { pointer: true }),
  dnsConfig: optional(26, PodDNSConfig),
  dnsPolicy: optional(6, oneOf('ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None'), { nonEmpty: true, supported: ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'], goType: 'v1.DNSPolicy' }),
  enableServiceLinks: optional(30, boolean, { pointer: true }),
  ephemeralContainers: optional(34, list(EphemeralContainer), { listType: 'map', listMapKeys: ['name'], patchMergeKey: 'name', patchStrategy: 'merge' }),
  hostAliases: optional(23, list(HostAlias), { listType: 'map', listMapKeys: ['ip'], patchMergeKey: 'ip', patchStrategy: 'merge' }),
  hostIPC: optional(13, boolean),
  hostNetwork: optional(11, boolean),
  hostPID: optional(12, boolean),
  hostUsers: optional(37, boolean, { pointer: true }),
  hostname: optional(16, shortName),
  hostnameOverride: optional(41, longName, { pointer: true, maxBytes: 64 }),
  imagePullSecrets: optional(15, list(LocalObjectReference), { listType: 'map', listMapKeys: ['name'], patchMergeKey: 'name', patchStrategy: 'merge' }),
  initContainers: optional(20, list(Container), { listType: 'map', listMapKeys: ['name'], patchMergeKey: 'name', patchStrategy: 'merge' }),
  nodeName: optional(10, longName),
  nodeSelector: optional(7, mapOf(string), { mapType: 'atomic' }),
  os: optional(36, PodOS),
  overhead: optional(32, mapOf(quantity)),
  preemptionPolicy: optional(31, oneOf('Never', 'PreemptLowerPriority'), { pointer: true, supported: ['PreemptLowerPriority', 'Never'], goType: 'v1.PreemptionPolicy' }),
  priority: optional(25, int32, { pointer: true }),
  priorityClassName: optional(24, longName),
  readinessGates: optional(28, list(PodReadinessGate), { listType: 'atomic' }),
  resourceClaims: optional(39, list(PodResourceClaim), { listType: 'map', listMapKeys: ['name'], patchMergeKey: 'name', patchStrategy: 'merge,retainKeys' }),
  resources: optional(40, ResourceRequirements),
  restartPolicy: optional(3, oneOf('Always', 'Never', 'OnFailure'), { nonEmpty: true, supported: ['Always', 'OnFailure', 'Never'], goType: 'v1.RestartPolicy' }),
  runtimeClassName: optional(29, longName, { pointer: true }),
  schedulerName: optional(19, string),
  schedulingGates: optional(38, list(PodSchedulingGate), { listType: 'map', listMapKeys: ['name'], patchMergeKey: 'name', patchStrategy: 'merge' }),
  schedulingGroup: optional(43, PodSchedulingGroup),
  securityContext: optional(14, PodSecurityContext),
  serviceAccount: optional(9, string),
  serviceAccountName: optional(8, longName),
  setHostnameAsFQDN: optional(35, boolean, { pointer: true }),
  shareProcessNamespace: optional(27, boolean, { pointer: true }),
  subdomain: optional(17, shortName),
  terminationGracePeriodSeconds: optional(4, int64, { pointer: true }),
  tolerations: optional(22, list(Toleration), { listType: 'atomic' }),
  topologySpreadConstraints: optional(33, list(TopologySpreadConstraint), { listType: 'map', listMapKeys: ['topologyKey', 'whenUnsatisfiable'], patchMergeKey: 'topologyKey', patchStrategy: 'merge' }),
  volumes: optional(1, list(Volume), { listType: 'map', listMapKeys: ['name'], patchMergeKey: 'name', patchStrategy: 'merge,retainKeys' }),
}));
export type PodSpec = {
  containers: Container[];
  activeDeadlineSeconds?: number;
  affinity?: Affinity;
  automountServiceAccountToken?: boolean;
  dnsConfig?: PodDNSConfig;
  dnsPolicy?: 'ClusterFirst' | 'ClusterFirstWithHostNet' | 'Default' | 'None';
  enableServiceLinks?: boolean;
  ephemeralContainers?: EphemeralContainer[];
  hostAliases?: HostAlias[];
  hostIPC?: boolean;
  hostNetwork?: boolean;
  hostPID?: boolean;
  hostUsers?: boolean;
  hostname?: string;
  hostnameOverride?: string;
  imagePullSecrets?: LocalObjectReference[];
  initContainers?: Container[];
  nodeName?: string;
  nodeSelector?: Record<string, string>;
  os?: PodOS;
  overhead?: Record<string, string>;
  preemptionPolicy?: 'Never' | 'PreemptLowerPriority';
  priority?: number;
  priorityClassName?: string;
  readinessGates?: PodReadinessGate[];
  resourceClaims?: PodResourceClaim[];
  resources?: ResourceRequirements;
  restartPolicy?: 'Always' | 'Never' | 'OnFailure';
  runtimeClassName?: string;
  schedulerName?: string;
  schedulingGates?: PodSchedulingGate[];
  schedulingGroup?: PodSchedulingGroup;
  securityContext?: PodSecurityContext;
  serviceAccount?: string;
  serviceAccountName?: string;
  setHostnameAsFQDN?: boolean;
  shareProcessNamespace?: boolean;
  subdomain?: string;
  terminationGracePeriodSeconds?: number;
  tolerations?: Toleration[];
  topologySpreadConstraints?: TopologySpreadConstraint[];
  volumes?: Volume[];
};

export const PodStatus = struct('io.k8s.api.core.v1.PodStatus', () => ({
  allocatedResources: optional(19, mapOf(quantity)),
  conditions: optional(2, list(PodCondition), { listType: 'map', listMapKeys: ['type'], patchMergeKey: 'type', patchStrategy: 'merge' }),
  containerStatuses: optional(8, list(ContainerStatus), { listType: 'atomic' }),
  ephemeralContainerStatuses: optional(13, list(ContainerStatus), { listType: 'atomic' }),
  extendedResourceClaimStatus: optional(18, PodExtendedResourceClaimStatus),
  hostIP: optional(5, string),
  hostIPs: optional(16, list(HostIP), { listType: 'atomic', patchMergeKey: 'ip', patchStrategy: 'merge' }),
  initContainerStatuses: optional(10, list(ContainerStatus), { listType: 'atomic' }),
  message: optional(3, string),
  nodeAllocatableResourceClaimStatuses: optional(21, list(NodeAllocatableResourceClaimStatus), { listType: 'atomic' }),
  nominatedNodeName: optional(11, string),
  observedGeneration: optional(17, int64),
  phase: optional(1, oneOf('Failed', 'Pending', 'Running', 'Succeeded', 'Unknown'), { goType: 'v1.PodPhase' }),
  podIP: optional(6, string),
  podIPs: optional(12, list(PodIP), { listType: 'map', listMapKeys: ['ip'], patchMergeKey: 'ip', patchStrategy: 'merge' }),
  qosClass: optional(9, oneOf('BestEffort', 'Burstable', 'Guaranteed'), { goType: 'v1.PodQOSClass' }),
  reason: optional(4, string),
  resize: optional(14, string, { goType: 'v1.PodResizeStatus' }),
  resourceClaimStatuses: optional(15, list(PodResourceClaimStatus), { listType: 'map', listMapKeys: ['name'], patchMergeKey: 'name', patchStrategy: 'merge,retainKeys' }),
  resources: optional(20, ResourceRequirements),
  startTime: optional(7, time),
}));
export type PodStatus = {
  allocatedResources?: Record<string, string>;
  conditions?: PodCondition[];
  containerStatuses?: ContainerStatus[];
  ephemeralContainerStatuses?: ContainerStatus[];
  extendedResourceClaimStatus?: PodExtendedResourceClaimStatus;
  hostIP?: string;
  hostIPs?: HostIP[];
  initContainerStatuses?: ContainerStatus[];
  message?: string;
  nodeAllocatableResourceClaimStatuses?: NodeAllocatableResourceClaimStatus[];
  nominatedNodeName?: string;
  observedGeneration?: number;
  phase?: 'Failed' | 'Pending' | 'Running' | 'Succeeded' | 'Unknown';
  podIP?: string;
  podIPs?: PodIP[];
  qosClass?: 'BestEffort' | 'Burstable' | 'Guaranteed';
  reason?: string;
  resize?: string;
  resourceClaimStatuses?: PodResourceClaimStatus[];
  resources?: ResourceRequirements;
  startTime?: string;
};

export const PodTemplate = struct('io.k8s.api.core.v1.PodTemplate', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  template: optional(2, PodTemplateSpec, { always: true }),
}));
export type PodTemplate = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  template?: PodTemplateSpec;
};

export const PodTemplateSpec = struct('io.k8s.api.core.v1.PodTemplateSpec', () => ({
  metadata: optional(1, ObjectMeta, { always: true }),
  spec: optional(2, PodSpec, { always: true }),
}));
export type PodTemplateSpec = {
  metadata?: ObjectMeta;
  spec?: PodSpec;
};

export const PortStatus = struct('io.k8s.api.core.v1.PortStatus', () => ({
  port: required(1, int32),
  protocol: required(2, oneOf('SCTP', 'TCP', 'UDP'), { goType: 'v1.Protocol' }),
  error: optional(3, string, { pointer: true }),
}));
export type PortStatus = {
  port: number;
  protocol: 'SCTP' | 'TCP' | 'UDP';
  error?: string;
};

export const PortworxVolumeSource = struct('io.k8s.api.core.v1.PortworxVolumeSource', () => ({
  volumeID: required(1, string),
  fsType: optional(2, string),
  readOnly: optional(3, boolean),
}));
export type PortworxVolumeSource = {
  volumeID: string;
  fsType?: string;
  readOnly?: boolean;
};

export const PreferredSchedulingTerm = struct('io.k8s.api.core.v1.PreferredSchedulingTerm', () => ({
  preference: required(2, NodeSelectorTerm),
  weight: required(1, int32),
}));
export type PreferredSchedulingTerm = {
  preference: NodeSelectorTerm;
  weight: number;
};

export const Probe = struct('io.k8s.api.core.v1.Probe', () => ({
  exec: optional([1, 1], ExecAction, { embeddedIn: 'ProbeHandler' }),
  failureThreshold: optional(6, int32, { minimum: 0 }),
  grpc: optional([1, 4], GRPCAction, { embeddedIn: 'ProbeHandler' }),
  httpGet: optional([1, 2], HTTPGetAction, { embeddedIn: 'ProbeHandler' }),
  initialDelaySeconds: optional(2, int32, { minimum: 0 }),
  periodSeconds: optional(4, int32, { minimum: 0 }),
  successThreshold: optional(5, int32, { minimum: 0 }),
  tcpSocket: optional([1, 3], TCPSocketAction, { embeddedIn: 'ProbeHandler' }),
  terminationGracePeriodSeconds: optional(7, int64, { pointer: true, minimum: 0, exclusiveMinimum: true }),
  timeoutSeconds: optional(3, int32, { minimum: 0 }),
}));
export type Probe = {
  exec?: ExecAction;
  failureThreshold?: number;
  grpc?: GRPCAction;
  httpGet?: HTTPGetAction;
  initialDelaySeconds?: number;
  periodSeconds?: number;
  successThreshold?: number;
  tcpSocket?: TCPSocketAction;
  terminationGracePeriodSeconds?: number;
  timeoutSeconds?: number;
};

export const ProjectedVolumeSource = struct('io.k8s.api.core.v1.ProjectedVolumeSource', () => ({
  defaultMode: optional(2, int32, { pointer: true }),
  sources: optional(1, list(VolumeProjection), { always: true, listType: 'atomic' }),
}));
export type ProjectedVolumeSource = {
  defaultMode?: number;
  sources?: VolumeProjection[] | null;
};

export const QuobyteVolumeSource = struct('io.k8s.api.core.v1.QuobyteVolumeSource', () => ({
  registry: required(1, string),
  volume: required(2, string),
  group: optional(5, string),
  readOnly: optional(3, boolean),
  tenant: optional(6, string),
  user: optional(4, string),
}));
export type QuobyteVolumeSource = {
  registry: string;
  volume: string;
  group?: string;
  readOnly?: boolean;
  tenant?: string;
  user?: string;
};

export const RBDPersistentVolumeSource = struct('io.k8s.api.core.v1.RBDPersistentVolumeSource', () => ({
  image: required(2, string),
  monitors: required(1, list(string), { listType: 'atomic' }),
  fsType: optional(3, string),
  keyring: optional(6, string),
  pool: optional(4, string),
  readOnly: optional(8, boolean),
  secretRef: optional(7, SecretReference),
  user: optional(5, string),
}));
export type RBDPersistentVolumeSource = {
  image: string;
  monitors: string[];
  fsType?: string;
  keyring?: string;
  pool?: string;
  readOnly?: boolean;
  secretRef?: SecretReference;
  user?: string;
};

export const RBDVolumeSource = struct('io.k8s.api.core.v1.RBDVolumeSource', () => ({
  image: required(2, string),
  monitors: required(1, list(string), { listType: 'atomic' }),
  fsType: optional(3, string),
  keyring: optional(6, string),
  pool: optional(4, string),
  readOnly: optional(8, boolean),
  secretRef: optional(7, LocalObjectReference),
  user: optional(5, string),
}));
export type RBDVolumeSource = {
  image: string;
  monitors: string[];
  fsType?: string;
  keyring?: string;
  pool?: string;
  readOnly?: boolean;
  secretRef?: LocalObjectReference;
  user?: string;
};

export const ReplicationController = struct('io.k8s.api.core.v1.ReplicationController', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  spec: optional(2, ReplicationControllerSpec, { always: true }),
  status: optional(3, ReplicationControllerStatus, { always: true }),
}));
export type ReplicationController = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  spec?: ReplicationControllerSpec;
  status?: ReplicationControllerStatus;
};

export const ReplicationControllerCondition = struct('io.k8s.api.core.v1.ReplicationControllerCondition', () => ({
  status: required(2, string, { goType: 'v1.ConditionStatus' }),
  type: required(1, string, { goType: 'v1.ReplicationControllerConditionType' }),
  lastTransitionTime: optional(3, time, { always: true }),
  message: optional(5, string),
  reason: optional(4, string),
}));
export type ReplicationControllerCondition = {
  status: string;
  type: string;
  lastTransitionTime?: string | null;
  message?: string;
  reason?: string;
};

export const ReplicationControllerSpec = struct('io.k8s.api.core.v1.ReplicationControllerSpec', () => ({
  minReadySeconds: optional(4, int32, { minimum: 0 }),
  replicas: optional(1, int32, { pointer: true, minimum: 0 }),
  selector: optional(2, mapOf(string), { mapType: 'atomic' }),
  template: optional(3, PodTemplateSpec),
}));
export type ReplicationControllerSpec = {
  minReadySeconds?: number;
  replicas?: number;
  selector?: Record<string, string>;
  template?: PodTemplateSpec;
};

export const ReplicationControllerStatus = struct('io.k8s.api.core.v1.ReplicationControllerStatus', () => ({
  replicas: required(1, int32, { minimum: 0 }),
  availableReplicas: optional(5, int32, { minimum: 0 }),
  conditions: optional(6, list(ReplicationControllerCondition), { listType: 'map', listMapKeys: ['type'], patchMergeKey: 'type', patchStrategy: 'merge' }),
  fullyLabeledReplicas: optional(2, int32, { minimum: 0 }),
  observedGeneration: optional(3, int64, { minimum: 0 }),
  readyReplicas: optional(4, int32, { minimum: 0 }),
}));
export type ReplicationControllerStatus = {
  replicas: number;
  availableReplicas?: number;
  conditions?: ReplicationControllerCondition[];
  fullyLabeledReplicas?: number;
  observedGeneration?: number;
  readyReplicas?: number;
};

export const ResourceClaim = struct('io.k8s.api.core.v1.ResourceClaim', () => ({
  name: required(1, string),
  request: optional(2, string),
}));
export type ResourceClaim = {
  name: string;
  request?: string;
};

export const ResourceFieldSelector = struct('io.k8s.api.core.v1.ResourceFieldSelector', () => ({
  resource: required(2, string),
  containerName: optional(1, string),
  divisor: optional(3, quantity, { always: true }),
}), { mapType: 'atomic' });
export type ResourceFieldSelector = {
  resource: string;
  containerName?: string;
  divisor?: string;
};

export const ResourceHealth = struct('io.k8s.api.core.v1.ResourceHealth', () => ({
  resourceID: required(1, string, { goType: 'v1.ResourceID' }),
  health: optional(2, string, { goType: 'v1.ResourceHealthStatus' }),
  message: optional(6, string, { pointer: true }),
}));
export type ResourceHealth = {
  resourceID: string;
  health?: string;
  message?: string;
};

export const ResourceQuota = struct('io.k8s.api.core.v1.ResourceQuota', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  spec: optional(2, ResourceQuotaSpec, { always: true }),
  status: optional(3, ResourceQuotaStatus, { always: true }),
}));
export type ResourceQuota = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  spec?: ResourceQuotaSpec;
  status?: ResourceQuotaStatus;
};

export const ResourceQuotaSpec = struct('io.k8s.api.core.v1.ResourceQuotaSpec', () => ({
  hard: optional(1, mapOf(quantity)),
  scopeSelector: optional(3, ScopeSelector),
  scopes: optional(2, list(oneOf('BestEffort', 'CrossNamespacePodAffinity', 'NotBestEffort', 'NotTerminating', 'PriorityClass', 'Terminating', 'VolumeAttributesClass')), { listType: 'atomic', goType: '[]v1.ResourceQuotaScope' }),
}));
export type ResourceQuotaSpec = {
  hard?: Record<string, string>;
  scopeSelector?: ScopeSelector;
  scopes?: ('BestEffort' | 'CrossNamespacePodAffinity' | 'NotBestEffort' | 'NotTerminating' | 'PriorityClass' | 'Terminating' | 'VolumeAttributesClass')[];
};

export const ResourceQuotaStatus = struct('io.k8s.api.core.v1.ResourceQuotaStatus', () => ({
  hard: optional(1, mapOf(quantity)),
  used: optional(2, mapOf(quantity)),
}));
export type ResourceQuotaStatus = {
  hard?: Record<string, string>;
  used?: Record<string, string>;
};

export const ResourceRequirements = struct('io.k8s.api.core.v1.ResourceRequirements', () => ({
  claims: optional(3, list(ResourceClaim), { listType: 'map', listMapKeys: ['name'] }),
  limits: optional(1, mapOf(quantity)),
  requests: optional(2, mapOf(quantity)),
}));
export type ResourceRequirements = {
  claims?: ResourceClaim[];
  limits?: Record<string, string>;
  requests?: Record<string, string>;
};

export const ResourceStatus = struct('io.k8s.api.core.v1.ResourceStatus', () => ({
  name: required(1, string, { goType: 'v1.ResourceName' }),
  resources: optional(2, list(ResourceHealth), { listType: 'map', listMapKeys: ['resourceID'] }),
}));
export type ResourceStatus = {
  name: string;
  resources?: ResourceHealth[];
};

export const SELinuxOptions = struct('io.k8s.api.core.v1.SELinuxOptions', () => ({
  level: optional(4, string),
  role: optional(2, string),
  type: optional(3, string),
  user: optional(1, string),
}));
export type SELinuxOptions = {
  level?: string;
  role?: string;
  type?: string;
  user?: string;
};

export const ScaleIOPersistentVolumeSource = struct('io.k8s.api.core.v1.ScaleIOPersistentVolumeSource', () => ({
  gateway: required(1, string),
  secretRef: required(3, SecretReference, { nullable: true }),
  system: required(2, string),
  fsType: optional(9, string),
  protectionDomain: optional(5, string),
  readOnly: optional(10, boolean),
  sslEnabled: optional(4, boolean),
  storageMode: optional(7, string),
  storagePool: optional(6, string),
  volumeName: optional(8, string),
}));
export type ScaleIOPersistentVolumeSource = {
  gateway: string;
  secretRef: SecretReference;
  system: string;
  fsType?: string;
  protectionDomain?: string;
  readOnly?: boolean;
  sslEnabled?: boolean;
  storageMode?: string;
  storagePool?: string;
  volumeName?: string;
};

export const ScaleIOVolumeSource = struct('io.k8s.api.core.v1.ScaleIOVolumeSource', () => ({
  gateway: required(1, string),
  secretRef: required(3, LocalObjectReference, { nullable: true }),
  system: required(2, string),
  fsType: optional(9, string),
  protectionDomain: optional(5, string),
  readOnly: optional(10, boolean),
  sslEnabled: optional(4, boolean),
  storageMode: optional(7, string),
  storagePool: optional(6, string),
  volumeName: optional(8, string),
}));
export type ScaleIOVolumeSource = {
  gateway: string;
  secretRef: LocalObjectReference;
  system: string;
  fsType?: string;
  protectionDomain?: string;
  readOnly?: boolean;
  sslEnabled?: boolean;
  storageMode?: string;
  storagePool?: string;
  volumeName?: string;
};

export const ScopeSelector = struct('io.k8s.api.core.v1.ScopeSelector', () => ({
  matchExpressions: optional(1, list(ScopedResourceSelectorRequirement), { listType: 'atomic' }),
}), { mapType: 'atomic' });
export type ScopeSelector = {
  matchExpressions?: ScopedResourceSelectorRequirement[];
};

export const ScopedResourceSelectorRequirement = struct('io.k8s.api.core.v1.ScopedResourceSelectorRequirement', () => ({
  operator: required(2, oneOf('DoesNotExist', 'Exists', 'In', 'NotIn'), { goType: 'v1.ScopeSelectorOperator' }),
  scopeName: required(1, oneOf('BestEffort', 'CrossNamespacePodAffinity', 'NotBestEffort', 'NotTerminating', 'PriorityClass', 'Terminating', 'VolumeAttributesClass'), { goType: 'v1.ResourceQuotaScope' }),
  values: optional(3, list(string), { listType: 'atomic' }),
}));
export type ScopedResourceSelectorRequirement = {
  operator: 'DoesNotExist' | 'Exists' | 'In' | 'NotIn';
  scopeName: 'BestEffort' | 'CrossNamespacePodAffinity' | 'NotBestEffort' | 'NotTerminating' | 'PriorityClass' | 'Terminating' | 'VolumeAttributesClass';
  values?: string[];
};

export const SeccompProfile = struct('io.k8s.api.core.v1.SeccompProfile', () => ({
  type: required(1, oneOf('Localhost', 'RuntimeDefault', 'Unconfined'), { goType: 'v1.SeccompProfileType' }),
  localhostProfile: optional(2, string, { pointer: true }),
}));
export type SeccompProfile = {
  type: 'Localhost' | 'RuntimeDefault' | 'Unconfined';
  localhostProfile?: string;
};

export const Secret = struct('io.k8s.api.core.v1.Secret', () => ({
  apiVersion: optional(undefined, string),
  data: optional(2, mapOf(bytes)),
  immutable: optional(5, boolean, { pointer: true }),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  stringData: optional(4, mapOf(string)),
  type: optional(3, string, { immutable: true, goType: 'v1.SecretType' }),
}));
export type Secret = {
  apiVersion?: string;
  data?: Record<string, string>;
  immutable?: boolean;
  kind?: string;
  metadata?: ObjectMeta;
  stringData?: Record<string, string>;
  type?: string;
};

export const SecretEnvSource = struct('io.k8s.api.core.v1.SecretEnvSource', () => ({
  name: optional([1, 1], string, { embeddedIn: 'LocalObjectReference' }),
  optional: optional(2, boolean, { pointer: true }),
}));
export type SecretEnvSource = {
  name?: string;
  optional?: boolean;
};

export const SecretKeySelector = struct('io.k8s.api.core.v1.SecretKeySelector', () => ({
  key: required(2, configKey, { nonEmpty: true }),
  name: optional([1, 1], string, { embeddedIn: 'LocalObjectReference' }),
  optional: optional(3, boolean, { pointer: true }),
}), { mapType: 'atomic' });
export type SecretKeySelector = {
  key: string;
  name?: string;
  optional?: boolean;
};

export const SecretProjection = struct('io.k8s.api.core.v1.SecretProjection', () => ({
  items: optional(2, list(KeyToPath), { listType: 'atomic' }),
  name: optional([1, 1], string, { embeddedIn: 'LocalObjectReference' }),
  optional: optional(4, boolean, { pointer: true }),
}));
export type SecretProjection = {
  items?: KeyToPath[];
  name?: string;
  optional?: boolean;
};

export const SecretReference = struct('io.k8s.api.core.v1.SecretReference', () => ({
  name: optional(1, string),
  namespace: optional(2, string),
}), { mapType: 'atomic' });
export type SecretReference = {
  name?: string;
  namespace?: string;
};

export const SecretVolumeSource = struct('io.k8s.api.core.v1.SecretVolumeSource', () => ({
  defaultMode: optional(3, int32, { pointer: true }),
  items: optional(2, list(KeyToPath), { listType: 'atomic' }),
  optional: optional(4, boolean, { pointer: true }),
  secretName: optional(1, string),
}));
export type SecretVolumeSource = {
  defaultMode?: number;
  items?: KeyToPath[];
  optional?: boolean;
  secretName?: string;
};

export const SecurityContext = struct('io.k8s.api.core.v1.SecurityContext', () => ({
  allowPrivilegeEscalation: optional(7, boolean, { pointer: true }),
  appArmorProfile: optional(12, AppArmorProfile),
  capabilities: optional(1, Capabilities),
  privileged: optional(2, boolean, { pointer: true }),
  procMount: optional(9, oneOf('Default', 'Unmasked'), { pointer: true, supported: ['Default', 'Unmasked'], goType: 'v1.ProcMountType' }),
  readOnlyRootFilesystem: optional(6, boolean, { pointer: true }),
  runAsGroup: optional(8, linuxId, { pointer: true }),
  runAsNonRoot: optional(5, boolean, { pointer: true }),
  runAsUser: optional(4, linuxId, { pointer: true }),
  seLinuxOptions: optional(3, SELinuxOptions),
  seccompProfile: optional(11, SeccompProfile),
  windowsOptions: optional(10, WindowsSecurityContextOptions),
}));
export type SecurityContext = {
  allowPrivilegeEscalation?: boolean;
  appArmorProfile?: AppArmorProfile;
  capabilities?: Capabilities;
  privileged?: boolean;
  procMount?: 'Default' | 'Unmasked';
  readOnlyRootFilesystem?: boolean;
  runAsGroup?: number;
  runAsNonRoot?: boolean;
  runAsUser?: number;
  seLinuxOptions?: SELinuxOptions;
  seccompProfile?: SeccompProfile;
  windowsOptions?: WindowsSecurityContextOptions;
};

export const Service = struct('io.k8s.api.core.v1.Service', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  spec: optional(2, ServiceSpec, { always: true }),
  status: optional(3, ServiceStatus, { always: true }),
}));
export type Service = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  spec?: ServiceSpec;
  status?: ServiceStatus;
};

export const ServiceAccount = struct('io.k8s.api.core.v1.ServiceAccount', () => ({
  apiVersion: optional(undefined, string),
  automountServiceAccountToken: optional(4, boolean, { pointer: true }),
  imagePullSecrets: optional(3, list(LocalObjectReference), { listType: 'atomic' }),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  secrets: optional(2, list(ObjectReference), { listType: 'map', listMapKeys: ['name'], patchMergeKey: 'name', patchStrategy: 'merge' }),
}));
export type ServiceAccount = {
  apiVersion?: string;
  automountServiceAccountToken?: boolean;
  imagePullSecrets?: LocalObjectReference[];
  kind?: string;
  metadata?: ObjectMeta;
  secrets?: ObjectReference[];
};

export const ServiceAccountTokenProjection = struct('io.k8s.api.core.v1.ServiceAccountTokenProjection', () => ({
  path: required(3, string),
  audience: optional(1, string),
  expirationSeconds: optional(2, int64, { pointer: true }),
}));
export type ServiceAccountTokenProjection = {
  path: string;
  audience?: string;
  expirationSeconds?: number;
};

export const ServicePort = struct('io.k8s.api.core.v1.ServicePort', () => ({
  port: required(3, port),
  appProtocol: optional(6, labelKey, { pointer: true }),
  name: optional(1, shortName),
  nodePort: optional(5, int32),
  protocol: optional(2, oneOf('SCTP', 'TCP', 'UDP'), { nonEmpty: true, supported: ['SCTP', 'TCP', 'UDP'], goType: 'v1.Protocol' }),
  targetPort: optional(4, intOrString, { always: true }),
}));
export type ServicePort = {
  port: number;
  appProtocol?: string;
  name?: string;
  nodePort?: number;
  protocol?: 'SCTP' | 'TCP' | 'UDP';
  targetPort?: number | string;
};

export const ServiceSpec = struct('io.k8s.api.core.v1.ServiceSpec', () => ({
  allocateLoadBalancerNodePorts: optional(20, boolean, { pointer: true }),
  clusterIP: optional(3, string),
  clusterIPs: optional(18, list(string), { listType: 'atomic' }),
  externalIPs: optional(5, list(string), { listType: 'atomic' }),
  externalName: optional(10, string),
  externalTrafficPolicy: optional(11, oneOf('Cluster', 'Local'), { supported: ['Cluster', 'Local'], goType: 'v1.ServiceExternalTrafficPolicy' }),
  healthCheckNodePort: optional(12, int32),
  internalTrafficPolicy: optional(22, oneOf('Cluster', 'Local'), { pointer: true, supported: ['Cluster', 'Local'], goType: 'v1.ServiceInternalTrafficPolicy' }),
  ipFamilies: optional(19, list(oneOf('', 'IPv4', 'IPv6')), { listType: 'atomic', supported: ['IPv4', 'IPv6'], goType: '[]v1.IPFamily' }),
  ipFamilyPolicy: optional(17, oneOf('PreferDualStack', 'RequireDualStack', 'SingleStack'), { pointer: true, supported: ['PreferDualStack', 'RequireDualStack', 'SingleStack'], goType: 'v1.IPFamilyPolicy' }),
  loadBalancerClass: optional(21, string, { pointer: true }),
  loadBalancerIP: optional(8, string),
  loadBalancerSourceRanges: optional(9, list(string), { listType: 'atomic' }),
  ports: optional(1, list(ServicePort), { listType: 'map', listMapKeys: ['port', 'protocol'], patchMergeKey: 'port', patchStrategy: 'merge' }),
  publishNotReadyAddresses: optional(13, boolean),
  selector: optional(2, mapOf(string), { mapType: 'atomic' }),
  sessionAffinity: optional(7, oneOf('ClientIP', 'None'), { nonEmpty: true, supported: ['ClientIP', 'None'], goType: 'v1.ServiceAffinity' }),
  sessionAffinityConfig: optional(14, SessionAffinityConfig),
  trafficDistribution: optional(23, string, { pointer: true, supported: ['PreferClose', 'PreferSameZone', 'PreferSameNode'] }),
  type: optional(4, oneOf('ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'), { nonEmpty: true, supported: ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'], goType: 'v1.ServiceType' }),
}));
export type ServiceSpec = {
  allocateLoadBalancerNodePorts?: boolean;
  clusterIP?: string;
  clusterIPs?: string[];
  externalIPs?: string[];
  externalName?: string;
  externalTrafficPolicy?: 'Cluster' | 'Local';
  healthCheckNodePort?: number;
  internalTrafficPolicy?: 'Cluster' | 'Local';
  ipFamilies?: ('' | 'IPv4' | 'IPv6')[];
  ipFamilyPolicy?: 'PreferDualStack' | 'RequireDualStack' | 'SingleStack';
  loadBalancerClass?: string;
  loadBalancerIP?: string;
  loadBalancerSourceRanges?: string[];
  ports?: ServicePort[];
  publishNotReadyAddresses?: boolean;
  selector?: Record<string, string>;
  sessionAffinity?: 'ClientIP' | 'None';
  sessionAffinityConfig?: SessionAffinityConfig;
  trafficDistribution?: string;
  type?: 'ClusterIP' | 'ExternalName' | 'LoadBalancer' | 'NodePort';
};

export const ServiceStatus = struct('io.k8s.api.core.v1.ServiceStatus', () => ({
  conditions: optional(2, list(Condition), { listType: 'map', listMapKeys: ['type'], patchMergeKey: 'type', patchStrategy: 'merge' }),
  loadBalancer: optional(1, LoadBalancerStatus, { always: true }),
}));
export type ServiceStatus = {
  conditions?: Condition[];
  loadBalancer?: LoadBalancerStatus;
};

export const SessionAffinityConfig = struct('io.k8s.api.core.v1.SessionAffinityConfig', () => ({
  clientIP: optional(1, ClientIPConfig),
}));
export type SessionAffinityConfig = {
  clientIP?: ClientIPConfig;
};

export const SleepAction = struct('io.k8s.api.core.v1.SleepAction', () => ({
  seconds: required(1, int64),
}));
export type SleepAction = {
  seconds: number;
};

export const StorageOSPersistentVolumeSource = struct('io.k8s.api.core.v1.StorageOSPersistentVolumeSource', () => ({
  fsType: optional(3, string),
  readOnly: optional(4, boolean),
  secretRef: optional(5, ObjectReference),
  volumeName: optional(1, string),
  volumeNamespace: optional(2, string),
}));
export type StorageOSPersistentVolumeSource = {
  fsType?: string;
  readOnly?: boolean;
  secretRef?: ObjectReference;
  volumeName?: string;
  volumeNamespace?: string;
};

export const StorageOSVolumeSource = struct('io.k8s.api.core.v1.StorageOSVolumeSource', () => ({
  fsType: optional(3, string),
  readOnly: optional(4, boolean),
  secretRef: optional(5, LocalObjectReference),
  volumeName: optional(1, string),
  volumeNamespace: optional(2, string),
}));
export type StorageOSVolumeSource = {
  fsType?: string;
  readOnly?: boolean;
  secretRef?: LocalObjectReference;
  volumeName?: string;
  volumeNamespace?: string;
};

export const Sysctl = struct('io.k8s.api.core.v1.Sysctl', () => ({
  name: required(1, string),
  value: required(2, string),
}));
export type Sysctl = {
  name: string;
  value: string;
};

export const TCPSocketAction = struct('io.k8s.api.core.v1.TCPSocketAction', () => ({
  port: required(1, intOrString),
  host: optional(2, string),
}));
export type TCPSocketAction = {
  port: number | string;
  host?: string;
};

export const Taint = struct('io.k8s.api.core.v1.Taint', () => ({
  effect: required(3, oneOf('NoExecute', 'NoSchedule', 'PreferNoSchedule'), { goType: 'v1.TaintEffect' }),
  key: required(1, string),
  timeAdded: optional(4, time),
  value: optional(2, string),
}));
export type Taint = {
  effect: 'NoExecute' | 'NoSchedule' | 'PreferNoSchedule';
  key: string;
  timeAdded?: string;
  value?: string;
};

export const Toleration = struct('io.k8s.api.core.v1.Toleration', () => ({
  effect: optional(4, oneOf('NoExecute', 'NoSchedule', 'PreferNoSchedule'), { supported: ['NoSchedule', 'PreferNoSchedule', 'NoExecute'], goType: 'v1.TaintEffect' }),
  key: optional(1, labelKey),
  operator: optional(2, oneOf('Equal', 'Exists', 'Gt', 'Lt'), { supported: ['Equal', 'Exists'], goType: 'v1.TolerationOperator' }),
  tolerationSeconds: optional(5, int64, { pointer: true }),
  value: optional(3, string),
}));
export type Toleration = {
  effect?: 'NoExecute' | 'NoSchedule' | 'PreferNoSchedule';
  key?: string;
  operator?: 'Equal' | 'Exists' | 'Gt' | 'Lt';
  tolerationSeconds?: number;
  value?: string;
};

export const TopologySelectorLabelRequirement = struct('io.k8s.api.core.v1.TopologySelectorLabelRequirement', () => ({
  key: required(1, string),
  values: required(2, list(string), { listType: 'atomic' }),
}));
export type TopologySelectorLabelRequirement = {
  key: string;
  values: string[];
};

export const TopologySelectorTerm = struct('io.k8s.api.core.v1.TopologySelectorTerm', () => ({
  matchLabelExpressions: optional(1, list(TopologySelectorLabelRequirement), { listType: 'atomic' }),
}), { mapType: 'atomic' });
export type TopologySelectorTerm = {
  matchLabelExpressions?: TopologySelectorLabelRequirement[];
};

export const TopologySpreadConstraint = struct('io.k8s.api.core.v1.TopologySpreadConstraint', () => ({
  maxSkew: required(1, int32),
  topologyKey: required(2, string),
  whenUnsatisfiable: required(3, oneOf('DoNotSchedule', 'ScheduleAnyway'), { supported: ['DoNotSchedule', 'ScheduleAnyway'], goType: 'v1.UnsatisfiableConstraintAction' }),
  labelSelector: optional(4, LabelSelector),
  matchLabelKeys: optional(8, list(string), { listType: 'atomic' }),
  minDomains: optional(5, int32, { pointer: true }),
  nodeAffinityPolicy: optional(6, oneOf('Honor', 'Ignore'), { pointer: true, supported: ['Honor', 'Ignore'], goType: 'v1.NodeInclusionPolicy' }),
  nodeTaintsPolicy: optional(7, oneOf('Honor', 'Ignore'), { pointer: true, supported: ['Honor', 'Ignore'], goType: 'v1.NodeInclusionPolicy' }),
}));
export type TopologySpreadConstraint = {
  maxSkew: number;
  topologyKey: string;
  whenUnsatisfiable: 'DoNotSchedule' | 'ScheduleAnyway';
  labelSelector?: LabelSelector;
  matchLabelKeys?: string[];
  minDomains?: number;
  nodeAffinityPolicy?: 'Honor' | 'Ignore';
  nodeTaintsPolicy?: 'Honor' | 'Ignore';
};

export const TypedLocalObjectReference = struct('io.k8s.api.core.v1.TypedLocalObjectReference', () => ({
  kind: required(2, string),
  name: required(3, string),
  apiGroup: optional(1, string, { pointer: true, nullable: true }),
}), { mapType: 'atomic' });
export type TypedLocalObjectReference = {
  kind: string;
  name: string;
  apiGroup?: string | null;
};

export const TypedObjectReference = struct('io.k8s.api.core.v1.TypedObjectReference', () => ({
  kind: required(2, string),
  name: required(3, string),
  apiGroup: optional(1, string, { pointer: true, nullable: true }),
  namespace: optional(4, string, { pointer: true }),
}));
export type TypedObjectReference = {
  kind: string;
  name: string;
  apiGroup?: string | null;
  namespace?: string;
};

export const Volume = struct('io.k8s.api.core.v1.Volume', () => ({
  name: required(1, shortName, { nonEmpty: true }),
  awsElasticBlockStore: optional([2, 4], AWSElasticBlockStoreVolumeSource, { embeddedIn: 'VolumeSource' }),
  azureDisk: optional([2, 22], AzureDiskVolumeSource, { embeddedIn: 'VolumeSource' }),
  azureFile: optional([2, 18], AzureFileVolumeSource, { embeddedIn: 'VolumeSource' }),
  cephfs: optional([2, 14], CephFSVolumeSource, { embeddedIn: 'VolumeSource' }),
  cinder: optional([2, 13], CinderVolumeSource, { embeddedIn: 'VolumeSource' }),
  configMap: optional([2, 19], ConfigMapVolumeSource, { embeddedIn: 'VolumeSource' }),
  csi: optional([2, 28], CSIVolumeSource, { embeddedIn: 'VolumeSource' }),
  downwardAPI: optional([2, 16], DownwardAPIVolumeSource, { embeddedIn: 'VolumeSource' }),
  emptyDir: optional([2, 2], EmptyDirVolumeSource, { embeddedIn: 'VolumeSource' }),
  ephemeral: optional([2, 29], EphemeralVolumeSource, { embeddedIn: 'VolumeSource' }),
  fc: optional([2, 17], FCVolumeSource, { embeddedIn: 'VolumeSource' }),
  flexVolume: optional([2, 12], FlexVolumeSource, { embeddedIn: 'VolumeSource' }),
  flocker: optional([2, 15], FlockerVolumeSource, { embeddedIn: 'VolumeSource' }),
  gcePersistentDisk: optional([2, 3], GCEPersistentDiskVolumeSource, { embeddedIn: 'VolumeSource' }),
  gitRepo: optional([2, 5], GitRepoVolumeSource, { embeddedIn: 'VolumeSource' }),
  glusterfs: optional([2, 9], GlusterfsVolumeSource, { embeddedIn: 'VolumeSource' }),
  hostPath: optional([2, 1], HostPathVolumeSource, { embeddedIn: 'VolumeSource' }),
  image: optional([2, 30], ImageVolumeSource, { embeddedIn: 'VolumeSource' }),
  iscsi: optional([2, 8], ISCSIVolumeSource, { embeddedIn: 'VolumeSource' }),
  nfs: optional([2, 7], NFSVolumeSource, { embeddedIn: 'VolumeSource' }),
  persistentVolumeClaim: optional([2, 10], PersistentVolumeClaimVolumeSource, { embeddedIn: 'VolumeSource' }),
  photonPersistentDisk: optional([2, 23], PhotonPersistentDiskVolumeSource, { embeddedIn: 'VolumeSource' }),
  portworxVolume: optional([2, 24], PortworxVolumeSource, { embeddedIn: 'VolumeSource' }),
  projected: optional([2, 26], ProjectedVolumeSource, { embeddedIn: 'VolumeSource' }),
  quobyte: optional([2, 21], QuobyteVolumeSource, { embeddedIn: 'VolumeSource' }),
  rbd: optional([2, 11], RBDVolumeSource, { embeddedIn: 'VolumeSource' }),
  scaleIO: optional([2, 25], ScaleIOVolumeSource, { embeddedIn: 'VolumeSource' }),
  secret: optional([2, 6], SecretVolumeSource, { embeddedIn: 'VolumeSource' }),
  storageos: optional([2, 27], StorageOSVolumeSource, { embeddedIn: 'VolumeSource' }),
  vsphereVolume: optional([2, 20], VsphereVirtualDiskVolumeSource, { embeddedIn: 'VolumeSource' }),
}));
export type Volume = {
  name: string;
  awsElasticBlockStore?: AWSElasticBlockStoreVolumeSource;
  azureDisk?: AzureDiskVolumeSource;
  azureFile?: AzureFileVolumeSource;
  cephfs?: CephFSVolumeSource;
  cinder?: CinderVolumeSource;
  configMap?: ConfigMapVolumeSource;
  csi?: CSIVolumeSource;
  downwardAPI?: DownwardAPIVolumeSource;
  emptyDir?: EmptyDirVolumeSource;
  ephemeral?: EphemeralVolumeSource;
  fc?: FCVolumeSource;
  flexVolume?: FlexVolumeSource;
  flocker?: FlockerVolumeSource;
  gcePersistentDisk?: GCEPersistentDiskVolumeSource;
  gitRepo?: GitRepoVolumeSource;
  glusterfs?: GlusterfsVolumeSource;
  hostPath?: HostPathVolumeSource;
  image?: ImageVolumeSource;
  iscsi?: ISCSIVolumeSource;
  nfs?: NFSVolumeSource;
  persistentVolumeClaim?: PersistentVolumeClaimVolumeSource;
  photonPersistentDisk?: PhotonPersistentDiskVolumeSource;
  portworxVolume?: PortworxVolumeSource;
  projected?: ProjectedVolumeSource;
  quobyte?: QuobyteVolumeSource;
  rbd?: RBDVolumeSource;
  scaleIO?: ScaleIOVolumeSource;
  secret?: SecretVolumeSource;
  storageos?: StorageOSVolumeSource;
  vsphereVolume?: VsphereVirtualDiskVolumeSource;
};

export const VolumeDevice = struct('io.k8s.api.core.v1.VolumeDevice', () => ({
  devicePath: required(2, string, { nonEmpty: true }),
  name: required(1, string, { nonEmpty: true }),
}));
export type VolumeDevice = {
  devicePath: string;
  name: string;
};

export const VolumeMount = struct('io.k8s.api.core.v1.VolumeMount', () => ({
  mountPath: required(3, string, { nonEmpty: true }),
  name: required(1, string, { nonEmpty: true }),
  mountPropagation: optional(5, oneOf('Bidirectional', 'HostToContainer', 'None'), { pointer: true, goType: 'v1.MountPropagationMode' }),
  readOnly: optional(2, boolean),
  recursiveReadOnly: optional(7, string, { pointer: true, goType: 'v1.RecursiveReadOnlyMode' }),
  subPath: optional(4, string),
  subPathExpr: optional(6, string),
}));
export type VolumeMount = {
  mountPath: string;
  name: string;
  mountPropagation?: 'Bidirectional' | 'HostToContainer' | 'None';
  readOnly?: boolean;
  recursiveReadOnly?: string;
  subPath?: string;
  subPathExpr?: string;
};

export const VolumeMountStatus = struct('io.k8s.api.core.v1.VolumeMountStatus', () => ({
  mountPath: required(2, string),
  name: required(1, string),
  readOnly: optional(3, boolean),
  recursiveReadOnly: optional(4, string, { pointer: true, goType: 'v1.RecursiveReadOnlyMode' }),
  volumeStatus: optional(5, VolumeStatus),
}));
export type VolumeMountStatus = {
  mountPath: string;
  name: string;
  readOnly?: boolean;
  recursiveReadOnly?: string;
  volumeStatus?: VolumeStatus;
};

export const VolumeNodeAffinity = struct('io.k8s.api.core.v1.VolumeNodeAffinity', () => ({
  required: optional(1, NodeSelector),
}));
export type VolumeNodeAffinity = {
  required?: NodeSelector;
};

export const VolumeProjection = struct('io.k8s.api.core.v1.VolumeProjection', () => ({
  clusterTrustBundle: optional(5, ClusterTrustBundleProjection),
  configMap: optional(3, ConfigMapProjection),
  downwardAPI: optional(2, DownwardAPIProjection),
  podCertificate: optional(6, PodCertificateProjection),
  secret: optional(1, SecretProjection),
  serviceAccountToken: optional(4, ServiceAccountTokenProjection),
}));
export type VolumeProjection = {
  clusterTrustBundle?: ClusterTrustBundleProjection;
  configMap?: ConfigMapProjection;
  downwardAPI?: DownwardAPIProjection;
  podCertificate?: PodCertificateProjection;
  secret?: SecretProjection;
  serviceAccountToken?: ServiceAccountTokenProjection;
};

export const VolumeResourceRequirements = struct('io.k8s.api.core.v1.VolumeResourceRequirements', () => ({
  limits: optional(1, mapOf(quantity)),
  requests: optional(2, mapOf(quantity)),
}));
export type VolumeResourceRequirements = {
  limits?: Record<string, string>;
  requests?: Record<string, string>;
};

export const VolumeStatus = struct('io.k8s.api.core.v1.VolumeStatus', () => ({
  image: optional(1, ImageVolumeStatus),
}));
export type VolumeStatus = {
  image?: ImageVolumeStatus;
};

export const VsphereVirtualDiskVolumeSource = struct('io.k8s.api.core.v1.VsphereVirtualDiskVolumeSource', () => ({
  volumePath: required(1, string),
  fsType: optional(2, string),
  storagePolicyID: optional(4, string),
  storagePolicyName: optional(3, string),
}));
export type VsphereVirtualDiskVolumeSource = {
  volumePath: string;
  fsType?: string;
  storagePolicyID?: string;
  storagePolicyName?: string;
};

export const WeightedPodAffinityTerm = struct('io.k8s.api.core.v1.WeightedPodAffinityTerm', () => ({
  podAffinityTerm: required(2, PodAffinityTerm),
  weight: required(1, int32),
}));
export type WeightedPodAffinityTerm = {
  podAffinityTerm: PodAffinityTerm;
  weight: number;
};

export const WindowsSecurityContextOptions = struct('io.k8s.api.core.v1.WindowsSecurityContextOptions', () => ({
  gmsaCredentialSpec: optional(2, string, { pointer: true }),
  gmsaCredentialSpecName: optional(1, string, { pointer: true }),
  hostProcess: optional(4, boolean, { pointer: true }),
  runAsUserName: optional(3, string, { pointer: true }),
}));
export type WindowsSecurityContextOptions = {
  gmsaCredentialSpec?: string;
  gmsaCredentialSpecName?: string;
  hostProcess?: boolean;
  runAsUserName?: string;
};
