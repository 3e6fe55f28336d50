/** The input of a pod's status. */
import type { ResizeState } from '../resize/pod-sizes.ts';
import type { AppliedSizes } from '../resize/resize-plan.ts';
import type { PodRuntime } from '../sync/observed.ts';
import type { WaitingReason } from '../sync/plan.ts';
import type { Pod, PodStatus, ResourceStatus } from '../../../api/types/core/v1.gen.ts';

/** Why the agent itself terminated the pod: evicted, past its deadline, not admitted. */
export interface Verdict {
  readonly reason: string;
  readonly message: string;
  /** A disruption, not a failure of the pod: its controller may replace it (the condition DisruptionTarget). */
  readonly disrupts?: boolean;
  /** No container of the pod was ever started. */
  readonly rejects?: boolean;
}

export interface StatusInput {
  readonly pod: Pod;
  readonly runtime: PodRuntime;
  /** The last reported status, or the API's. */
  readonly previous: PodStatus | undefined;
  /** Why containers wait, by name: back-off, image pulls, configuration. */
  readonly waiting: ReadonlyMap<string, WaitingReason>;
  /** By container id: whether the startup probe has passed, and the readiness probe. */
  readonly started: ReadonlySet<string>;
  readonly ready: ReadonlySet<string>;
  readonly hostIPs: readonly string[];
  readonly verdict?: Verdict;
  /** The pod terminates: its containers are not restarted. */
  readonly isEnding: boolean;
  /** Drivers may have prepared devices for it, which the cluster would give to others when it has ended. */
  readonly holdsDevices: boolean;
  /** What containers run with, where that may not be what the spec says. */
  readonly applied?: AppliedSizes;
  readonly resize?: ResizeState;
  /** The `allocatedResourcesStatus` of containers, by their names. */
  readonly devices?: ReadonlyMap<string, ResourceStatus[]>;
}
