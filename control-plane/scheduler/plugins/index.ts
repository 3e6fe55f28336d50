/** The plugins that there are, with upstream's names and extension points, and what makes them from a profile's arguments. */
import type { ExtensionPoint } from '../framework/profile.ts';
import type { Plugin } from '../framework/plugin.ts';
import { balancedAllocationOf, type BalancedAllocationSettings } from './balanced-allocation.ts';
import { defaultPreemptionOf, type DefaultPreemptionSettings } from './default-preemption.ts';
import { dynamicResources } from './dynamic-resources.ts';
import { imageLocality } from './image-locality.ts';
import { interPodAffinityOf, type InterPodAffinitySettings } from './inter-pod-affinity.ts';
import { nodeAffinityOf, type NodeAffinitySettings } from './node-affinity.ts';
import { nodeName } from './node-name.ts';
import { nodePorts } from './node-ports.ts';
import { nodeResourcesFitOf, type NodeResourcesFitSettings } from './node-resources-fit.ts';
import { nodeUnschedulable } from './node-unschedulable.ts';
import { nodeVolumeLimits } from './node-volume-limits.ts';
import { podTopologySpreadOf, type PodTopologySpreadSettings } from './pod-topology-spread.ts';
import { schedulingGates } from './scheduling-gates.ts';
import { taintToleration } from './taint-toleration.ts';
import { volumeBindingOf, type VolumeBindingSettings } from './volume-binding.ts';
import { volumeRestrictions } from './volume-restrictions.ts';
import { volumeZone } from './volume-zone.ts';

/** The arguments of the plugins that have some, by the plugin's name. */
export interface PluginSettings {
  readonly NodeAffinity: NodeAffinitySettings;
  readonly NodeResourcesFit: NodeResourcesFitSettings;
  readonly VolumeBinding: VolumeBindingSettings;
  readonly PodTopologySpread: PodTopologySpreadSettings;
  readonly InterPodAffinity: InterPodAffinitySettings;
  readonly DefaultPreemption: DefaultPreemptionSettings;
  readonly NodeResourcesBalancedAllocation: BalancedAllocationSettings;
}

const CPU_AND_MEMORY = [
  { name: 'cpu', weight: 1 },
  { name: 'memory', weight: 1 },
];

export const defaultPluginSettings: PluginSettings = {
  NodeAffinity: {},
  NodeResourcesFit: {
    ignoredResources: [],
    ignoredResourceGroups: [],
    scoringStrategy: { type: 'LeastAllocated', resources: CPU_AND_MEMORY },
  },
  VolumeBinding: { bindTimeoutSeconds: 600, shape: undefined },
  PodTopologySpread: { defaultingType: 'System', defaultConstraints: [] },
  InterPodAffinity: { hardPodAffinityWeight: 1, ignorePreferredTermsOfExistingPods: false },
  DefaultPreemption: { minCandidateNodesPercentage: 10, minCandidateNodesAbsolute: 100 },
  NodeResourcesBalancedAllocation: { resources: CPU_AND_MEMORY },
};

interface PluginEntry {
  /** Where upstream's plugin of this name runs, and where a profile may enable or disable it. */
  readonly points: readonly ExtensionPoint[];
  /** Absent for what every scheduler does: sort the queue by priority, and bind. */
  readonly create?: (settings: PluginSettings) => Plugin;
}

const FILTER = ['preFilter', 'filter'] as const;
const SCORE = ['preScore', 'score'] as const;

/** In upstream's order, which is that in which they filter: cheap and decisive first. */
export const plugins: ReadonlyMap<string, PluginEntry> = new Map<string, PluginEntry>([
  ['SchedulingGates', { points: ['preEnqueue'], create: () => schedulingGates }],
  ['PrioritySort', { points: ['queueSort'] }],
  ['NodeUnschedulable', { points: ['filter'], create: () => nodeUnschedulable }],
  ['NodeName', { points: ['filter'], create: () => nodeName }],
  ['TaintToleration', { points: ['filter', ...SCORE], create: () => taintToleration }],
  ['NodeAffinity', { points: [...FILTER, ...SCORE], create: ({ NodeAffinity }) => nodeAffinityOf(NodeAffinity) }],
  ['NodePorts', { points: FILTER, create: () => nodePorts }],
  [
    'NodeResourcesFit',
    { points: [...FILTER, ...SCORE], create: ({ NodeResourcesFit }) => nodeResourcesFitOf(NodeResourcesFit) },
  ],
  ['VolumeRestrictions', { points: FILTER, create: () => volumeRestrictions }],
  ['NodeVolumeLimits', { points: FILTER, create: () => nodeVolumeLimits }],
  [
    'VolumeBinding',
    {
      points: [...FILTER, ...SCORE, 'reserve', 'preBind'],
      create: ({ VolumeBinding }) => volumeBindingOf(VolumeBinding),
    },
  ],
  ['VolumeZone', { points: FILTER, create: () => volumeZone }],
  [
    'PodTopologySpread',
    { points: [...FILTER, ...SCORE], create: ({ PodTopologySpread }) => podTopologySpreadOf(PodTopologySpread) },
  ],
  [
    'InterPodAffinity',
    { points: [...FILTER, ...SCORE], create: ({ InterPodAffinity }) => interPodAffinityOf(InterPodAffinity) },
  ],
  [
    'DynamicResources',
    { points: ['preEnqueue', ...FILTER, 'postFilter', ...SCORE, 'reserve', 'preBind'], create: () => dynamicResources },
  ],
  [
    'DefaultPreemption',
    { points: ['preEnqueue', 'postFilter'], create: ({ DefaultPreemption }) => defaultPreemptionOf(DefaultPreemption) },
  ],
  [
    'NodeResourcesBalancedAllocation',
    {
      points: SCORE,
      create: ({ NodeResourcesBalancedAllocation }) => balancedAllocationOf(NodeResourcesBalancedAllocation),
    },
  ],
  ['ImageLocality', { points: ['score'], create: () => imageLocality }],
  ['DefaultBinder', { points: ['bind'] }],
]);

/** Upstream's plugins that are not there: a profile may disable them. */
export const ABSENT_PLUGINS: ReadonlySet<string> = new Set([
  'GangScheduling',
  'NodeDeclaredFeatures',
  'PodGroupPodsCount',
  'TopologyPlacementGenerator',
]);

/** Those of a profile of which nothing is configured. */
export const defaultPlugins: readonly Plugin[] = [...plugins.values()].flatMap(
  ({ create }) => create?.(defaultPluginSettings) ?? [],
);
