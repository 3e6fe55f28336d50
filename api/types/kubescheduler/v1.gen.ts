// Generated from api/types/facts.txt by `npm run generate`.
import { boolean, bytes, double, duration, int32, int64, list, namedObject, optional, required, string, struct } from '../../machinery/schema.ts';
import { NodeAffinity, TopologySpreadConstraint } from '../core/v1.gen.ts';

export const ClientConnectionConfiguration = struct('io.k8s.kube-scheduler.kubescheduler.v1.ClientConnectionConfiguration', () => ({
  acceptContentTypes: optional(undefined, string),
  burst: optional(undefined, int32),
  contentType: optional(undefined, string),
  kubeconfig: optional(undefined, string),
  qps: optional(undefined, double),
}));
export type ClientConnectionConfiguration = {
  acceptContentTypes?: string;
  burst?: number;
  contentType?: string;
  kubeconfig?: string;
  qps?: number;
};

export const DefaultPreemptionArgs = struct('io.k8s.kube-scheduler.kubescheduler.v1.DefaultPreemptionArgs', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  minCandidateNodesAbsolute: optional(undefined, int32, { pointer: true }),
  minCandidateNodesPercentage: optional(undefined, int32, { pointer: true }),
}));
export type DefaultPreemptionArgs = {
  apiVersion?: string;
  kind?: string;
  minCandidateNodesAbsolute?: number;
  minCandidateNodesPercentage?: number;
};

export const Extender = struct('io.k8s.kube-scheduler.kubescheduler.v1.Extender', () => ({
  urlPrefix: required(undefined, string),
  bindVerb: optional(undefined, string),
  enableHTTPS: optional(undefined, boolean),
  filterVerb: optional(undefined, string),
  httpTimeout: optional(undefined, duration),
  ignorable: optional(undefined, boolean),
  managedResources: optional(undefined, list(ExtenderManagedResource)),
  nodeCacheCapable: optional(undefined, boolean),
  preemptVerb: optional(undefined, string),
  prioritizeVerb: optional(undefined, string),
  tlsConfig: optional(undefined, ExtenderTLSConfig),
  weight: optional(undefined, int64),
}));
export type Extender = {
  urlPrefix: string;
  bindVerb?: string;
  enableHTTPS?: boolean;
  filterVerb?: string;
  httpTimeout?: string;
  ignorable?: boolean;
  managedResources?: ExtenderManagedResource[];
  nodeCacheCapable?: boolean;
  preemptVerb?: string;
  prioritizeVerb?: string;
  tlsConfig?: ExtenderTLSConfig;
  weight?: number;
};

export const ExtenderManagedResource = struct('io.k8s.kube-scheduler.kubescheduler.v1.ExtenderManagedResource', () => ({
  name: required(undefined, string),
  ignoredByScheduler: optional(undefined, boolean),
}));
export type ExtenderManagedResource = {
  name: string;
  ignoredByScheduler?: boolean;
};

export const ExtenderTLSConfig = struct('io.k8s.kube-scheduler.kubescheduler.v1.ExtenderTLSConfig', () => ({
  caData: optional(undefined, bytes),
  caFile: optional(undefined, string),
  certData: optional(undefined, bytes),
  certFile: optional(undefined, string),
  insecure: optional(undefined, boolean),
  keyData: optional(undefined, bytes),
  keyFile: optional(undefined, string),
  serverName: optional(undefined, string),
}));
export type ExtenderTLSConfig = {
  caData?: string;
  caFile?: string;
  certData?: string;
  certFile?: string;
  insecure?: boolean;
  keyData?: string;
  keyFile?: string;
  serverName?: string;
};

export const InterPodAffinityArgs = struct('io.k8s.kube-scheduler.kubescheduler.v1.InterPodAffinityArgs', () => ({
  apiVersion: optional(undefined, string),
  hardPodAffinityWeight: optional(undefined, int32, { pointer: true }),
  ignorePreferredTermsOfExistingPods: optional(undefined, boolean),
  kind: optional(undefined, string),
}));
export type InterPodAffinityArgs = {
  apiVersion?: string;
  hardPodAffinityWeight?: number;
  ignorePreferredTermsOfExistingPods?: boolean;
  kind?: string;
};

