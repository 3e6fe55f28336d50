/**
 * Where a pod comes from, and what follows from that. The source is a separate value: what is written on
 * the pod's object is its author's, and grants no privilege.
 */
import { CLUSTER_CRITICAL } from '../../../api/domain/system-priority.ts';
import { CONFIG_SOURCE } from '../labels.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

/** `file`: a manifest on this host, which root has put there. */
export type PodSource = 'api' | 'file';

export interface SourcedPod {
  readonly pod: Pod;
  readonly source: PodSource;
}

/**
 * Whether the agent may neither turn the pod away nor evict it: it would not come back elsewhere, or the system needs it. The
 * api-server resolves priorities.
 */
export const isCritical = ({ pod, source }: SourcedPod): boolean =>
  source === 'file' || (pod.spec?.priority ?? 0) >= CLUSTER_CRITICAL.value;

/** The pod with its source as an annotation, for tools that read the runtime. */
export const withSourceAnnotation = (pod: Pod, source: PodSource): Pod => ({
  ...pod,
  metadata: { ...pod.metadata, annotations: { ...pod.metadata?.annotations, [CONFIG_SOURCE]: source } },
});
