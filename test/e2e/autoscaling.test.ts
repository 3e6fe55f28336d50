/** `kubectl top` and autoscaling as a user has them, with stock kubectls and pods that burn CPU. */
import { rm, writeFile, mkdir } from 'node:fs/promises';
import path from 'node:path';
import t from 'tap';
import { Cluster } from '../support/cluster.ts';
import { stockKubectls } from '../support/stock-clients.ts';
import { eventually } from '../support/wait.ts';
import type { HorizontalPodAutoscaler } from '../../api/types/autoscaling/v2.gen.ts';
import type { Deployment } from '../../api/types/apps/v1.gen.ts';

const IMAGE = 'kedge.local/hello:1.0';
t.setTimeout(15 * 60_000);
const cluster = await Cluster.start({ name: 'e2e-hpa', nodes: 2 });
cluster.endWith(t);
const programs = await stockKubectls();

/** Pods burn CPU while there is a file `on` in it. */
const switches = path.join(cluster.directory, 'switches');
await mkdir(switches);
const isBurning = (on: boolean) => {
  const file = path.join(switches, 'on');
  return on ? writeFile(file, '') : rm(file, { force: true });
};

const burner = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'burner' },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: 'burner' } },
    template: {
      metadata: { labels: { app: 'burner' } },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            ...{ name: 'burner', image: IMAGE },
            command: ['sh', '-c', 'while :; do test -e /switches/on || sleep 1; done'],
            resources: { requests: { cpu: '50m' }, limits: { cpu: '100m' } },
            volumeMounts: [{ name: 'switches', mountPath: '/switches' }],
          },
          { name: 'idle', image: IMAGE, command: ['sleep', '3600'], resources: { requests: { cpu: '1m' } } },
        ],
        volumes: [{ name: 'switches', hostPath: { path: switches } }],
      },
    },
  },
};
const deployment = () => cluster.get<Deployment>('deployment', 'burner');
const autoscaler = () => cluster.get<HorizontalPodAutoscaler>('horizontalpodautoscalers.v2.autoscaling', 'burner');

await cluster.apply(burner);
await cluster.kubectl('rollout', 'status', 'deployment/burner', '--timeout=60s');

t.test('kubectl top shows nodes, pods and containers with nothing installed', async (t) => {
  for (const { version, program } of programs) {
    const top = async (...args: string[]) => (await cluster.kubectlWith({ program }, 'top', ...args)).stdout;
    // Without a metric, it fails, or shows `<unknown>`.
    await eventually('the pod to be measured', () => top('pod').catch(() => undefined), 60);
    const nodes = await top('node');
    for (const { name } of cluster.nodes)
      t.match(nodes, new RegExp(`^${name} +\\d+m +\\d+% +\\d+Mi +\\d+%`, 'm'), `kubectl ${version}`);
    t.match(await top('pod'), /^burner-\S+ +\d+m +\d+Mi/m, version);
    const containers = await top('pod', '--containers', '-l', 'app=burner');
    t.match(containers, /^burner-\S+ +burner +\d+m +\d+Mi/m, version);
    t.match(containers, /^burner-\S+ +idle +\d+m +\d+Mi/m, version);
    t.match(await top('pod', '-A', '--sort-by=cpu'), /^default +burner-/m, version);
  }
});

t.test('a Deployment that burns CPU is scaled up, and down again when it does not', async (t) => {
  const { stdout } = await cluster.kubectl(
    'autoscale',
    'deployment',
    'burner',
    '--cpu-percent=60',
    '--min=1',
    '--max=3',
  );
  t.match(stdout, 'autoscaled');
  const behavior = { scaleDown: { stabilizationWindowSeconds: 5 } };
  const patch = JSON.stringify({ spec: { behavior } });
  await cluster.kubectl('patch', 'horizontalpodautoscalers.v2.autoscaling', 'burner', '--type=merge', '-p', patch);
  await isBurning(true);
  await eventually('three replicas', async () => (await deployment()).spec?.replicas === 3, 120);
  await cluster.kubectl('rollout', 'status', 'deployment/burner', '--timeout=60s');
  await eventually('the usage', async () => (await autoscaler()).status?.currentMetrics?.[0]?.resource, 60);
  t.match((await cluster.kubectl('get', 'hpa', 'burner')).stdout, /Deployment\/burner .*\d+%\/60% +1 +3 +[123]/);
  t.match((await cluster.kubectl('describe', 'hpa', 'burner')).stdout, /SuccessfulRescale[^]*above target/);
  await isBurning(false);
  await eventually('one replica', async () => (await deployment()).spec?.replicas === 1, 180);
  t.match((await cluster.kubectl('describe', 'hpa', 'burner')).stdout, /SuccessfulRescale[^]*All metrics below target/);
});

t.test('an autoscaler goes on when the server is killed', async (t) => {
  await cluster.server.end('SIGKILL');
  await cluster.startServer();
  await isBurning(true);
  await eventually('three replicas', async () => (await deployment()).spec?.replicas === 3, 180);
  const { status } = await autoscaler();
  t.match(
    status?.conditions?.find(({ type }) => type === 'ScalingActive'),
    { status: 'True', reason: 'ValidMetricFound' },
  );
  await isBurning(false);
});
