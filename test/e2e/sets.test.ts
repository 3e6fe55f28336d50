/** A StatefulSet and a DaemonSet on two nodes: rollouts, undo and history with kubectl; pods that die, nodes that are drained or join. */
import t from 'tap';
import { Cluster } from '../support/cluster.ts';
import { HELLO_IMAGE } from '../support/pods.ts';
import { eventually } from '../support/wait.ts';
import type { DaemonSet, StatefulSet } from '../../api/types/apps/v1.gen.ts';
import type { Pod } from '../../api/types/core/v1.gen.ts';

t.setTimeout(5 * 60_000);
const cluster = await Cluster.start({ name: 'e2e-sets', nodes: 2 });
cluster.endWith(t);
const [first, second] = cluster.nodes;
if (!first || !second) throw new Error('two nodes are needed');

const out = async (...args: string[]): Promise<string> => (await cluster.kubectl(...args)).stdout;
const podsOf = async (app: string): Promise<Pod[]> =>
  (await cluster.get<{ items: Pod[] }>('pods', '-l', `app=${app}`, '--sort-by=.metadata.name')).items;

/** What each pod runs with, by the shell in it: `HOSTNAME COLOUR`. */
const inside = async (names: readonly string[]): Promise<string[]> =>
  Promise.all(
    names.map(async (name) => (await out('exec', name, '--', 'sh', '-c', 'echo $(hostname) $COLOUR')).trim()),
  );

const templateOf = (app: string) => ({
  metadata: { labels: { app } },
  spec: {
    terminationGracePeriodSeconds: 1,
    containers: [
      {
        name: 'c',
        image: HELLO_IMAGE,
        command: ['sh', '-c', 'exec httpd -f -p 8080 -h /www'],
        env: [{ name: 'COLOUR', value: 'red' }],
        readinessProbe: { httpGet: { port: 8080 }, periodSeconds: 1 },
      },
    ],
  },
});

t.test(
  'a StatefulSet keeps its names through a rolling update, an undo, a restart and the loss of a pod',
  async (t) => {
    const names = ['db-0', 'db-1', 'db-2'];
    const selector = { matchLabels: { app: 'db' } };
    await cluster.apply({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'db' },
      spec: { clusterIP: 'None', selector: { app: 'db' }, ports: [{ port: 8080 }] },
    });
    await cluster.apply({
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: { name: 'db' },
      spec: { serviceName: 'db', replicas: 3, selector, template: templateOf('db') },
    });
    const rolledOut = () => out('rollout', 'status', 'statefulset/db', '--timeout=60s');
    t.match(await rolledOut(), 'roll out complete: 3 new pods');
    t.strictSame(await inside(names), ['db-0 red', 'db-1 red', 'db-2 red']);
    const started = (await podsOf('db')).map(({ status }) => status?.startTime ?? '');
    t.strictSame(started, [...started].sort(), 'one after the other');

    await cluster.kubectl('set', 'env', 'statefulset/db', 'COLOUR=blue');
    t.match(await rolledOut(), 'roll out complete: 3 new pods');
    t.strictSame(await inside(names), ['db-0 blue', 'db-1 blue', 'db-2 blue']);
    t.match(await out('rollout', 'history', 'statefulset/db'), /REVISION +CHANGE-CAUSE\n1 .*\n2 /);
    await cluster.kubectl('rollout', 'undo', 'statefulset/db', '--to-revision=1');
    await rolledOut();
    t.strictSame(await inside(names), ['db-0 red', 'db-1 red', 'db-2 red']);
    t.match(await out('rollout', 'history', 'statefulset/db'), /REVISION +CHANGE-CAUSE\n2 .*\n3 /);

    const uids = async (app: string) => (await podsOf(app)).map(({ metadata }) => metadata?.uid);
    const before = await uids('db');
    await cluster.kubectl('rollout', 'restart', 'statefulset/db');
    await rolledOut();
    const after = await uids('db');
    t.equal(new Set([...before, ...after]).size, 6, 'each pod is another one');
    await cluster.kubectl('delete', 'pod', 'db-1', '--now');
    await cluster.kubectl('wait', '--for=condition=Ready', '--timeout=30s', 'pod/db-1', 'pod/db-0', 'pod/db-2');
    const [zero, , two] = await uids('db');
    t.strictSame([zero, two], [after[0], after[2]], 'the others are untouched');

    await cluster.kubectl('scale', 'statefulset', 'db', '--replicas=1');
    await cluster.kubectl('wait', '--for=delete', '--timeout=30s', 'pod/db-1', 'pod/db-2');
    await eventually('the status', async () => {
      const { status } = await cluster.get<StatefulSet>('statefulset', 'db');
      return status?.replicas === 1 && status.readyReplicas === 1;
    });
    await cluster.kubectl('delete', 'statefulset', 'db', '--cascade=foreground');
    t.strictSame(await podsOf('db'), []);
  },
);

