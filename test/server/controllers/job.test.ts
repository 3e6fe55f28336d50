import t from 'tap';
import { JOB_TRACKING_FINALIZER } from '../../../api/domain/job-tracking.ts';
import { jobs, pods } from '../../../client/resources.gen.ts';
import type { Job, JobSpec } from '../../../api/types/batch/v1.gen.ts';
import type { Pod, PodStatus } from '../../../api/types/core/v1.gen.ts';
import { eventually } from '../../support/wait.ts';
import { ControlPlane } from './control-plane.ts';

const plane = await ControlPlane.start();
t.teardown(() => plane[Symbol.asyncDispose]());
const { client } = plane;

const containers = [{ name: 'c', image: 'i' }];
const jobOf = (name: string, spec: Partial<JobSpec>): Job => ({
  metadata: { namespace: 'default', name },
  spec: { template: { spec: { restartPolicy: 'Never', containers } }, ...spec },
});
const podsOf = async (name: string): Promise<Pod[]> => {
  const { items } = await client.list(pods, { namespace: 'default', labelSelector: `job-name=${name}` });
  return items;
};
const activeOf = async (name: string): Promise<Pod[]> =>
  (await podsOf(name)).filter(
    ({ metadata, status }) => !metadata?.deletionTimestamp && !['Succeeded', 'Failed'].includes(status?.phase ?? ''),
  );
const statusOf = async (name: string) => (await client.get(jobs, 'default', name)).status ?? {};
/** Plays the agent's part: the pod is as told. */
const tell = (pod: Pod | undefined, status: PodStatus) =>
  client.patch(pods, 'default', pod?.metadata?.name ?? '', { status }, { subresource: 'status' });
const finish = (pod: Pod | undefined, phase: 'Succeeded' | 'Failed', exitCode = phase === 'Failed' ? 1 : 0) =>
  tell(pod, {
    phase,
    containerStatuses: [
      {
        ...{ name: 'c', image: 'i', imageID: '', ready: false, restartCount: 0 },
        state: { terminated: { exitCode, finishedAt: '2026-01-01T00:00:00Z' } },
      },
    ],
  });
const conditionsOf = ({ conditions = [] }: { conditions?: { type: string; status: string; reason?: string }[] }) =>
  conditions.filter(({ status }) => status === 'True').map(({ type, reason }) => `${type} ${reason}`);
const isOver = async (name: string) =>
  conditionsOf(await statusOf(name)).some((condition) => /^(?:Complete|Failed) /.test(condition));

t.test('a Job runs as many pods at a time as it may until enough have succeeded', async (t) => {
  await client.create(jobs, jobOf('plain', { completions: 3, parallelism: 2 }));
  await eventually('two pods', async () => (await activeOf('plain')).length === 2);
  await eventually('the status', async () => (await statusOf('plain')).active === 2);
  const [first] = await activeOf('plain');
  t.match(first?.metadata, {
    finalizers: [JOB_TRACKING_FINALIZER],
    labels: { 'batch.kubernetes.io/job-name': 'plain' },
  });
  for (let done = 1; done <= 3; done++) {
    const [pod] = await activeOf('plain');
    await finish(pod, 'Succeeded');
    await eventually(`${done} to be counted`, async () => (await statusOf('plain')).succeeded === done);
    if (done < 3)
      await eventually('its replacement', async () => (await activeOf('plain')).length === Math.min(2, 3 - done));
  }
  await eventually('the Job to be complete', () => isOver('plain'));
  const status = await statusOf('plain');
  t.match(conditionsOf(status), ['SuccessCriteriaMet CompletionsReached', 'Complete CompletionsReached']);
  t.match(status, { succeeded: 3, active: undefined, ready: 0, terminating: 0, uncountedTerminatedPods: {} });
  t.ok(status.startTime && status.completionTime);
  for (const { metadata } of await podsOf('plain')) t.notOk(metadata?.finalizers?.length, 'no finalizer is left');
});

