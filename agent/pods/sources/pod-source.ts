/**
 * Where a pod comes from, and what follows from that. The source is a separate value: what is written on
 * the pod's object is its author's, and grants no privilege.
 */
import { CONFIG_SOURCE } from '../labels.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

/** `file`: a manifest on this host, which root has put there. */
export type PodSource = 'api' | 'file';

export interface SourcedPod {
  readonly pod: Pod;
  readonly source: PodSource;
}

/** From here on a pod is critical to the system: the value of `system-cluster-critical`. The api-server resolves priorities. */
const SYSTEM_CRITICAL_PRIORITY = 2_000_000_000;

/** Whether the agent may neither turn the pod away nor evict it: it would not come back elsewhere, or the node needs it. */
export const isCritical = ({ pod, source }: SourcedPod): boolean =>
  source === 'file' || (pod.spec?.priority ?? 0) >= SYSTEM_CRITICAL_PRIORITY;

/** The pod with its source as an annotation, for tools that read the runtime. */
export const withSourceAnnotation = (pod: Pod, source: PodSource): Pod => ({
  ...pod,
  metadata: { ...pod.metadata, annotations: { ...pod.metadata?.annotations, [CONFIG_SOURCE]: source } },
});
