/** The controller of Jobs: pods that run to their end, until enough have succeeded. Upstream: pkg/controller/job. */
import { isFinished } from '../../../../api/kinds/batch/job-conditions.ts';
import { selectorFrom } from '../../../../api/machinery/selectors.ts';
import { jobs as jobResource } from '../../../../client/resources.gen.ts';
import { jobCache, podCache } from '../../caches/definitions.ts';
import type { PodView } from '../../caches/pod-view.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../../framework/controller.ts';
import { dependentHandlers } from '../../framework/dependents.ts';
import { Expectations } from '../../framework/expectations.ts';
import { watch, type KeyQueue } from '../../framework/watch.ts';
import { isManagedElsewhere, JobSync } from './job-sync.ts';
import { OrphanedPods } from './orphaned-pods.ts';
import type { Job } from '../../../../api/types/batch/v1.gen.ts';

export const jobController: ControllerDescriptor = { name: 'job-controller', workers: 5, create };

/** What happens to pods within this time is counted at once, in one write of the status. Upstream waits for a second. */
const BATCH_MS = 100;

function create({ client, informer, recorder, queue }: ControllerContext): Controller {
  const jobs = informer(jobCache);
  const pods = informer(podCache);
  const expectations = new Expectations();
  const sync = new JobSync({ client, pods, expectations, recorder: recorder('job-controller') });
  const orphans = new OrphanedPods({ client, jobs, pods, queue });
  const batched: KeyQueue = {
    add: (key) => queue.addAfter(key, BATCH_MS),
    addAfter: (key, ms) => queue.addAfter(key, ms),
  };

  async function reconcile(key: string, signal: AbortSignal): Promise<number | undefined> {
    if (orphans.isKey(key)) return await orphans.release(key, signal);
    const job = jobs.getByKey(key);
    if (!job || isManagedElsewhere(job)) return undefined;
    if (isFinished(job.status)) {
      sync.forget(job);
      return undefined;
    }
    return await sync.reconcile(job, signal);
  }

  const adopters = (namespace: string, labels: PodView['labels']): string[] =>
    jobs
      .byIndex('namespace', namespace)
      .filter(({ spec }) => selectorFrom(spec?.selector).matches(labels))
      .map(({ metadata }) => metadata?.name ?? '');

  return {
    watches: () => [
      watch(jobs, {
        onAdd: (_, key) => queue.add(key),
        onUpdate: (_old, job: Job, key) => {
          queue.add(key);
          if (isFinished(job.status)) orphans.addPodsOf(job);
        },
        onDelete: (job: Job) => {
          sync.forget(job);
          orphans.addPodsOf(job);
        },
      }),
      watch(
        pods,
        dependentHandlers<PodView>({
          ...{ queue: batched, expectations, ownerResource: jobResource, adopters },
          claimableOf: (pod) => pod,
          concerns: concernsJob,
        }),
      ),
      watch(pods, { onAdd: (pod) => orphans.add(pod), onUpdate: (_, pod) => orphans.add(pod) }),
    ],
    reconcile,
  };
}

/** Whether the change of a pod can change what its Job does or says. */
const concernsJob = (old: PodView, pod: PodView): boolean =>
  old.ready !== pod.ready ||
  old.phase !== pod.phase ||
  old.deleting !== pod.deleting ||
  old.labels !== pod.labels ||
  old.finalizers !== pod.finalizers ||
  old.controllerUid !== pod.controllerUid ||
  old.job?.totalRestarts !== pod.job?.totalRestarts;
