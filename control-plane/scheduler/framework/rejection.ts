/** Why a plugin rejects a pod, and which plugin it was. */

export interface Rejection {
  /** In upstream's words: they are counted and listed in the FailedScheduling event. */
  readonly reasons: readonly string[];
  /** Removing other pods would not help, so that preemption need not be tried: upstream's UnschedulableAndUnresolvable. */
  readonly unresolvable: boolean;
}

export const unschedulable = (...reasons: string[]): Rejection => ({ reasons, unresolvable: false });
export const unresolvable = (...reasons: string[]): Rejection => ({ reasons, unresolvable: true });

/** Instead of a plugin's name: an extender has rejected the pod, of which nobody knows what helps. */
export const EXTENDER = 'Extender';

export interface PluginRejection {
  readonly plugin: string;
  readonly rejection: Rejection;
}
