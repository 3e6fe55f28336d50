/** The scheduler with an api-server: bindings, conditions and events of pods, and plugins. */
import t, { type Test } from 'tap';
import { nodes } from '../../../api/kinds/core/node.ts';
import { pods } from '../../../api/kinds/core/pod.ts';
import type { Event, Pod, PodSpec } from '../../../api/types/core/v1.gen.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { events } from '../../../client/resources.gen.ts';
import type { Plugin } from '../../../control-plane/scheduler/framework/plugin.ts';
import { profileOf } from '../../../control-plane/scheduler/framework/profile.ts';
import { unschedulable, type Rejection } from '../../../control-plane/scheduler/framework/rejection.ts';
import { defaultPlugins } from '../../../control-plane/scheduler/plugins/index.ts';
import { Scheduler } from '../../../control-plane/scheduler/scheduler.ts';
import { eventually } from '../../support/wait.ts';
import { silent, TestServer } from '../apiserver/server.ts';

t.setTimeout(120_000);

const NO_VICTIMS = 'preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.';
const TOO_MANY = `0/1 nodes are available: 1 Too many pods. ${NO_VICTIMS}`;

class Cluster {
  readonly client: ApiClient;

  private constructor(client: ApiClient) {
    this.client = client;
  }

  /** An api-server with a scheduler that also runs these plugins. */
  static async start(t: Test, plugins: readonly Plugin[] = []): Promise<Cluster> {
    const server = await TestServer.start();
    const client = new ApiClient({ server: server.url(''), ca: server.ca, token: 'admin/system:masters' });
    const stopping = new AbortController();
    const scheduler = new Scheduler({ client, logger: silent, profiles: [profileOf([...defaultPlugins, ...plugins])] });
    const running = scheduler.run(stopping.signal);
    t.teardown(async () => {
      stopping.abort();
      await running;
      await client[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    });
    return new Cluster(client);
  }

  async addNode(name: string, maxPods = '110'): Promise<void> {
    await this.client.create(nodes, { metadata: { name } });
    const status = { allocatable: { cpu: '2', memory: '4Gi', pods: maxPods } };
    await this.client.patch(nodes, '', name, { status }, { type: 'merge', subresource: 'status' });
  }

  async addPod(name: string, spec: Partial<PodSpec> = {}): Promise<void> {
    const containers = [{ name: 'c', image: 'web:1' }];
    await this.client.create(pods, { metadata: { namespace: 'default', name }, spec: { containers, ...spec } });
  }

  /** Waits until the pod matches. */
  podWith(name: string, what: string, expected: (pod: Pod) => boolean): Promise<Pod> {
    return eventually(`${name} ${what}`, async () => {
      const pod = await this.client.get(pods, 'default', name);
      return expected(pod) && pod;
    });
  }

  bound(name: string, node: string): Promise<Pod> {
    return this.podWith(name, `on ${node}`, ({ spec }) => spec?.nodeName === node);
  }

  unscheduled(name: string, message: string, reason = 'Unschedulable'): Promise<Pod> {
    return this.podWith(name, `with ${reason}: ${message}`, ({ spec, status }) => {
      const condition = status?.conditions?.find(({ type }) => type === 'PodScheduled');
      return !spec?.nodeName && condition?.reason === reason && condition.message === message;
    });
  }

  event(pod: string, reason: string): Promise<Event> {
    return eventually(`${reason} on ${pod}`, async () => {
      const { items } = await this.client.list(events, { namespace: 'default' });
      return items.find((event) => event.reason === reason && event.involvedObject.name === pod);
    });
  }
}

t.test('a pod is bound as soon as a node fits, with an event', async (t) => {
  const cluster = await Cluster.start(t);
  const nowhere = 'no nodes available to schedule pods';
  await cluster.addPod('web');
  await cluster.unscheduled('web', nowhere);
  t.match(await cluster.event('web', 'FailedScheduling'), { type: 'Warning', message: nowhere });
  await cluster.addNode('n1');
  await cluster.bound('web', 'n1');
  t.match(await cluster.event('web', 'Scheduled'), {
    type: 'Normal',
    message: 'Successfully assigned default/web to n1',
    source: { component: 'default-scheduler' },
  });
});

t.test('an unschedulable pod is retried when another one is deleted', async (t) => {
  const cluster = await Cluster.start(t);
  await cluster.addNode('n1', '1');
  await cluster.addPod('first');
  await cluster.bound('first', 'n1');
  await cluster.addPod('second');
  await cluster.unscheduled('second', TOO_MANY);
  await cluster.client.delete(pods, 'default', 'first', { gracePeriodSeconds: 0 });
  await cluster.bound('second', 'n1');
});

t.test(
  'a pod with a scheduling gate is bound once the gate is removed, pods of other schedulers are ignored',
  async (t) => {
    const cluster = await Cluster.start(t);
    await cluster.addNode('n1');
    await cluster.addPod('gated', { schedulingGates: [{ name: 'example.com/gate' }] });
    await cluster.addPod('foreign', { schedulerName: 'other' });
    await cluster.addPod('plain');
    await cluster.bound('plain', 'n1');
    for (const name of ['gated', 'foreign']) {
      const pod = await cluster.client.get(pods, 'default', name);
      t.notOk(pod.spec?.nodeName, name);
    }
    const spec = { schedulingGates: null };
    await cluster.client.patch(pods, 'default', 'gated', { spec }, { type: 'merge' });
    await cluster.bound('gated', 'n1');
  },
);

t.test('a pod waiting on permit keeps its reservation until it is rejected or deleted', async (t) => {
  const decisions = new Map<string, (rejection: Rejection | undefined) => void>();
  const unreserved: string[] = [];
  const group: Plugin = {
    name: 'Group',
    permit: ({ name }) => {
      if (!name.startsWith('held')) return undefined;
      const { promise, resolve } = Promise.withResolvers<Rejection | undefined>();
      decisions.set(name, resolve);
      return { timeoutMs: 60_000, decided: promise };
    },
    unreserve: ({ name }) => void unreserved.push(name),
  };
  const cluster = await Cluster.start(t, [group]);
  const held = (name: string) => eventually(`${name} held`, () => decisions.get(name));
  await cluster.addNode('n1', '1');

  await cluster.addPod('held-1');
  const reject = await held('held-1');
  await cluster.addPod('held-2');
  await cluster.unscheduled('held-2', TOO_MANY);
  reject(unschedulable('the group is incomplete'));
  await cluster.unscheduled('held-1', '0/1 nodes are available: 1 the group is incomplete.');

  await held('held-2');
  await cluster.addPod('last');
  await cluster.unscheduled('last', TOO_MANY);
  await cluster.client.delete(pods, 'default', 'held-2', { gracePeriodSeconds: 0 });
  await cluster.bound('last', 'n1');
  t.same(unreserved, ['held-1', 'held-2']);
});

t.test('a pod that permit allows is bound', async (t) => {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const permit = () => {
    setImmediate(resolve, undefined);
    return { timeoutMs: 60_000, decided: promise };
  };
  const cluster = await Cluster.start(t, [{ name: 'Later', permit }]);
  await cluster.addNode('n1');
  await cluster.addPod('web');
  await cluster.bound('web', 'n1');
});

t.test('when reserve or pre-bind fails, the pod is unreserved and retried', async (t) => {
  const calls: string[] = [];
  const fails = new Set(['reserve', 'pre-bind']);
  const attempt = (point: string): void => {
    calls.push(point);
    if (fails.delete(point)) throw new Error(`${point} failed`);
  };
  const volumes: Plugin = {
    name: 'Volumes',
    reserve: () => void attempt('reserve'),
    unreserve: () => attempt('unreserve'),
    preBind: async () => attempt('pre-bind'),
  };
  const cluster = await Cluster.start(t, [volumes]);
  await cluster.addNode('n1', '1');
  await cluster.addPod('web');
  await cluster.bound('web', 'n1');
  t.same(calls, ['reserve', 'unreserve', 'reserve', 'pre-bind', 'unreserve', 'reserve', 'pre-bind']);
  t.match(await cluster.event('web', 'FailedScheduling'), { message: /^(reserve|pre-bind) failed$/ });
});

t.test('a plugin that throws affects only the pod that it throws for', async (t) => {
  const broken: Plugin = {
    name: 'Broken',
    filter: ({ name }) => {
      if (name === 'odd') throw new Error('filter failed');
      return undefined;
    },
  };
  const cluster = await Cluster.start(t, [broken]);
  await cluster.addNode('n1');
  await cluster.addPod('odd', { priority: 10 });
  await cluster.addPod('web');
  await cluster.bound('web', 'n1');
  await cluster.unscheduled('odd', 'filter failed', 'SchedulerError');
});

t.test("the node nominated by post-filter is in the pod's status", async (t) => {
  const preemption: Plugin = {
    name: 'Preemption',
    postFilter: (_pod, { nodes: [node] }) => ({
      nominatedNodeName: node?.facts.name,
      message: 'test: the event says so.',
    }),
  };
  const cluster = await Cluster.start(t, [preemption]);
  await cluster.addNode('n1', '0');
  await cluster.addPod('web');
  const message = `${TOO_MANY} test: the event says so.`;
  t.match(await cluster.unscheduled('web', message), { status: { nominatedNodeName: 'n1' } });
});

t.test('a pod of higher priority takes the place of one of lower priority', async (t) => {
  const cluster = await Cluster.start(t);
  const { client } = cluster;
  await cluster.addNode('n1', '1');
  await cluster.addPod('low');
  await cluster.bound('low', 'n1');
  await cluster.addPod('high', { priority: 1000 });
  const low = await cluster.podWith(
    'low',
    'being deleted',
    ({ metadata }) => metadata?.deletionTimestamp !== undefined,
  );
  t.match(low.status?.conditions, [{ type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler' }]);
  t.match((await cluster.event('low', 'Preempted')).message, /^Preempted by pod [-0-9a-f]{36} on node n1$/);
  const high = await cluster.podWith(
    'high',
    'with a node that is cleared',
    ({ status }) => status?.nominatedNodeName === 'n1',
  );
  t.equal(high.spec?.nodeName, undefined);
  // The place is its own, whoever comes first.
  await cluster.addPod('late');
  await cluster.event('late', 'FailedScheduling');
  await client.delete(pods, 'default', 'low', { gracePeriodSeconds: 0 });
  await cluster.bound('high', 'n1');
  await cluster.unscheduled('late', TOO_MANY);
});
