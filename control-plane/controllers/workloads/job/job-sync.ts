/** Reconciles one Job: asks the plans what to do about its pods and what to count, and does it. */
import { JOB_CONTROLLER, JOB_TRACKING_FINALIZER } from '../../../../api/domain/job-tracking.ts';
import { formatSelector, selectorFrom } from '../../../../api/machinery/selectors.ts';
import type { ApiClient } from '../../../../client/api-client.ts';
import { referenceTo, type EventRecorder } from '../../../../client/event-recorder.ts';
import type { Informer } from '../../../../client/informer.ts';
import { jobs, pods as podResource } from '../../../../client/resources.gen.ts';
import { isTerminated, podView, type PodView } from '../../caches/pod-view.ts';
import { claim } from '../../framework/claim.ts';
import { EXPECTATIONS_TIMEOUT_MS, type Expectations } from '../../framework/expectations.ts';
import { Interner } from '../../framework/interner.ts';
import { apiVersionOf, orphansOf } from '../../framework/owner-references.ts';
import { writeStatus } from '../../framework/status.ts';
import { isOlder } from '../../../../api/machinery/resource-version.ts';
import { WrittenVersions } from '../../framework/written-versions.ts';
import { PodControl } from '../pod-control.ts';
import { assess, deadlineInMs, type Assessment } from './assess.ts';
import { NO_FAILURES, type Failures } from './backoff.ts';
import { removeFinalizer } from './finalizer.ts';
import { isJobPod, isTracked, podOf, type JobPod } from './job-pods.ts';
import { planPods, type PodPlan } from './pod-plan.ts';
import { settle, track, type JobEvent, type PodsAfter, type Tracking } from './tracking.ts';
import type { Job, JobStatus } from '../../../../api/types/batch/v1.gen.ts';
import type { Pod } from '../../../../api/types/core/v1.gen.ts';

/** `spec.managedBy` names another controller, for all of the Job's life. */
export const isManagedElsewhere = ({ spec }: Job): boolean =>
  spec?.managedBy !== undefined && spec.managedBy !== JOB_CONTROLLER;

export interface JobSyncOptions {
  readonly client: ApiClient;
  readonly pods: Pick<Informer<Pod, PodView>, 'byIndex' | 'resourceVersion'>;
  readonly expectations: Expectations;
  readonly recorder: Pick<EventRecorder, 'event'>;
}

/** What could not be done about pods or their finalizers; the reconciliation counts what it can before it throws this. */
interface Attempt {
  readonly error: unknown;
}

export class JobSync {
  readonly #options: JobSyncOptions;
  readonly #podControl: PodControl;
  /** By uid of the Job. As upstream's, they are forgotten when the controller restarts. */
  readonly #failures = new Map<string, Failures>();
  readonly #written = new WrittenVersions();

  constructor(options: JobSyncOptions) {
    this.#options = options;
    this.#podControl = new PodControl({ ...options, ownerResource: jobs });
  }

  /** The Job is finished or gone. */
  forget(job: Job): void {
    const uid = job.metadata?.uid ?? '';
    this.#options.expectations.forget(uid);
    this.#failures.delete(uid);
    this.#written.forget(job);
  }

  /** Returns in how many ms to look again though nothing happens. */
  async reconcile(job: Job, signal: AbortSignal): Promise<number | undefined> {
    const { uid = '' } = job.metadata ?? {};
    if (this.#written.isBehind(job)) return undefined;
    // Asked together with the cache: what is observed later, while others are waited for, is not in what is read here.
    const isCurrent = this.#options.expectations.isSatisfied(uid, performance.now());
    const claimed = await this.#claimPods(job, signal);
    const pods = await this.#confirm(job, claimed, signal);
    const failures = this.#failures.get(uid) ?? NO_FAILURES;
    const assessment = assess({ job, pods, failures, now: Date.now() });
    const plan = planPods(assessment, isCurrent);
    const { after, failure } = await this.#execute(assessment, plan, isCurrent, signal);
    await this.#count(assessment, track(assessment, after), signal);
    if (failure) throw failure.error;
    const againInMs = Math.min(
      assessment.end ? Infinity : deadlineInMs(job, assessment.now),
      plan.backoffMs || Infinity,
      isCurrent ? Infinity : EXPECTATIONS_TIMEOUT_MS,
    );
    return againInMs === Infinity ? undefined : againInMs;
  }

  async #claimPods(job: Job, signal: AbortSignal): Promise<JobPod[]> {
    const { client, pods } = this.#options;
    const { namespace = '', uid = '' } = job.metadata ?? {};
    const selector = selectorFrom(job.spec?.selector);
    const orphans = pods.byIndex('controller', orphansOf(namespace));
    const claimed = await claim([...pods.byIndex('controller', uid), ...orphans].filter(isJobPod), {
      ...{ client, signal, owner: job, ownerResource: jobs, resource: podResource, selector },
      finalizer: JOB_TRACKING_FINALIZER,
      claimableOf: (pod) => pod,
    });
    return claimed.map((pod) => {
      const isAdopted = pod.controllerUid !== uid && !isTracked(pod);
      return isAdopted ? { ...pod, finalizers: [...pod.finalizers, JOB_TRACKING_FINALIZER] } : pod;
    });
  }

