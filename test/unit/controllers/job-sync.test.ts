import t from 'tap';
import { JOB_TRACKING_FINALIZER } from '../../../api/domain/job-tracking.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import { Expectations } from '../../../control-plane/controllers/framework/expectations.ts';
import { WrittenVersions } from '../../../control-plane/controllers/framework/written-versions.ts';
import { JobSync } from '../../../control-plane/controllers/workloads/job/job-sync.ts';
import type { Job } from '../../../api/types/batch/v1.gen.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';
import { jobPodOf } from './job-pod-view.ts';

const labels = { job: 'a' };
const ownerReferences = [{ apiVersion: 'batch/v1', kind: 'Job', name: 'a', uid: 'job', controller: true }];
const ended = jobPodOf('ended', { phase: 'Succeeded', labels, owners: ownerReferences });
/** One of three has been counted, by a write at version 10. */
const job: Job = {
  metadata: { namespace: 'default', name: 'a', uid: 'job', resourceVersion: '10' },
  spec: { template: {}, selector: { matchLabels: labels }, completions: 3, parallelism: 0, backoffLimit: 6 },
  status: { succeeded: 1, ready: 0, terminating: 0, startTime: '2026-01-01T00:00:00Z', uncountedTerminatedPods: {} },
};

/** Reconciles with a cache of pods that shows the ended one with its finalizer; returns the statuses that were written. */
async function reconcile(resourceVersion: string, finalizers: string[]): Promise<Job['status'][]> {
  const written: Job['status'][] = [];
  const live: Pod = {
    metadata: { namespace: 'default', name: 'ended', uid: ended.uid, labels, ownerReferences, finalizers },
    status: { phase: 'Succeeded' },
  };
  let version = 10;
  // What a reconciliation that creates and deletes nothing calls.
  const client = {
    listAll: async () => [live],
    patch: async (_: unknown, _namespace: string, _name: string, patch: Job, options: { subresource?: string }) => {
      if (options.subresource !== 'status') return live;
      written.push(patch.status);
      const metadata = { ...job.metadata, resourceVersion: String(++version) };
      return { ...job, metadata, status: { ...job.status, ...patch.status } };
    },
  } as unknown as ApiClient;
  const sync = new JobSync({
    client,
    pods: { resourceVersion, byIndex: (_, value) => (value === 'job' ? [ended] : []) },
    expectations: new Expectations(),
    recorder: { event: () => undefined },
  });
  await sync.reconcile(job, new AbortController().signal);
  return written;
}

t.test('a pod that has ended is counted, when the cache is as new as the status of the Job', async (t) => {
  const written = await reconcile('10', []);
  t.match(written, [{ uncountedTerminatedPods: { succeeded: [ended.uid] } }, { succeeded: 2 }]);
});

t.test('one that a cache behind the status still shows with its finalizer is not counted again', async (t) => {
  t.strictSame(await reconcile('9', []), []);
  t.strictSame(await reconcile('', []), [], 'nor while the cache is being listed anew');
});

t.test('one that has its finalizer is counted though the cache is behind', async (t) => {
  t.equal((await reconcile('9', [JOB_TRACKING_FINALIZER])).at(-1)?.succeeded, 2);
});

t.test('a controller knows that its cache is behind what it has written', async (t) => {
  const versions = new WrittenVersions();
  const at = (resourceVersion: string) => ({ metadata: { uid: 'u', resourceVersion } });
  t.equal(versions.isBehind(at('9')), false);
  versions.wrote(at('10'));
  t.strictSame(
    ['9', '10', '11', ''].map((version) => versions.isBehind(at(version))),
    [true, false, false, true],
  );
  versions.forget(at('10'));
  t.equal(versions.isBehind(at('9')), false);
});
