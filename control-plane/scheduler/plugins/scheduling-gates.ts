import type { PluginOf } from '../framework/plugin.ts';
import { unresolvable } from '../framework/rejection.ts';

/**
 * Holds a pod back while its spec has scheduling gates (KEP-3521). No event helps: the queue looks again when the pod changes.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/pod-scheduling-readiness/
 */
export const schedulingGates: PluginOf = {
  name: 'SchedulingGates',
  preEnqueue: ({ pending: { gates } }) =>
    gates.length > 0 ? unresolvable(`waiting for scheduling gates: [${gates.join(' ')}]`) : undefined,
};