  /**
   * A cache of pods that is behind the Job's status may show finalizers that whoever wrote the status has removed: their pods would
   * be counted twice. Where that can make a difference, the pods are read anew.
   */
  async #confirm(job: Job, claimed: JobPod[], signal: AbortSignal): Promise<JobPod[]> {
    const { client, pods } = this.#options;
    const { namespace, uid = '', resourceVersion = '' } = job.metadata ?? {};
    if (!isOlder(pods.resourceVersion, resourceVersion)) return claimed;
    const { succeeded = [], failed = [] } = job.status?.uncountedTerminatedPods ?? {};
    const hasEnded = claimed.some((pod) => isTracked(pod) && (isTerminated(pod) || pod.deleting));
    if (!hasEnded && succeeded.length + failed.length === 0) return claimed;
    const labelSelector = formatSelector(selectorFrom(job.spec?.selector));
    const live = await client.listAll(podResource, { namespace, labelSelector, signal });
    const interner = new Interner();
    return live
      .map((pod) => podView(pod, interner))
      .filter(isJobPod)
      .filter(({ controllerUid }) => controllerUid === uid);
  }

  async #execute(
    { job, active, ready, terminating, end }: Assessment,
    plan: PodPlan,
    isCurrent: boolean,
    signal: AbortSignal,
  ): Promise<{ readonly after: PodsAfter; readonly failure: Attempt | undefined }> {
    let failure: Attempt | undefined;
    let removed: readonly JobPod[] = [];
    let created = 0;
    if (plan.end.length > 0) {
      failure = await this.#podControl.delete(job, plan.end, signal);
      if (!failure) removed = plan.end;
    } else if (plan.surplus.length > 0) {
      ({ removed, failure } = await this.#removeSurplus(job, plan.surplus, signal));
    } else if (plan.create.length > 0) {
      const wanted = plan.create.map((each) => podOf(job, each));
      failure = await this.#podControl.create(job, wanted, signal);
      if (!failure) created = wanted.length;
    }
    const after: PodsAfter = {
      active: active.length - removed.length + created,
      ready: ready - removed.filter((pod) => pod.ready).length,
      terminating: terminating + removed.length,
      isSettled: isCurrent && !failure,
      isManaged: isCurrent && !end && !job.metadata?.deletionTimestamp,
    };
    return { after, failure };
  }

  /** They go without being counted, unless one has ended meanwhile: then it stays. */
  async #removeSurplus(
    job: Job,
    surplus: readonly JobPod[],
    signal: AbortSignal,
  ): Promise<{ readonly removed: readonly JobPod[]; readonly failure: Attempt | undefined }> {
    const { client } = this.#options;
    const { released, failure } = await releaseAll(surplus, (pod) =>
      removeFinalizer(pod, { client, signal, asCached: true }),
    );
    const notDeleted = await this.#podControl.delete(job, released, signal);
    return { removed: notDeleted ? [] : released, failure: failure ?? notDeleted };
  }

  /** Writes what is to be counted, releases the pods, and writes that they are counted. */
  async #count(assessment: Assessment, tracking: Tracking, signal: AbortSignal): Promise<void> {
    const { client } = this.#options;
    const { job, failuresNow } = assessment;
    const noted = await this.#write(job, tracking.status, signal);
    this.#failures.set(job.metadata?.uid ?? '', failuresNow);
    this.#record(job, tracking.events);
    const { released, failure } = await releaseAll(tracking.release, (pod) => removeFinalizer(pod, { client, signal }));
    const held = new Set(tracking.held);
    for (const { uid } of released) held.delete(uid);
    const isPartial = tracking.isPartial || failure !== undefined;
    const { status, isFinished, events } = settle(assessment, { ...tracking, isPartial }, noted.status ?? {}, held);
    await this.#write(noted, status, signal);
    if (isFinished) this.#record(job, events);
    if (failure) throw failure.error;
  }

  /** Returns the Job with this status, in the version that has it. */
  async #write(job: Job, status: JobStatus, signal: AbortSignal): Promise<Job> {
    const written = await writeStatus(jobs, job, status, { client: this.#options.client, signal });
    if (!written) return { ...job, status };
    this.#written.wrote(written);
    return written;
  }

  #record(job: Job, events: readonly JobEvent[]): void {
    const regarding = referenceTo(apiVersionOf(jobs), jobs.kind, job);
    for (const { type, reason, message } of events) this.#options.recorder.event(regarding, type, reason, message);
  }
}

/** Those of which the removal succeeded, and the first failure. */
async function releaseAll(
  pods: readonly JobPod[],
  remove: (pod: JobPod) => Promise<void>,
): Promise<{ readonly released: JobPod[]; readonly failure: Attempt | undefined }> {
  const outcomes = await Promise.allSettled(pods.map(remove));
  const released = pods.filter((_, index) => outcomes[index]?.status === 'fulfilled');
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  return { released, failure: failed && { error: failed.reason } };
}
