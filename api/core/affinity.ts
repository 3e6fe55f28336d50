import { atomic, int32, int64, oneOf, pointer, string, struct, time, type Static } from '../machinery/schema.ts';
import { LabelSelector } from '../meta/label-selector.ts';

export const NodeSelectorRequirement = struct(
  'io.k8s.api.core.v1.NodeSelectorRequirement',
  {
    key: string(),
    operator: oneOf('DoesNotExist', 'Exists', 'Gt', 'In', 'Lt', 'NotIn'),
  },
  {
    values: atomic(string()),
  },
);
export type NodeSelectorRequirement = Static<typeof NodeSelectorRequirement>;

export const NodeSelectorTerm = struct(
  'io.k8s.api.core.v1.NodeSelectorTerm',
  {},
  {
    matchExpressions: atomic(NodeSelectorRequirement),
    matchFields: atomic(NodeSelectorRequirement),
  },
  { mapType: 'atomic' },
);
export type NodeSelectorTerm = Static<typeof NodeSelectorTerm>;

export const PreferredSchedulingTerm = struct(
  'io.k8s.api.core.v1.PreferredSchedulingTerm',
  {
    preference: NodeSelectorTerm,
    weight: int32(),
  },
  {},
);
export type PreferredSchedulingTerm = Static<typeof PreferredSchedulingTerm>;

export const NodeSelector = struct(
  'io.k8s.api.core.v1.NodeSelector',
  {
    nodeSelectorTerms: atomic(NodeSelectorTerm),
  },
  {},
  { mapType: 'atomic' },
);
export type NodeSelector = Static<typeof NodeSelector>;

export const NodeAffinity = struct(
  'io.k8s.api.core.v1.NodeAffinity',
  {},
  {
    preferredDuringSchedulingIgnoredDuringExecution: atomic(PreferredSchedulingTerm),
    requiredDuringSchedulingIgnoredDuringExecution: NodeSelector,
  },
);
export type NodeAffinity = Static<typeof NodeAffinity>;

export const PodAffinityTerm = struct(
  'io.k8s.api.core.v1.PodAffinityTerm',
  {
    topologyKey: string(),
  },
  {
    labelSelector: LabelSelector,
    matchLabelKeys: atomic(string()),
    mismatchLabelKeys: atomic(string()),
    namespaceSelector: LabelSelector,
    namespaces: atomic(string()),
  },
);
export type PodAffinityTerm = Static<typeof PodAffinityTerm>;

export const WeightedPodAffinityTerm = struct(
  'io.k8s.api.core.v1.WeightedPodAffinityTerm',
  {
    podAffinityTerm: PodAffinityTerm,
    weight: int32(),
  },
  {},
);
export type WeightedPodAffinityTerm = Static<typeof WeightedPodAffinityTerm>;

export const PodAffinity = struct(
  'io.k8s.api.core.v1.PodAffinity',
  {},
  {
    preferredDuringSchedulingIgnoredDuringExecution: atomic(WeightedPodAffinityTerm),
    requiredDuringSchedulingIgnoredDuringExecution: atomic(PodAffinityTerm),
  },
);
export type PodAffinity = Static<typeof PodAffinity>;

export const PodAntiAffinity = struct(
  'io.k8s.api.core.v1.PodAntiAffinity',
  {},
  {
    preferredDuringSchedulingIgnoredDuringExecution: atomic(WeightedPodAffinityTerm),
    requiredDuringSchedulingIgnoredDuringExecution: atomic(PodAffinityTerm),
  },
);
export type PodAntiAffinity = Static<typeof PodAntiAffinity>;

export const Affinity = struct(
  'io.k8s.api.core.v1.Affinity',
  {},
  {
    nodeAffinity: NodeAffinity,
    podAffinity: PodAffinity,
    podAntiAffinity: PodAntiAffinity,
  },
);
export type Affinity = Static<typeof Affinity>;

export const Toleration = struct(
  'io.k8s.api.core.v1.Toleration',
  {},
  {
    effect: oneOf('NoExecute', 'NoSchedule', 'PreferNoSchedule'),
    key: string(),
    operator: oneOf('Equal', 'Exists', 'Gt', 'Lt'),
    tolerationSeconds: pointer(int64()),
    value: string(),
  },
);
export type Toleration = Static<typeof Toleration>;

export const TopologySpreadConstraint = struct(
  'io.k8s.api.core.v1.TopologySpreadConstraint',
  {
    maxSkew: int32(),
    topologyKey: string(),
    whenUnsatisfiable: oneOf('DoNotSchedule', 'ScheduleAnyway'),
  },
  {
    labelSelector: LabelSelector,
    matchLabelKeys: atomic(string()),
    minDomains: pointer(int32()),
    nodeAffinityPolicy: oneOf('Honor', 'Ignore'),
    nodeTaintsPolicy: oneOf('Honor', 'Ignore'),
  },
);
export type TopologySpreadConstraint = Static<typeof TopologySpreadConstraint>;

export const Taint = struct(
  'io.k8s.api.core.v1.Taint',
  {
    effect: oneOf('NoExecute', 'NoSchedule', 'PreferNoSchedule'),
    key: string(),
  },
  {
    timeAdded: time(),
    value: string(),
  },
);
export type Taint = Static<typeof Taint>;
