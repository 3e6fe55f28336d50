/** Which pods a Job creates and deletes. Pure. Upstream: `manageJob` (pkg/controller/job/job_controller.go). */
import { backoffLeftMs, indexBackoffLeftMs } from './backoff.ts';
import { IndexSet } from './index-set.ts';
import { isTerminating, replacesFailedOnly, type JobPod, type NewPod } from './job-pods.ts';
import { judgeFailure } from './policies.ts';
import { indexOf, type Assessment, type IndexProgress } from './assess.ts';

/** The most pods that are created or deleted at once. */
const MAX_PODS = 500;

export interface PodPlan {
  /** The Job is over: these end, and count as what they end as. */
  readonly end: readonly JobPod[];
  /** More than the Job needs: they go without being counted. */
  readonly surplus: readonly JobPod[];
  readonly create: readonly NewPod[];
  /** In how many ms pods may be created that wait because others have failed; 0 when none do. */
  readonly backoffMs: number;
}

const NOTHING: PodPlan = { end: [], surplus: [], create: [], backoffMs: 0 };

/** `isCurrent`: the cache shows all pods that were created and deleted before. */
export function planPods(assessment: Assessment, isCurrent: boolean): PodPlan {
  const { job, spec, active, end } = assessment;
  if (end) return { ...NOTHING, end: active };
  if (!isCurrent || job.metadata?.deletionTimestamp) return NOTHING;
  const wanted = spec.suspend ? 0 : wantedActive(assessment);
  const surplus = surplusPods(assessment, Math.max(0, active.length - wanted));
  if (surplus.length > 0) return { ...NOTHING, surplus: spec.suspend ? surplus : surplus.slice(0, MAX_PODS) };
  const leaving = replacesFailedOnly(spec) ? assessment.terminating : 0;
  const missing = Math.min(wanted - leaving - active.length, MAX_PODS);
  return missing > 0 ? planCreation(assessment, missing) : NOTHING;
}

/** Without `completions` no pod is added once one has succeeded, and the others may go on. */
function wantedActive({ spec, succeeded, active }: Assessment): number {
  const { parallelism = 1, completions } = spec;
  if (completions === undefined) return succeeded > 0 ? active.length : parallelism;
  return Math.max(0, Math.min(completions - succeeded, parallelism));
}

function planCreation({ indexes, failuresNow, now, ...rest }: Assessment, count: number): PodPlan {
  const isPerIndex = indexes?.failed !== undefined;
  const backoffMs = isPerIndex ? 0 : backoffLeftMs(failuresNow, now);
  if (backoffMs > 0) return { ...NOTHING, backoffMs };
  if (!indexes) return { ...NOTHING, create: Array.from({ length: count }, () => ({})) };
  const pending = pendingIndexes({ indexes, ...rest }, count);
  if (!isPerIndex) return { ...NOTHING, create: pending.map((index) => ({ index })) };
  const waits = pending.map((index) => indexBackoffLeftMs(indexes.lastFailed.get(index), now));
  const create = pending
    .filter((_, at) => waits[at] === 0)
    .map((index) => ({ index, failures: failuresOf(indexes.lastFailed.get(index), rest) }));
  const soonest = Math.min(...waits.filter((ms) => ms > 0));
  return { ...NOTHING, create, backoffMs: soonest === Infinity ? 0 : soonest };
}

/** The first indexes that no pod is at work on, and that are not through. */
function pendingIndexes(
  { indexes, active, pods, spec }: Pick<Assessment, 'active' | 'pods' | 'spec'> & { readonly indexes: IndexProgress },
  count: number,
): number[] {
  const { succeeded, failed = IndexSet.EMPTY, completions } = indexes;
  const busy = replacesFailedOnly(spec) ? [...active, ...pods.filter(isTerminating)] : active;
  const taken = IndexSet.of(busy.flatMap((pod) => indexOf(pod, spec) ?? []));
  return succeeded.union(failed).union(taken).missing(count, completions);
}

/** How often an index has failed, with the pod that is replaced. */
function failuresOf(replaced: JobPod | undefined, { spec }: Pick<Assessment, 'spec'>): NewPod['failures'] {
  if (!replaced) return { counted: 0, ignored: 0 };
  const { earlierFailures, earlierIgnored } = replaced.job;
  const { counts } = judgeFailure(spec.podFailurePolicy, replaced);
  return { counted: earlierFailures + (counts ? 1 : 0), ignored: earlierIgnored + (counts ? 0 : 1) };
}

/** At least so many, and of an indexed Job those that are no use: without an index, beyond its indexes, and a second one of an index. */
function surplusPods({ active, spec, indexes }: Assessment, atLeast: number): JobPod[] {
  const ranked = active.toSorted(leastProgressFirst);
  if (!indexes) return ranked.slice(0, atLeast);
  const useless: JobPod[] = [];
  const useful: JobPod[] = [];
  const seen = new Set<number>();
  // Of two pods of an index, the one that has come further stays.
  for (const pod of ranked.toReversed()) {
    const index = indexOf(pod, spec);
    if (index === undefined || seen.has(index)) useless.unshift(pod);
    else useful.unshift(pod);
    if (index !== undefined) seen.add(index);
  }
  return [...useless, ...useful.slice(0, Math.max(0, atLeast - useless.length))];
}

const PHASES = ['Pending', 'Unknown', 'Running'];

/** Upstream's `ActivePods`. */
function leastProgressFirst(a: JobPod, b: JobPod): number {
  const rank = (pod: JobPod): number[] => [
    pod.nodeName ? 1 : 0,
    PHASES.indexOf(pod.phase),
    pod.ready ? 1 : 0,
    // Ready for longer, restarted less often, older.
    pod.ready ? -(pod.readyChangedAt || Infinity) : 0,
    -pod.restarts,
    -(pod.createdAt || Infinity),
  ];
  const [left, right] = [rank(a), rank(b)];
  const at = left.findIndex((value, index) => value !== right[index]);
  return at < 0 ? 0 : left[at]! - right[at]!;
}