export const KubeSchedulerConfiguration = struct('io.k8s.kube-scheduler.kubescheduler.v1.KubeSchedulerConfiguration', () => ({
  apiVersion: optional(undefined, string),
  clientConnection: optional(undefined, ClientConnectionConfiguration),
  delayCacheUntilActive: optional(undefined, boolean),
  enableContentionProfiling: optional(undefined, boolean, { pointer: true }),
  enableProfiling: optional(undefined, boolean, { pointer: true }),
  extenders: optional(undefined, list(Extender)),
  kind: optional(undefined, string),
  leaderElection: optional(undefined, LeaderElectionConfiguration),
  parallelism: optional(undefined, int32, { pointer: true }),
  percentageOfNodesToScore: optional(undefined, int32, { pointer: true }),
  podInitialBackoffSeconds: optional(undefined, int64, { pointer: true }),
  podMaxBackoffSeconds: optional(undefined, int64, { pointer: true }),
  profiles: optional(undefined, list(KubeSchedulerProfile)),
}));
export type KubeSchedulerConfiguration = {
  apiVersion?: string;
  clientConnection?: ClientConnectionConfiguration;
  delayCacheUntilActive?: boolean;
  enableContentionProfiling?: boolean;
  enableProfiling?: boolean;
  extenders?: Extender[];
  kind?: string;
  leaderElection?: LeaderElectionConfiguration;
  parallelism?: number;
  percentageOfNodesToScore?: number;
  podInitialBackoffSeconds?: number;
  podMaxBackoffSeconds?: number;
  profiles?: KubeSchedulerProfile[];
};

export const KubeSchedulerProfile = struct('io.k8s.kube-scheduler.kubescheduler.v1.KubeSchedulerProfile', () => ({
  percentageOfNodesToScore: optional(undefined, int32, { pointer: true }),
  pluginConfig: optional(undefined, list(PluginConfig)),
  plugins: optional(undefined, Plugins),
  schedulerName: optional(undefined, string, { pointer: true }),
}));
export type KubeSchedulerProfile = {
  percentageOfNodesToScore?: number;
  pluginConfig?: PluginConfig[];
  plugins?: Plugins;
  schedulerName?: string;
};

export const LeaderElectionConfiguration = struct('io.k8s.kube-scheduler.kubescheduler.v1.LeaderElectionConfiguration', () => ({
  leaderElect: optional(undefined, boolean, { pointer: true }),
  leaseDuration: optional(undefined, duration),
  renewDeadline: optional(undefined, duration),
  resourceLock: optional(undefined, string),
  resourceName: optional(undefined, string),
  resourceNamespace: optional(undefined, string),
  retryPeriod: optional(undefined, duration),
}));
export type LeaderElectionConfiguration = {
  leaderElect?: boolean;
  leaseDuration?: string;
  renewDeadline?: string;
  resourceLock?: string;
  resourceName?: string;
  resourceNamespace?: string;
  retryPeriod?: string;
};

export const NodeAffinityArgs = struct('io.k8s.kube-scheduler.kubescheduler.v1.NodeAffinityArgs', () => ({
  addedAffinity: optional(undefined, NodeAffinity),
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
}));
export type NodeAffinityArgs = {
  addedAffinity?: NodeAffinity;
  apiVersion?: string;
  kind?: string;
};

export const NodeResourcesBalancedAllocationArgs = struct('io.k8s.kube-scheduler.kubescheduler.v1.NodeResourcesBalancedAllocationArgs', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  resources: optional(undefined, list(ResourceSpec)),
}));
export type NodeResourcesBalancedAllocationArgs = {
  apiVersion?: string;
  kind?: string;
  resources?: ResourceSpec[];
};

export const NodeResourcesFitArgs = struct('io.k8s.kube-scheduler.kubescheduler.v1.NodeResourcesFitArgs', () => ({
  apiVersion: optional(undefined, string),
  ignoredResourceGroups: optional(undefined, list(string)),
  ignoredResources: optional(undefined, list(string)),
  kind: optional(undefined, string),
  scoringStrategy: optional(undefined, ScoringStrategy),
}));
export type NodeResourcesFitArgs = {
  apiVersion?: string;
  ignoredResourceGroups?: string[];
  ignoredResources?: string[];
  kind?: string;
  scoringStrategy?: ScoringStrategy;
};

export const Plugin = struct('io.k8s.kube-scheduler.kubescheduler.v1.Plugin', () => ({
  name: required(undefined, string),
  weight: optional(undefined, int32, { pointer: true }),
}));
export type Plugin = {
  name: string;
  weight?: number;
};

