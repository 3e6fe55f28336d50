/** Nodes and pods for the scheduler's tests. */
import { NodeInfo, nodeFacts, type NodeFacts } from '../../../control-plane/scheduler/framework/node-info.ts';
import { podInfo, type PendingPod, type PodInfo } from '../../../control-plane/scheduler/framework/pod-info.ts';
import type { Node, Pod, PodSpec } from '../../../api/types/core/v1.gen.ts';

export const podOf = (name: string, spec: Partial<PodSpec> = {}): Pod => ({
  metadata: { name, namespace: 'default', uid: `uid-${name}` },
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
