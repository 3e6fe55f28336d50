/** Jobs, CronJobs and drains as a user has them, with stock kubectls and real pods. */
import t from 'tap';
import { Cluster } from '../support/cluster.ts';
import { stockKubectls } from '../support/stock-clients.ts';
import { eventually } from '../support/wait.ts';
import type { Job } from '../../api/types/batch/v1.gen.ts';
import type { Pod } from '../../api/types/core/v1.gen.ts';

const IMAGE = 'kedge.local/hello:1.0';
t.setTimeout(10 * 60_000);
const cluster = await Cluster.start({ name: 'e2e-jobs', nodes: 2 });
cluster.endWith(t);
const programs = await stockKubectls();

const jobOf = (name: string, command: string, spec: object) => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name },
  spec: {
    ...spec,
    template: {
      spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: IMAGE, command: ['sh', '-c', command] }] },
    },
  },
});
const jobNamed = (name: string) => cluster.get<Job>('job', name);
const podsOf = async (selector: string) => (await cluster.get<{ items: Pod[] }>('pods', '-l', selector)).items;

for (const { version, program } of programs) {
  t.test(`kubectl ${version}: a Job runs to its end, and its log and state are shown`, async (t) => {
    const say = async (...args: string[]) => (await cluster.kubectlWith({ program }, ...args)).stdout;
    t.match(await say('create', 'job', 'once', `--image=${IMAGE}`, '--', 'echo', 'done'), 'job.batch/once created');
    t.match(await say('wait', '--for=condition=complete', 'job/once', '--timeout=60s'), 'condition met');
    t.equal(await say('logs', 'job/once'), 'done\n');
    t.match(await say('get', 'job', 'once'), /once .*1\/1/);
    t.match(await say('describe', 'job', 'once'), /1 Succeeded[^]*SuccessfulCreate[^]*Completed/);
    const [pod] = await podsOf('job-name=once');
    t.notOk(pod?.metadata?.finalizers?.length, 'its pod may go');
    t.match(await say('delete', 'job', 'once'), 'deleted');
    await eventually('its pod to go', async () => (await podsOf('job-name=once')).length === 0);
  });
}

t.test('an indexed Job whose pods fail at first is completed by others, and each pod is counted', async (t) => {
  // Its first pod of each index fails: the failures of an index are in an annotation of the next one.
  const job = jobOf('indexed', 'echo index $JOB_COMPLETION_INDEX; test "$JOB_COMPLETION_INDEX" != 1', {
    ...{ completionMode: 'Indexed', completions: 3, parallelism: 3, backoffLimitPerIndex: 0 },
  });
  await cluster.apply(job);
  await cluster.kubectl('wait', '--for=condition=failed', 'job/indexed', '--timeout=120s');
  const { status } = await jobNamed('indexed');
  t.match(status, { completedIndexes: '0,2', failedIndexes: '1', succeeded: 2, failed: 1 });
  t.match(status?.conditions?.at(-1), { type: 'Failed', reason: 'FailedIndexes' });
});

t.test('a Job goes on and is counted right when the server is killed', async (t) => {
  await cluster.apply(jobOf('hardy', 'sleep 1', { completions: 12, parallelism: 4 }));
  await eventually('some pods to have succeeded', async () => ((await jobNamed('hardy')).status?.succeeded ?? 0) >= 2);
  await cluster.server.end('SIGKILL');
  await cluster.startServer();
  await cluster.kubectl('wait', '--for=condition=complete', 'job/hardy', '--timeout=90s');
  const { status } = await jobNamed('hardy');
  const ended = (await podsOf('job-name=hardy')).filter((pod) => pod.status?.phase === 'Succeeded');
  t.equal(status?.succeeded, 12);
  t.equal(ended.length, 12, 'there were no more pods than that');
});

t.test('a CronJob starts a Job every minute, and one at once when it is asked to', async (t) => {
  const command = ['--', 'date'];
  await cluster.kubectl('create', 'cronjob', 'minutely', `--image=${IMAGE}`, '--schedule=* * * * *', ...command);
  await cluster.kubectl('create', 'job', 'by-hand', '--from=cronjob/minutely');
  await cluster.kubectl('wait', '--for=condition=complete', 'job/by-hand', '--timeout=60s');
  const name = await eventually(
    'a Job of the schedule',
    async () => {
      const { items } = await cluster.get<{ items: Job[] }>('jobs');
      return items.find(({ metadata }) => metadata?.name?.startsWith('minutely-'))?.metadata?.name;
    },
    90,
  );
  await cluster.kubectl('wait', '--for=condition=complete', `job/${name}`, '--timeout=60s');
  t.match((await cluster.kubectl('get', 'cronjob', 'minutely')).stdout, /\* \* \* \* \*\s+<none>\s+False\s+0/);
  await cluster.kubectl('delete', 'cronjob', 'minutely');
  await eventually('its Jobs to go', async () => {
    const { items } = await cluster.get<{ items: Job[] }>('jobs');
    return items.every(({ metadata }) => !metadata?.name?.startsWith('minutely-'));
  });
});

t.test('a drain waits until the budget of the pods allows each of them to go', async (t) => {
  const node = cluster.nodes[1]!.name;
  const labels = { app: 'guarded' };
  const spread = { topologyKey: 'kubernetes.io/hostname', maxSkew: 1, whenUnsatisfiable: 'ScheduleAnyway' };
  const container = {
    name: 'web',
    image: IMAGE,
    readinessProbe: { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 },
  };
  await cluster.apply({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'guarded' },
    spec: {
      replicas: 4,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          terminationGracePeriodSeconds: 1,
          topologySpreadConstraints: [{ ...spread, labelSelector: { matchLabels: labels } }],
          containers: [container],
        },
      },
    },
  });
  await cluster.kubectl('create', 'pdb', 'guarded', '--selector=app=guarded', '--min-available=75%');
  await cluster.kubectl('wait', '--for=condition=Available', 'deployment/guarded', '--timeout=60s');
  await eventually('the budget to allow one', async () =>
    (await cluster.kubectl('get', 'pdb', 'guarded')).stdout.match(/75%\s+N\/A\s+1\s/),
  );
  let fewest = Infinity;
  const drained = cluster.kubectl('drain', node, '--ignore-daemonsets', '--force', '--timeout=100s');
  let isOver = false;
  const over = drained.finally(() => (isOver = true));
  await eventually('the drain to end', async () => {
    const ready = (await podsOf('app=guarded')).filter(({ metadata, status }) => {
      const isReady = status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True');
      return isReady && !metadata?.deletionTimestamp;
    });
    fewest = Math.min(fewest, ready.length);
    return isOver;
  });
  t.match((await over).stdout, new RegExp(`node/${node} (?:evicted|drained)`));
  t.ok(fewest >= 3, `never fewer than three were ready, but ${fewest}`);
  t.notOk((await podsOf('app=guarded')).some(({ spec }) => spec?.nodeName === node));
  await cluster.kubectl('uncordon', node);
});
