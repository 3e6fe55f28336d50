import {
  always,
  atomic,
  boolean,
  field,
  int32,
  int64,
  mapList,
  mapOf,
  merged,
  oneOf,
  pointer,
  quantity,
  string,
  stringMap,
  struct,
  type Static,
} from '../machinery/schema.ts';
import { Affinity, Toleration, TopologySpreadConstraint } from './affinity.ts';
import { Container, EphemeralContainer, ResourceRequirements } from './container.ts';
import { LocalObjectReference } from './references.ts';
import { PodSecurityContext } from './security-context.ts';
import { Volume } from './volume.ts';
import { ObjectMeta } from '../meta/object-meta.ts';

export const PodDNSConfigOption = struct(
  'io.k8s.api.core.v1.PodDNSConfigOption',
  {},
  {
    name: string(),
    value: pointer(string()),
  },
);
export type PodDNSConfigOption = Static<typeof PodDNSConfigOption>;

export const PodDNSConfig = struct(
  'io.k8s.api.core.v1.PodDNSConfig',
  {},
  {
    nameservers: atomic(string()),
    options: atomic(PodDNSConfigOption),
    searches: atomic(string()),
  },
);
export type PodDNSConfig = Static<typeof PodDNSConfig>;

export const HostAlias = struct(
  'io.k8s.api.core.v1.HostAlias',
  {
    ip: string(),
  },
  {
    hostnames: atomic(string()),
  },
);
export type HostAlias = Static<typeof HostAlias>;

export const PodOS = struct(
  'io.k8s.api.core.v1.PodOS',
  {
    name: string(),
  },
  {},
);
export type PodOS = Static<typeof PodOS>;

export const PodReadinessGate = struct(
  'io.k8s.api.core.v1.PodReadinessGate',
  {
    conditionType: string(),
  },
  {},
);
export type PodReadinessGate = Static<typeof PodReadinessGate>;

export const PodResourceClaim = struct(
  'io.k8s.api.core.v1.PodResourceClaim',
  {
    name: string(),
  },
  {
    resourceClaimName: string(),
    resourceClaimTemplateName: string(),
  },
);
export type PodResourceClaim = Static<typeof PodResourceClaim>;

export const PodSchedulingGate = struct(
  'io.k8s.api.core.v1.PodSchedulingGate',
  {
    name: string(),
  },
  {},
);
export type PodSchedulingGate = Static<typeof PodSchedulingGate>;

export const PodSchedulingGroup = struct(
  'io.k8s.api.core.v1.PodSchedulingGroup',
  {},
  {
    podGroupName: string(),
  },
);
export type PodSchedulingGroup = Static<typeof PodSchedulingGroup>;

export const PodSpec = struct(
  'io.k8s.api.core.v1.PodSpec',
  {
    containers: merged(Container, 'name'),
  },
  {
    activeDeadlineSeconds: pointer(int64()),
    affinity: Affinity,
    automountServiceAccountToken: pointer(boolean()),
    dnsConfig: PodDNSConfig,
    dnsPolicy: oneOf('ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None'),
    enableServiceLinks: pointer(boolean()),
    ephemeralContainers: merged(EphemeralContainer, 'name'),
    hostAliases: merged(HostAlias, 'ip'),
    hostIPC: boolean(),
    hostNetwork: boolean(),
    hostPID: boolean(),
    hostUsers: pointer(boolean()),
    hostname: string(),
    hostnameOverride: pointer(string()),
    imagePullSecrets: merged(LocalObjectReference, 'name'),
    initContainers: merged(Container, 'name'),
    nodeName: string(),
    nodeSelector: field(stringMap(), { mapType: 'atomic' }),
    os: PodOS,
    overhead: mapOf(quantity()),
    preemptionPolicy: pointer(oneOf('Never', 'PreemptLowerPriority')),
    priority: pointer(int32()),
    priorityClassName: string(),
    readinessGates: atomic(PodReadinessGate),
    resourceClaims: mapList(PodResourceClaim, ['name'], { patchMergeKey: 'name', patchStrategy: 'merge,retainKeys' }),
    resources: ResourceRequirements,
    restartPolicy: oneOf('Always', 'Never', 'OnFailure'),
    runtimeClassName: pointer(string()),
    schedulerName: string(),
    schedulingGates: merged(PodSchedulingGate, 'name'),
    schedulingGroup: PodSchedulingGroup,
    securityContext: PodSecurityContext,
    serviceAccount: string(),
    serviceAccountName: string(),
    setHostnameAsFQDN: pointer(boolean()),
    shareProcessNamespace: pointer(boolean()),
    subdomain: string(),
    terminationGracePeriodSeconds: pointer(int64()),
    tolerations: atomic(Toleration),
    topologySpreadConstraints: mapList(TopologySpreadConstraint, ['topologyKey', 'whenUnsatisfiable'], {
      patchMergeKey: 'topologyKey',
      patchStrategy: 'merge',
    }),
    volumes: mapList(Volume, ['name'], { patchMergeKey: 'name', patchStrategy: 'merge,retainKeys' }),
  },
);
export type PodSpec = Static<typeof PodSpec>;

export const PodTemplateSpec = struct(
  'io.k8s.api.core.v1.PodTemplateSpec',
  {},
  {
    metadata: always(ObjectMeta),
    spec: always(PodSpec),
  },
);
export type PodTemplateSpec = Static<typeof PodTemplateSpec>;