t.test('a Job with more failed pods than its limit fails, and ends the others', async (t) => {
  await client.create(jobs, jobOf('failing', { completions: 2, parallelism: 2, backoffLimit: 0 }));
  await eventually('two pods', async () => (await activeOf('failing')).length === 2);
  await finish((await activeOf('failing'))[0], 'Failed');
  await eventually('the Job to fail', () => isOver('failing'));
  const status = await statusOf('failing');
  t.match(conditionsOf(status), ['FailureTarget BackoffLimitExceeded', 'Failed BackoffLimitExceeded']);
  t.equal(status.failed, 2, 'the one that it ended counts as failed');
  t.equal((await activeOf('failing')).length, 0);
});

t.test('an indexed Job gives each pod its index, and a pod failure policy ends what it must', async (t) => {
  const podFailurePolicy: JobSpec['podFailurePolicy'] = {
    rules: [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [42] } }],
  };
  await client.create(
    jobs,
    jobOf('indexed', { completions: 4, parallelism: 4, completionMode: 'Indexed', podFailurePolicy }),
  );
  await eventually('four pods', async () => (await activeOf('indexed')).length === 4);
  const byIndex = new Map((await activeOf('indexed')).map((pod) => [pod.spec?.hostname, pod]));
  t.strictSame([...byIndex.keys()].sort(), ['indexed-0', 'indexed-1', 'indexed-2', 'indexed-3']);
  const env = byIndex.get('indexed-1')?.spec?.containers[0]?.env;
  t.match(env, [{ name: 'JOB_COMPLETION_INDEX', valueFrom: { fieldRef: {} } }]);
  for (const index of [0, 1, 3]) await finish(byIndex.get(`indexed-${index}`), 'Succeeded');
  await eventually('the indexes', async () => (await statusOf('indexed')).completedIndexes === '0,1,3');
  await finish(byIndex.get('indexed-2'), 'Failed', 42);
  await eventually('the Job to fail', () => isOver('indexed'));
  const { conditions = [] } = await statusOf('indexed');
  t.match(conditions.at(-1), {
    type: 'Failed',
    reason: 'PodFailurePolicy',
    message: /failed with exit code 42 matching FailJob rule at index 0/,
  });
});

t.test('a suspended Job has no pods, and starts anew when it is resumed', async (t) => {
  await client.create(jobs, jobOf('paused', { suspend: true }));
  await eventually('the condition', async () =>
    conditionsOf(await statusOf('paused')).includes('Suspended JobSuspended'),
  );
  t.equal((await podsOf('paused')).length, 0);
  t.equal((await statusOf('paused')).startTime, undefined);
  await client.patch(jobs, 'default', 'paused', { spec: { suspend: false } });
  await eventually('a pod', async () => (await activeOf('paused')).length === 1);
  await eventually('the start', async () => (await statusOf('paused')).startTime !== undefined);
  await client.patch(jobs, 'default', 'paused', { spec: { suspend: true } });
  await eventually('the pod to go', async () => (await activeOf('paused')).length === 0);
  await eventually('the condition', async () =>
    conditionsOf(await statusOf('paused')).includes('Suspended JobSuspended'),
  );
  t.equal((await statusOf('paused')).failed, undefined, 'a pod of a suspended Job does not count');
});

t.test('pods of a Job that is gone lose their finalizer', async (t) => {
  await client.create(jobs, jobOf('orphaning', {}));
  await eventually('a pod', async () => (await activeOf('orphaning')).length === 1);
  await client.delete(jobs, 'default', 'orphaning', { propagationPolicy: 'Orphan' });
  await eventually('the finalizer to go', async () => {
    const [pod] = await podsOf('orphaning');
    return pod && !pod.metadata?.finalizers?.length;
  });
  t.equal((await podsOf('orphaning')).length, 1);
});

t.test('a Job past its deadline fails', async (t) => {
  await client.create(jobs, jobOf('late', { activeDeadlineSeconds: 1 }));
  await eventually('the Job to fail', () => isOver('late'));
  t.match(conditionsOf(await statusOf('late')), ['FailureTarget DeadlineExceeded', 'Failed DeadlineExceeded']);
});
