/** Where a pod could be scheduled if others were removed, and which of these nodes is the best one. */
import type { PodInfo } from './pod-info.ts';

/** A node that would take the pod if these pods were not there. */
export interface PreemptionCandidate {
  readonly nodeName: string;
  /** The most important first. */
  readonly victims: readonly PodInfo[];
  /** How many of them a PodDisruptionBudget protects. */
  readonly violations: number;
}

/** The pod that is less welcome to go comes first: the one of higher priority, then the one that has run longer. */
export const byImportance = (one: PodInfo, other: PodInfo): number =>
  other.priority - one.priority || startedAt(one) - startedAt(other);

/** ms since the epoch; a pod that has not started is as one that starts now. */
const startedAt = ({ startTime }: PodInfo): number => (startTime === undefined ? Infinity : Date.parse(startTime));

/** What counts against a candidate, the weightiest first: upstream's `pickOneNodeForPreemption`. */
const COSTS: readonly ((candidate: PreemptionCandidate) => number)[] = [
  ({ violations }) => violations,
  ({ victims: [first] }) => first?.priority ?? 0,
  ({ victims }) => victims.reduce((sum, { priority }) => sum + priority + PRIORITY_OFFSET, 0),
  ({ victims }) => victims.length,
  ({ victims }) => -earliestStart(victims),
];
/** Makes priorities positive, so that a node with few victims of negative priority is preferred to one with many. */
const PRIORITY_OFFSET = 2 ** 31;

function earliestStart(victims: readonly PodInfo[]): number {
  const highest = victims[0]?.priority;
  return Math.min(...victims.filter(({ priority }) => priority === highest).map(startedAt));
}

/** The candidate whose removal of pods does least harm; undefined when there is none. */
export function leastHarmful(candidates: readonly PreemptionCandidate[]): PreemptionCandidate | undefined {
  let left = candidates;
  for (const cost of COSTS) {
    if (left.length <= 1) break;
    const costs = left.map(cost);
    const lowest = Math.min(...costs);
    left = left.filter((_, index) => costs[index] === lowest);
  }
  return left[0];
}