export const PluginConfig = struct('io.k8s.kube-scheduler.kubescheduler.v1.PluginConfig', () => ({
  name: required(undefined, string),
  args: optional(undefined, namedObject('io.k8s.kube-scheduler.kubescheduler.v1.PluginArgs')),
}));
export type PluginConfig = {
  name: string;
  args?: Record<string, unknown>;
};

export const PluginSet = struct('io.k8s.kube-scheduler.kubescheduler.v1.PluginSet', () => ({
  disabled: optional(undefined, list(Plugin)),
  enabled: optional(undefined, list(Plugin)),
}));
export type PluginSet = {
  disabled?: Plugin[];
  enabled?: Plugin[];
};

export const Plugins = struct('io.k8s.kube-scheduler.kubescheduler.v1.Plugins', () => ({
  bind: optional(undefined, PluginSet),
  filter: optional(undefined, PluginSet),
  multiPoint: optional(undefined, PluginSet),
  permit: optional(undefined, PluginSet),
  postBind: optional(undefined, PluginSet),
  postFilter: optional(undefined, PluginSet),
  preBind: optional(undefined, PluginSet),
  preEnqueue: optional(undefined, PluginSet),
  preFilter: optional(undefined, PluginSet),
  preScore: optional(undefined, PluginSet),
  queueSort: optional(undefined, PluginSet),
  reserve: optional(undefined, PluginSet),
  score: optional(undefined, PluginSet),
}));
export type Plugins = {
  bind?: PluginSet;
  filter?: PluginSet;
  multiPoint?: PluginSet;
  permit?: PluginSet;
  postBind?: PluginSet;
  postFilter?: PluginSet;
  preBind?: PluginSet;
  preEnqueue?: PluginSet;
  preFilter?: PluginSet;
  preScore?: PluginSet;
  queueSort?: PluginSet;
  reserve?: PluginSet;
  score?: PluginSet;
};

export const PodTopologySpreadArgs = struct('io.k8s.kube-scheduler.kubescheduler.v1.PodTopologySpreadArgs', () => ({
  apiVersion: optional(undefined, string),
  defaultConstraints: optional(undefined, list(TopologySpreadConstraint)),
  defaultingType: optional(undefined, string),
  kind: optional(undefined, string),
}));
export type PodTopologySpreadArgs = {
  apiVersion?: string;
  defaultConstraints?: TopologySpreadConstraint[];
  defaultingType?: string;
  kind?: string;
};

export const RequestedToCapacityRatioParam = struct('io.k8s.kube-scheduler.kubescheduler.v1.RequestedToCapacityRatioParam', () => ({
  shape: optional(undefined, list(UtilizationShapePoint)),
}));
export type RequestedToCapacityRatioParam = {
  shape?: UtilizationShapePoint[];
};

export const ResourceSpec = struct('io.k8s.kube-scheduler.kubescheduler.v1.ResourceSpec', () => ({
  name: required(undefined, string),
  weight: optional(undefined, int64),
}));
export type ResourceSpec = {
  name: string;
  weight?: number;
};

export const ScoringStrategy = struct('io.k8s.kube-scheduler.kubescheduler.v1.ScoringStrategy', () => ({
  requestedToCapacityRatio: optional(undefined, RequestedToCapacityRatioParam),
  resources: optional(undefined, list(ResourceSpec)),
  type: optional(undefined, string),
}));
export type ScoringStrategy = {
  requestedToCapacityRatio?: RequestedToCapacityRatioParam;
  resources?: ResourceSpec[];
  type?: string;
};

export const UtilizationShapePoint = struct('io.k8s.kube-scheduler.kubescheduler.v1.UtilizationShapePoint', () => ({
  score: required(undefined, int32),
  utilization: required(undefined, int32),
}));
export type UtilizationShapePoint = {
  score: number;
  utilization: number;
};

export const VolumeBindingArgs = struct('io.k8s.kube-scheduler.kubescheduler.v1.VolumeBindingArgs', () => ({
  apiVersion: optional(undefined, string),
  bindTimeoutSeconds: optional(undefined, int64, { pointer: true }),
  kind: optional(undefined, string),
  shape: optional(undefined, list(UtilizationShapePoint)),
}));
export type VolumeBindingArgs = {
  apiVersion?: string;
  bindTimeoutSeconds?: number;
  kind?: string;
  shape?: UtilizationShapePoint[];
};
