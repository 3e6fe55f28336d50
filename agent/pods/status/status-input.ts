/** What the status of a pod is made of. */
import type { PodRuntime } from '../sync/observed.ts';
import type { WaitingReason } from '../sync/plan.ts';
import type { Pod, PodStatus } from '../../../api/types/core/v1.gen.ts';

/** Why the agent itself ended the pod: evicted, past its deadline, not admitted. */
export interface Verdict {
  readonly reason: string;
  readonly message: string;
  /** The pod did nothing wrong by its own spec: whoever made it may want it again elsewhere. */
  readonly disrupts?: boolean;
  /** Nothing of the pod was ever started. */
  readonly rejects?: boolean;
}

export interface StatusInput {
  readonly pod: Pod;
  readonly runtime: PodRuntime;
  /** What was published last, or what the API has. */
  readonly previous: PodStatus | undefined;
  /** Why containers wait, by name: back-off, image pulls, configuration. */
  readonly waiting: ReadonlyMap<string, WaitingReason>;
  /** By container id: whether the startup probe has passed, and the readiness probe. */
  readonly started: ReadonlySet<string>;
  readonly ready: ReadonlySet<string>;
  readonly hostIPs: readonly string[];
  readonly verdict?: Verdict;
  /** The pod is wound down: its containers do not start again. */
  readonly isEnding: boolean;
}
