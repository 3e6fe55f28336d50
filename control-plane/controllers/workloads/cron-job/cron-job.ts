/** The controller of CronJobs: Jobs by a schedule. Upstream: pkg/controller/cronjob. */
import { SCHEDULED_TIMESTAMP } from '../../../../api/domain/job-tracking.ts';
import { isAlreadyExists, isNamespaceTerminating } from '../../../../api/machinery/status-error.ts';
import { timeOf } from '../../../../api/machinery/time.ts';
import type { ApiClient } from '../../../../client/api-client.ts';
import { referenceTo, type EventRecorder } from '../../../../client/event-recorder.ts';
import type { Informer } from '../../../../client/informer.ts';
import { cronJobs as cronJobResource, jobs as jobResource } from '../../../../client/resources.gen.ts';
import { cronJobCache, jobCache } from '../../caches/definitions.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../../framework/controller.ts';
import { dependentHandlers } from '../../framework/dependents.ts';
import { unlessGone, unlessNotFound } from '../../framework/outcomes.ts';
import { apiVersionOf, claimable, controllerOf, controllerReference } from '../../framework/owner-references.ts';
import { writeStatus } from '../../framework/status.ts';
import { ownKeys, watch } from '../../framework/watch.ts';
import { WrittenVersions } from '../../framework/written-versions.ts';
import { jobName, planCronJob, type CronJobEvent, type Start } from './plan.ts';
import type { CronJob, CronJobStatus, Job } from '../../../../api/types/batch/v1.gen.ts';
import type { ObjectReference } from '../../../../api/types/core/v1.gen.ts';

export const cronJobController: ControllerDescriptor = { name: 'cronjob-controller', workers: 5, create };

function create({ client, informer, recorder, queue }: ControllerContext): Controller {
  const cronJobs = informer(cronJobCache);
  const jobs = informer(jobCache);
  const sync = new CronJobSync({ client, jobs, recorder: recorder('cronjob-controller') });

  return {
    watches: () => [
      watch(
        cronJobs,
        ownKeys(queue, (cronJob) => sync.forget(cronJob)),
      ),
      watch(
        jobs,
        dependentHandlers<Job>({
          ...{ queue, ownerResource: cronJobResource, claimableOf: claimable },
          // They are found by their reference alone: a CronJob has no selector.
          adopters: () => [],
        }),
      ),
    ],
    reconcile: async (key, signal) => {
      const cronJob = cronJobs.getByKey(key);
      return cronJob && (await sync.reconcile(cronJob, signal));
    },
  };
}

interface CronJobSyncOptions {
  readonly client: ApiClient;
  readonly jobs: Pick<Informer<Job>, 'byIndex'>;
  readonly recorder: Pick<EventRecorder, 'event'>;
}

class CronJobSync {
  readonly #options: CronJobSyncOptions;
  readonly #written = new WrittenVersions();

  constructor(options: CronJobSyncOptions) {
    this.#options = options;
  }

  forget(cronJob: CronJob): void {
    this.#written.forget(cronJob);
  }

