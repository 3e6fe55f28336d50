/** Deletes finished Jobs when `ttlSecondsAfterFinished` have passed. Upstream: pkg/controller/ttlafterfinished. */
import { msUntil } from '../../../../client/clock.ts';
import { isFinished } from '../../../../api/kinds/batch/job-conditions.ts';
import { splitKey } from '../../../../client/informer.ts';
import { jobs as jobResource } from '../../../../client/resources.gen.ts';
import { jobCache } from '../../caches/definitions.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../../framework/controller.ts';
import { unlessNotFound } from '../../framework/outcomes.ts';
import { watch } from '../../framework/watch.ts';
import type { Job } from '../../../../api/types/batch/v1.gen.ts';

export const ttlAfterFinishedController: ControllerDescriptor = {
  name: 'ttl-after-finished-controller',
  workers: 5,
  create,
};

/** When the Job is to go, in ms since the epoch; Infinity when it is not, or is going already. */
export function expiryOf({ metadata, spec, status }: Job): number {
  const { ttlSecondsAfterFinished } = spec ?? {};
  if (ttlSecondsAfterFinished === undefined || metadata?.deletionTimestamp || !isFinished(status)) return Infinity;
  const finish = status?.conditions?.find(
    ({ type, status: value }) => (type === 'Complete' || type === 'Failed') && value === 'True',
  );
  const finishedAt = Date.parse(finish?.lastTransitionTime ?? '');
  // Whoever manages it must say when it has finished.
  return Number.isNaN(finishedAt) ? Infinity : finishedAt + ttlSecondsAfterFinished * 1000;
}

function create({ client, informer, queue }: ControllerContext): Controller {
  const jobs = informer(jobCache);
  const wake = (job: Job, key: string): void => {
    if (expiryOf(job) < Infinity) queue.add(key);
  };

  async function reconcile(key: string, signal: AbortSignal): Promise<number | undefined> {
    const cached = jobs.getByKey(key);
    const againInMs = cached ? leftMs(cached) : undefined;
    if (againInMs !== 0) return againInMs;
    // The cache may lag behind a new TTL, or a new Job of the name.
    const { namespace, name } = splitKey(key);
    const fresh = await unlessNotFound(client.get(jobResource, namespace, name, { signal }));
    const freshMs = fresh ? leftMs(fresh) : undefined;
    if (freshMs !== 0) return freshMs;
    const { uid, resourceVersion } = fresh?.metadata ?? {};
    const options = { uid, resourceVersion, propagationPolicy: 'Foreground', signal } as const;
    await unlessNotFound(client.delete(jobResource, namespace, name, options));
    return undefined;
  }

  return { watches: () => [watch(jobs, { onAdd: wake, onUpdate: (_, job, key) => wake(job, key) })], reconcile };
}

/** Undefined when it does not expire. */
function leftMs(job: Job): number | undefined {
  const expiry = expiryOf(job);
  return expiry === Infinity ? undefined : Math.max(0, msUntil(expiry));
}
