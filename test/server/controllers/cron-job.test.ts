import t from 'tap';
import { cronJobs, jobs } from '../../../client/resources.gen.ts';
import { timeOf } from '../../../api/machinery/time.ts';
import type { CronJobSpec, Job, JobSpec, JobTemplateSpec } from '../../../api/types/batch/v1.gen.ts';
import { eventually } from '../../support/wait.ts';
import { ControlPlane } from './control-plane.ts';

const plane = await ControlPlane.start();
t.teardown(() => plane[Symbol.asyncDispose]());
const { client } = plane;

const containers = [{ name: 'c', image: 'i' }];
const jobTemplate: JobTemplateSpec & { readonly spec: JobSpec } = {
  spec: { template: { spec: { restartPolicy: 'Never', containers } } },
};
const create = (name: string, spec: Partial<CronJobSpec>) =>
  client.create(cronJobs, {
    metadata: { namespace: 'default', name },
    spec: { schedule: '@every 1s', jobTemplate, ...spec },
  });
const jobsOf = async (name: string): Promise<Job[]> => {
  const { items } = await client.list(jobs, { namespace: 'default' });
  return items.filter(({ metadata }) => metadata?.ownerReferences?.some((owner) => owner.name === name));
};
const statusOf = async (name: string) => (await client.get(cronJobs, 'default', name)).status ?? {};
/** Plays the part of the Job's pods. */
async function complete(name: string): Promise<void> {
  await eventually('its start', async () => (await client.get(jobs, 'default', name)).status?.startTime);
  const time = timeOf(Date.now());
  const conditions = ['SuccessCriteriaMet', 'Complete'].map((type) => ({
    ...{ type, status: 'True', lastTransitionTime: time },
  }));
  const status = { completionTime: time, active: 0, ready: 0, terminating: 0, conditions };
  await client.patch(jobs, 'default', name, { status }, { subresource: 'status' });
}

t.test('a CronJob starts Jobs, names the active ones, and waits for them where it must', async (t) => {
  await create('forbids', { concurrencyPolicy: 'Forbid', successfulJobsHistoryLimit: 0 });
  const [job] = await eventually('a Job', async () => {
    const found = await jobsOf('forbids');
    return found.length > 0 ? found : undefined;
  });
  const { metadata } = job!;
  t.match(metadata?.name, /^forbids-\d{8}$/);
  t.match(metadata?.annotations, { 'batch.kubernetes.io/cronjob-scheduled-timestamp': /^\d{4}-.*Z$/ });
  await eventually('the status', async () => (await statusOf('forbids')).lastScheduleTime !== undefined);
  t.match((await statusOf('forbids')).active, [{ apiVersion: 'batch/v1', kind: 'Job', name: metadata?.name }]);
  await complete(metadata?.name ?? '');
  await eventually('the success', async () => (await statusOf('forbids')).lastSuccessfulTime !== undefined);
  await eventually('the finished Job to go', async () =>
    (await jobsOf('forbids')).every((each) => each.metadata?.uid !== metadata?.uid),
  );
});

t.test('a suspended CronJob starts nothing, and what it missed is started when it is resumed', async (t) => {
  await create('paused', { suspend: true });
  await create('beside', {});
  await eventually('a Job of another', async () => (await jobsOf('beside')).length > 0);
  t.equal((await jobsOf('paused')).length, 0);
  await client.patch(cronJobs, 'default', 'paused', { spec: { suspend: false } });
  await eventually('its Job', async () => (await jobsOf('paused')).length > 0);
});

t.test('a finished Job is deleted when its time to live has passed', async () => {
  const spec = { ...jobTemplate.spec, ttlSecondsAfterFinished: 1 };
  await client.create(jobs, { metadata: { namespace: 'default', name: 'short-lived' }, spec });
  await complete('short-lived');
  await eventually('the Job to go', async () => {
    const { items } = await client.list(jobs, { namespace: 'default' });
    return items.every(({ metadata }) => metadata?.name !== 'short-lived');
  });
});
