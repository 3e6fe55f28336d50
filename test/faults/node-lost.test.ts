/** A node is lost and returns; a node is drained and uncordoned. */
import t from 'tap';
import { Cluster } from '../support/cluster.ts';
import { HELLO_IMAGE, lives, pod } from '../support/pods.ts';
import { eventually } from '../support/wait.ts';
import type { Node, Pod, Service } from '../../api/types/core/v1.gen.ts';

t.setTimeout(4 * 60_000);
const cluster = await Cluster.start({
  name: 'e2e-lost',
  nodes: 2,
  server: { 'node-monitor-grace-period-seconds': '12' },
});
cluster.endWith(t);
const [first, second] = cluster.nodes;
if (!first || !second) throw new Error('two nodes are needed');

const out = async (...args: string[]): Promise<string> => (await cluster.kubectl(...args)).stdout;
const pods = async (app: string): Promise<Pod[]> =>
  (await cluster.get<{ items: Pod[] }>('pods', '-l', `app=${app}`)).items;
const running = async (app: string, node: string): Promise<Pod[]> =>
  (await pods(app)).filter(
    ({ metadata, spec, status }) =>
      metadata?.deletionTimestamp === undefined &&
      spec?.nodeName === node &&
      status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'),
  );
const tasks = async (): Promise<number> =>
  (await second.run('ctr', [...second.ctr, 'tasks', 'list', '-q'])).stdout.trim().split('\n').length;

const web = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web' },
  spec: {
    replicas: 4,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: {
        terminationGracePeriodSeconds: 1,
        tolerations: ['unreachable', 'not-ready'].map((name) => ({
          key: `node.kubernetes.io/${name}`,
          operator: 'Exists',
          effect: 'NoExecute',
          tolerationSeconds: 2,
        })),
        containers: [
          {
            name: 'web',
            image: HELLO_IMAGE,
            resources: { requests: { cpu: '50m' } },
            command: ['sh', '-c', 'exec httpd -f -p 8080 -h /www'],
            readinessProbe: { httpGet: { port: 8080 }, periodSeconds: 1 },
          },
        ],
      },
    },
  },
};

await cluster.apply(web);
const ports = [{ port: 80, targetPort: 8080 }];
await cluster.apply({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web' },
  spec: { selector: { app: 'web' }, ports },
});
await cluster.apply(pod('patient', {}, { nodeName: second.name }));
await cluster.kubectl('rollout', 'status', 'deploy/web', '--timeout=60s');
await cluster.kubectl('wait', '--for=condition=Ready', '--timeout=30s', 'pod/patient');
const { spec } = await cluster.get<Service>('service', 'web');

t.test('pods of a lost node are rescheduled, and cleaned up when it returns', async (t) => {
  t.ok((await running('web', second.name)).length > 0, 'the scheduler uses both nodes');
  const patient = await cluster.get<Pod>('pod', 'patient');
  await second.stopAgent('SIGKILL');
  await second.stopContainerd('SIGKILL');

  await cluster.kubectl('wait', '--for=condition=Ready=Unknown', '--timeout=40s', `node/${second.name}`);
  t.match(await out('get', 'nodes'), new RegExp(`${second.name} +NotReady `));
  await eventually('the taints', async () => {
    const { spec } = await cluster.get<Node>('node', second.name);
    const there = spec?.taints?.map(({ key, effect }) => `${key}:${effect}`) ?? [];
    return ['NoSchedule', 'NoExecute'].every((effect) => there.includes(`node.kubernetes.io/unreachable:${effect}`));
  });
  t.match(await out('describe', 'node', second.name), /NodeNotReady .*status is now: NodeNotReady/);
  await eventually(
    'all pods to run on the remaining node',
    async () => (await running('web', first.name)).length === 4,
  );
  await eventually('the Service to lead to them alone', async () => {
    const { stdout } = await cluster.kubectl(
      'get',
      'endpoints',
      'web',
      '-o',
      'jsonpath={.subsets[*].addresses[*].nodeName}',
    );
    return stdout.split(' ').every((name) => name === first.name);
  });
  for (let i = 0; i < 10; i++) t.equal(await first.curl(`http://${spec?.clusterIP}/`), 'Hello from Kedge\n');
  const stays = await cluster.get<Pod>('pod', 'patient');
  t.equal(stays.metadata?.deletionTimestamp, undefined, 'a pod with a longer toleration is kept');
  t.match(
    stays.status?.conditions?.find(({ type }) => type === 'Ready'),
    { status: 'False' },
  );
  t.match(await out('get', 'pods', '-l', 'app=web'), 'Terminating', 'evicted pods terminate until their node confirms');

  await second.startContainerd();
  await second.startAgent();
  await cluster.kubectl('wait', '--for=condition=Ready', '--timeout=40s', `node/${second.name}`);
  await eventually(
    'the taints to go',
    async () => !(await cluster.get<Node>('node', second.name)).spec?.taints?.length,
  );
  await eventually('the old pods to be gone', async () => (await pods('web')).length === 4);
  await eventually('their containers to be gone', async () => (await tasks()) === 2);
  await cluster.kubectl('wait', '--for=condition=Ready', '--timeout=20s', 'pod/patient');
  t.strictSame(lives(await cluster.get<Pod>('pod', 'patient')), lives(patient), 'the one that stayed ran all the time');
});

t.test('a node is drained and uncordoned', async (t) => {
  await cluster.kubectl('delete', 'pod', '-l', 'app=web', '--wait=false');
  await eventually('pods on both nodes', async () => {
    const [here, there] = [await running('web', first.name), await running('web', second.name)];
    return here.length + there.length === 4 && there.length > 0;
  });
  const evicted = await out(
    'drain',
    second.name,
    '--ignore-daemonsets',
    '--delete-emptydir-data',
    '--force',
    '--timeout=60s',
  );
  t.match(evicted, /pod\/web-\S+ evicted/);
  t.match(evicted, /pod\/patient evicted/);
  t.match(evicted, new RegExp(`node/${second.name} drained`));
  t.match(await out('get', 'nodes'), new RegExp(`${second.name} +Ready,SchedulingDisabled `));
  await eventually('all pods to run on the other node', async () => (await running('web', first.name)).length === 4);
  await cluster.apply({
    ...pod('picky'),
    spec: { ...pod('picky').spec, nodeSelector: { 'kubernetes.io/hostname': second.name } },
  });
  await eventually('the pod that must go there to wait', async () =>
    /1 node\(s\) were unschedulable/.test(await out('describe', 'pod', 'picky')),
  );
  await cluster.kubectl('uncordon', second.name);
  await cluster.kubectl('wait', '--for=condition=Ready', '--timeout=30s', 'pod/picky');
  t.equal((await cluster.get<Pod>('pod', 'picky')).spec?.nodeName, second.name);
});
