/** What pod workers report to metrics. */
import type { Pod } from '../../../api/types/core/v1.gen.ts';

export type PodOperation = 'create' | 'sync' | 'terminating';
export type ProbeOutcome = 'successful' | 'failed' | 'unknown';

export interface PodMetrics {
  /** A pod runs for the first time; seconds since it was first seen. */
  started(seconds: number): void;
  /** A worker has executed a plan. */
  worked(operation: PodOperation, seconds: number): void;
  probed(pod: Pod, container: string, probe: 'Liveness' | 'Readiness' | 'Startup', outcome: ProbeOutcome): void;
  /** Sandboxes and containers have been listed, all of them. */
  relisted(seconds: number): void;
  /** The pod has been removed. */
  forgotten(podUid: string): void;
}