  /** Returns in how many ms the next start comes. */
  async reconcile(cronJob: CronJob, signal: AbortSignal): Promise<number | undefined> {
    if (this.#written.isBehind(cronJob)) return undefined;
    const jobs = this.#options.jobs.byIndex('controller', cronJob.metadata?.uid ?? '');
    const gone = await this.#goneJobs(cronJob, jobs, signal);
    const localZone = Temporal.Now.timeZoneId();
    const plan = planCronJob({ cronJob, jobs, gone, now: Date.now(), localZone });
    this.#record(cronJob, plan.events);
    for (const { metadata } of plan.surplus) await this.#deleteJob(cronJob, metadata ?? {}, signal);
    let { status } = plan;
    try {
      if (plan.start) status = await this.#start(cronJob, status, plan.start, signal);
    } finally {
      // What has been seen is noted even when the start fails, and is tried again.
      const written = await writeStatus(cronJobResource, cronJob, status, { client: this.#options.client, signal });
      if (written) this.#written.wrote(written);
    }
    return plan.againInMs;
  }

  /** Active Jobs that neither the cache nor the api-server has: the cache may lag behind the last start. */
  async #goneJobs({ status }: CronJob, jobs: readonly Job[], signal: AbortSignal): Promise<Set<string>> {
    const { client } = this.#options;
    const known = new Set(jobs.map(({ metadata }) => metadata?.uid));
    const gone = new Set<string>();
    for (const { namespace = '', name = '', uid = '' } of status?.active ?? []) {
      if (known.has(uid)) continue;
      const job = await unlessNotFound(client.get(jobResource, namespace, name, { signal }));
      if (job?.metadata?.uid !== uid) gone.add(uid);
    }
    return gone;
  }

  /** Returns the status with the started Job. */
  async #start(
    cronJob: CronJob,
    { active = [], ...status }: CronJobStatus,
    { at, replaces }: Start,
    signal: AbortSignal,
  ): Promise<CronJobStatus> {
    const replaced = new Set<string | undefined>();
    for (const reference of replaces) {
      await this.#deleteJob(cronJob, reference, signal);
      replaced.add(reference.uid);
    }
    const left = active.filter(({ uid }) => !replaced.has(uid));
    const job = await this.#createJob(cronJob, at, signal);
    if (!job) return { ...status, active: left };
    const { uid } = job.metadata ?? {};
    const isNoted = left.some((reference) => reference.uid === uid);
    const reference = referenceTo(apiVersionOf(jobResource), jobResource.kind, job);
    return { ...status, active: isNoted ? left : [...left, reference], lastScheduleTime: timeOf(at) };
  }

  /** Returns the Job of this start, which an earlier attempt may have made; undefined when somebody else's has its name. */
  async #createJob(cronJob: CronJob, at: number, signal: AbortSignal): Promise<Job | undefined> {
    const { client } = this.#options;
    const wanted = jobOf(cronJob, at);
    const { namespace = '', name = '' } = wanted.metadata ?? {};
    try {
      const job = await client.create(jobResource, wanted, { signal });
      this.#record(cronJob, [{ type: 'Normal', reason: 'SuccessfulCreate', message: `Created job ${name}` }]);
      return job;
    } catch (error) {
      if (isNamespaceTerminating(error)) return undefined;
      if (!isAlreadyExists(error)) {
        const message = `Error creating job: ${(error as Error).message}`;
        this.#record(cronJob, [{ type: 'Warning', reason: 'FailedCreate', message }]);
        throw error;
      }
    }
    const existing = await client.get(jobResource, namespace, name, { signal });
    const isOwn = controllerOf(existing.metadata?.ownerReferences)?.uid === cronJob.metadata?.uid;
    return isOwn ? existing : undefined;
  }

  async #deleteJob(
    cronJob: CronJob,
    { namespace = '', name = '', uid }: Pick<ObjectReference, 'namespace' | 'name' | 'uid'>,
    signal: AbortSignal,
  ): Promise<void> {
    const { client } = this.#options;
    try {
      const options = { uid, propagationPolicy: 'Background', signal } as const;
      await unlessGone(client.delete(jobResource, namespace, name, options));
    } catch (error) {
      const message = `Deleted job: ${(error as Error).message}`;
      this.#record(cronJob, [{ type: 'Warning', reason: 'FailedDelete', message }]);
      throw error;
    }
    this.#record(cronJob, [{ type: 'Normal', reason: 'SuccessfulDelete', message: `Deleted job ${name}` }]);
  }

  #record(cronJob: CronJob, events: readonly CronJobEvent[]): void {
    const regarding = referenceTo(apiVersionOf(cronJobResource), cronJobResource.kind, cronJob);
    for (const { type, reason, message } of events) this.#options.recorder.event(regarding, type, reason, message);
  }
}

/** The Job of a start. */
export function jobOf(cronJob: CronJob, at: number): Job {
  const { metadata, spec } = cronJob;
  const { labels, annotations } = spec.jobTemplate.metadata ?? {};
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      namespace: metadata?.namespace,
      name: jobName(cronJob, at),
      labels,
      annotations: { ...annotations, [SCHEDULED_TIMESTAMP]: localTime(at, spec.timeZone) },
      ownerReferences: [controllerReference(cronJobResource, cronJob)],
    },
    spec: spec.jobTemplate.spec,
  };
}

/** RFC 3339 in the zone of the schedule. */
function localTime(at: number, timeZone = 'UTC'): string {
  const time = Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(timeZone);
  const text = time.toString({ timeZoneName: 'never', smallestUnit: 'second' });
  return text.replace(/\+00:00$/, 'Z');
}
