/** Nodes and pods for the scheduler's tests. */
import { SchedulingCache } from '../../../control-plane/scheduler/cache.ts';
import type { Cluster } from '../../../control-plane/scheduler/framework/cluster.ts';
import { decide, type Decision } from '../../../control-plane/scheduler/decide.ts';
import { NodeInfo, nodeFacts, type NodeFacts } from '../../../control-plane/scheduler/framework/node-info.ts';
import { NodeSampling } from '../../../control-plane/scheduler/framework/node-sampling.ts';
import type { Plugin } from '../../../control-plane/scheduler/framework/plugin.ts';
import { podInfo, type PendingPod, type PodInfo } from '../../../control-plane/scheduler/framework/pod-info.ts';
import { profileOf } from '../../../control-plane/scheduler/framework/profile.ts';
import { defaultPlugins } from '../../../control-plane/scheduler/plugins/index.ts';
import type { Node, Pod, PodSpec } from '../../../api/types/core/v1.gen.ts';
import type { ObjectMeta } from '../../../api/types/meta/v1.gen.ts';

export const podOf = (name: string, spec: Partial<PodSpec> = {}, metadata: Partial<ObjectMeta> = {}): Pod => ({
  metadata: { name, namespace: 'default', uid: `uid-${metadata.namespace ?? ''}${name}`, ...metadata },
  spec: { containers: [{ name: 'c', image: 'web:1' }], ...spec },
});
export const pending = (spec: Partial<PodSpec> = {}, name = 'p'): PendingPod =>
  podInfo(podOf(name, spec)) as PendingPod;
export const bound = (name: string, nodeName: string, spec: Partial<PodSpec> = {}): PodInfo =>
  podInfo(podOf(name, { ...spec, nodeName }));
export const requesting = (requests: Record<string, string>): Partial<PodSpec> => ({
  containers: [{ name: 'c', resources: { requests } }],
});

export const factsOf = (name: string, changes: Partial<Node> = {}): NodeFacts =>
  nodeFacts({
    metadata: { name, labels: { 'kubernetes.io/hostname': name }, ...changes.metadata },
    spec: changes.spec,
    status: { allocatable: { cpu: '2', memory: '4Gi', pods: '110' }, ...changes.status },
  });

export function nodeOf(name: string, changes: Partial<Node> = {}, pods: readonly Pod[] = []): NodeInfo {
  const info = new NodeInfo(factsOf(name, changes));
  for (const pod of pods) info.add(podInfo(pod));
  return info;
}

/** A cluster of these nodes with their pods. */
export function clusterOf(nodes: readonly NodeInfo[]): Cluster {
  const cache = new SchedulingCache();
  for (const node of nodes) {
    cache.setNode(node.facts);
    for (const pod of node.pods()) cache.setPod({ ...pod, nodeName: node.facts.name });
  }
  return cache;
}

/** `decide` for a cluster of these nodes; of equal ones it takes the first. */
export const decideOn = (pod: PendingPod, nodes: readonly NodeInfo[], plugins: readonly Plugin[]): Decision =>
  decide(pod, clusterOf(nodes), profileOf(plugins), new NodeSampling(), () => 0);

/** The plugin as it is by default. */
export function pluginNamed(name: string): Plugin {
  const plugin = defaultPlugins.find((known) => known.name === name);
  if (!plugin) throw new Error(`there is no plugin ${name}`);
  return plugin;
}
