/** What the scheduler keeps of a pod: a handful of numbers and the rules that decide where it may go. */
import { hostPorts, type HostPort } from '../../api/domain/host-ports.ts';
import { podRequests, type Resources } from './resources.ts';
import type { NodeSelector, Pod, PreferredSchedulingTerm, Toleration } from '../../api/types/core/v1.gen.ts';

/** A pod as far as the node that runs it is concerned. */
export interface PodInfo {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly generation: number | undefined;
  /** '' until the pod is bound. */
  readonly nodeName: string;
  readonly requests: Resources;
  readonly hostPorts: readonly HostPort[];
  /** Whether it still takes room on its node. */
  readonly terminated: boolean;
  /** There while the pod waits for a node, so that 10,000 placed pods cost little. */
  readonly pending?: PendingPod;
}

/** What decides where a pod may go. */
export interface PendingPod {
  readonly schedulerName: string;
  readonly priority: number;
  readonly gated: boolean;
  readonly deleting: boolean;
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly requiredNodes: NodeSelector | undefined;
  readonly preferredNodes: readonly PreferredSchedulingTerm[];
  readonly tolerations: readonly Toleration[];
  readonly images: readonly string[];
}

/** Projects a pod for the scheduler's informer. */
export function podInfo(pod: Pod): PodInfo {
  const { metadata, spec, status } = pod;
  if (!spec) throw new Error(`pod ${metadata?.namespace}/${metadata?.name} has no spec`);
  const affinity = spec.affinity?.nodeAffinity;
  return {
    namespace: metadata?.namespace ?? '',
    name: metadata?.name ?? '',
    uid: metadata?.uid ?? '',
    generation: metadata?.generation,
    nodeName: spec.nodeName ?? '',
    requests: podRequests(spec),
    hostPorts: hostPorts(spec),
    terminated: status?.phase === 'Succeeded' || status?.phase === 'Failed',
    pending: spec.nodeName
      ? undefined
      : {
          schedulerName: spec.schedulerName ?? 'default-scheduler',
          priority: spec.priority ?? 0,
          gated: (spec.schedulingGates ?? []).length > 0,
          deleting: metadata?.deletionTimestamp !== undefined,
          nodeSelector: spec.nodeSelector ?? {},
          requiredNodes: affinity?.requiredDuringSchedulingIgnoredDuringExecution,
          preferredNodes: affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [],
          tolerations: spec.tolerations ?? [],
          images: [...(spec.initContainers ?? []), ...spec.containers].map((container) => container.image ?? ''),
        },
  };
}