t.test(
  'a DaemonSet runs on each node, also on one that is drained, and rolls out with and without a surge',
  async (t) => {
    const selector = { matchLabels: { app: 'logs' } };
    const daemon = {
      apiVersion: 'apps/v1',
      kind: 'DaemonSet',
      metadata: { name: 'logs' },
      spec: { selector, template: templateOf('logs') },
    };
    await cluster.apply(daemon);
    const rolledOut = () => out('rollout', 'status', 'daemonset/logs', '--timeout=60s');
    t.match(await rolledOut(), 'successfully rolled out');
    const nodesOf = async () => (await podsOf('logs')).map(({ spec }) => spec?.nodeName).sort();
    const coloursOf = async () => {
      const names = (await podsOf('logs')).map(({ metadata }) => metadata?.name ?? '');
      return (await inside(names)).map((line) => line.split(' ')[1]);
    };
    t.strictSame(await nodesOf(), [first.name, second.name]);

    await cluster.kubectl('set', 'env', 'daemonset/logs', 'COLOUR=blue');
    t.match(await rolledOut(), 'successfully rolled out');
    t.strictSame(await coloursOf(), ['blue', 'blue']);
    t.match(await out('rollout', 'history', 'daemonset/logs'), /REVISION +CHANGE-CAUSE\n1 .*\n2 /);
    await cluster.kubectl('rollout', 'undo', 'daemonset/logs', '--to-revision=1');
    await rolledOut();
    t.strictSame(await coloursOf(), ['red', 'red']);

    const surge = { spec: { updateStrategy: { rollingUpdate: { maxSurge: '100%', maxUnavailable: 0 } } } };
    await cluster.kubectl('patch', 'daemonset', 'logs', '--type=merge', '-p', JSON.stringify(surge));
    await cluster.kubectl('rollout', 'restart', 'daemonset/logs');
    await rolledOut();
    await eventually('one pod a node', async () => (await nodesOf()).join() === `${first.name},${second.name}`);
    await eventually('the status', async () => {
      const { status } = await cluster.get<DaemonSet>('daemonset', 'logs');
      return status?.numberAvailable === 2 && status.updatedNumberScheduled === 2 && status.numberMisscheduled === 0;
    });

    await cluster.kubectl('drain', second.name, '--ignore-daemonsets', '--timeout=30s');
    t.strictSame(await nodesOf(), [first.name, second.name], 'its pods tolerate what a cordon does');
    await cluster.kubectl(
      'delete',
      'pod',
      '-l',
      'app=logs',
      '--field-selector',
      `spec.nodeName=${second.name}`,
      '--now',
    );
    await rolledOut();
    t.strictSame(await nodesOf(), [first.name, second.name], 'also on the cordoned node');
    await cluster.kubectl('taint', 'nodes', second.name, 'dedicated=x:NoExecute');
    await eventually('the pod to go', async () => (await nodesOf()).join() === first.name);
    await cluster.kubectl('taint', 'nodes', second.name, 'dedicated-');
    await cluster.kubectl('uncordon', second.name);
    await eventually('it to be back', async () => (await nodesOf()).join() === `${first.name},${second.name}`);
    await rolledOut();
    await cluster.kubectl('delete', 'daemonset', 'logs', '--cascade=foreground');
    t.strictSame(await podsOf('logs'), []);
  },
);
