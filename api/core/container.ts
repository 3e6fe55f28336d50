import {
  always,
  atomic,
  boolean,
  int32,
  mapList,
  mapOf,
  merged,
  oneOf,
  pointer,
  quantity,
  setOf,
  string,
  struct,
  type Static,
} from '../machinery/schema.ts';
import { Lifecycle, Probe } from './probe.ts';
import { ObjectFieldSelector, ResourceFieldSelector } from './references.ts';
import { SecurityContext } from './security-context.ts';

export const ConfigMapKeySelector = struct(
  'io.k8s.api.core.v1.ConfigMapKeySelector',
  {
    key: string(),
  },
  {
    name: string(),
    optional: pointer(boolean()),
  },
  { mapType: 'atomic' },
);
export type ConfigMapKeySelector = Static<typeof ConfigMapKeySelector>;

export const FileKeySelector = struct(
  'io.k8s.api.core.v1.FileKeySelector',
  {
    key: string(),
    path: string(),
    volumeName: string(),
  },
  {
    optional: pointer(boolean()),
  },
  { mapType: 'atomic' },
);
export type FileKeySelector = Static<typeof FileKeySelector>;

export const SecretKeySelector = struct(
  'io.k8s.api.core.v1.SecretKeySelector',
  {
    key: string(),
  },
  {
    name: string(),
    optional: pointer(boolean()),
  },
  { mapType: 'atomic' },
);
export type SecretKeySelector = Static<typeof SecretKeySelector>;

export const EnvVarSource = struct(
  'io.k8s.api.core.v1.EnvVarSource',
  {},
  {
    configMapKeyRef: ConfigMapKeySelector,
    fieldRef: ObjectFieldSelector,
    fileKeyRef: FileKeySelector,
    resourceFieldRef: ResourceFieldSelector,
    secretKeyRef: SecretKeySelector,
  },
);
export type EnvVarSource = Static<typeof EnvVarSource>;

export const EnvVar = struct(
  'io.k8s.api.core.v1.EnvVar',
  {
    name: string(),
  },
  {
    value: string(),
    valueFrom: EnvVarSource,
  },
);
export type EnvVar = Static<typeof EnvVar>;

export const ConfigMapEnvSource = struct(
  'io.k8s.api.core.v1.ConfigMapEnvSource',
  {},
  {
    name: string(),
    optional: pointer(boolean()),
  },
);
export type ConfigMapEnvSource = Static<typeof ConfigMapEnvSource>;

export const SecretEnvSource = struct(
  'io.k8s.api.core.v1.SecretEnvSource',
  {},
  {
    name: string(),
    optional: pointer(boolean()),
  },
);
export type SecretEnvSource = Static<typeof SecretEnvSource>;

export const EnvFromSource = struct(
  'io.k8s.api.core.v1.EnvFromSource',
  {},
  {
    configMapRef: ConfigMapEnvSource,
    prefix: string(),
    secretRef: SecretEnvSource,
  },
);
export type EnvFromSource = Static<typeof EnvFromSource>;

export const ContainerPort = struct(
  'io.k8s.api.core.v1.ContainerPort',
  {
    containerPort: int32(),
  },
  {
    hostIP: string(),
    hostPort: int32(),
    name: string(),
    protocol: oneOf('SCTP', 'TCP', 'UDP'),
  },
);
export type ContainerPort = Static<typeof ContainerPort>;

export const ContainerResizePolicy = struct(
  'io.k8s.api.core.v1.ContainerResizePolicy',
  {
    resourceName: string(),
    restartPolicy: string(),
  },
  {},
);
export type ContainerResizePolicy = Static<typeof ContainerResizePolicy>;

export const ResourceClaim = struct(
  'io.k8s.api.core.v1.ResourceClaim',
  {
    name: string(),
  },
  {
    request: string(),
  },
);
export type ResourceClaim = Static<typeof ResourceClaim>;

export const ResourceRequirements = struct(
  'io.k8s.api.core.v1.ResourceRequirements',
  {},
  {
    claims: mapList(ResourceClaim, ['name']),
    limits: mapOf(quantity()),
    requests: mapOf(quantity()),
  },
);
export type ResourceRequirements = Static<typeof ResourceRequirements>;

export const ContainerRestartRuleOnExitCodes = struct(
  'io.k8s.api.core.v1.ContainerRestartRuleOnExitCodes',
  {
    operator: string(),
  },
  {
    values: setOf(int32()),
  },
);
export type ContainerRestartRuleOnExitCodes = Static<typeof ContainerRestartRuleOnExitCodes>;

export const ContainerRestartRule = struct(
  'io.k8s.api.core.v1.ContainerRestartRule',
  {
    action: string(),
  },
  {
    exitCodes: ContainerRestartRuleOnExitCodes,
  },
);
export type ContainerRestartRule = Static<typeof ContainerRestartRule>;

export const VolumeDevice = struct(
  'io.k8s.api.core.v1.VolumeDevice',
  {
    devicePath: string(),
    name: string(),
  },
  {},
);
export type VolumeDevice = Static<typeof VolumeDevice>;

export const VolumeMount = struct(
  'io.k8s.api.core.v1.VolumeMount',
  {
    mountPath: string(),
    name: string(),
  },
  {
    mountPropagation: oneOf('Bidirectional', 'HostToContainer', 'None'),
    readOnly: boolean(),
    recursiveReadOnly: string(),
    subPath: string(),
    subPathExpr: string(),
  },
);
export type VolumeMount = Static<typeof VolumeMount>;

/** What containers of every kind have; only ephemeral ones have more. */
const containerFields = {
  args: atomic(string()),
  command: atomic(string()),
  env: merged(EnvVar, 'name'),
  envFrom: atomic(EnvFromSource),
  image: string(),
  imagePullPolicy: oneOf('Always', 'IfNotPresent', 'Never'),
  lifecycle: Lifecycle,
  livenessProbe: Probe,
  ports: mapList(ContainerPort, ['containerPort', 'protocol'], {
    patchMergeKey: 'containerPort',
    patchStrategy: 'merge',
  }),
  readinessProbe: Probe,
  resizePolicy: atomic(ContainerResizePolicy),
  resources: always(ResourceRequirements),
  restartPolicy: pointer(string()),
  restartPolicyRules: atomic(ContainerRestartRule),
  securityContext: SecurityContext,
  startupProbe: Probe,
  stdin: boolean(),
  stdinOnce: boolean(),
  terminationMessagePath: string(),
  terminationMessagePolicy: oneOf('FallbackToLogsOnError', 'File'),
  tty: boolean(),
  volumeDevices: merged(VolumeDevice, 'devicePath'),
  volumeMounts: merged(VolumeMount, 'mountPath'),
  workingDir: string(),
};

export const Container = struct(
  'io.k8s.api.core.v1.Container',
  {
    name: string(),
  },
  containerFields,
);
export type Container = Static<typeof Container>;

export const EphemeralContainer = struct(
  'io.k8s.api.core.v1.EphemeralContainer',
  {
    name: string(),
  },
  { ...containerFields, targetContainerName: string() },
);
export type EphemeralContainer = Static<typeof EphemeralContainer>;
