/** Which pods make room for another, by what upstream's documentation promises. */
import t from 'tap';
import type { Pod, PodSpec } from '../../../api/types/core/v1.gen.ts';
import { SchedulingCache } from '../../../control-plane/scheduler/cache.ts';
import { decide, type Unschedulable } from '../../../control-plane/scheduler/decide.ts';
import { disruptionBudget } from '../../../control-plane/scheduler/framework/disruption-budget.ts';
import { NodeSampling } from '../../../control-plane/scheduler/framework/node-sampling.ts';
import { podInfo, type PendingPod } from '../../../control-plane/scheduler/framework/pod-info.ts';
import { profileOf } from '../../../control-plane/scheduler/framework/profile.ts';
import { defaultPlugins } from '../../../control-plane/scheduler/plugins/index.ts';
import { factsOf, podOf, requesting } from './objects.ts';

interface Running {
  readonly name: string;
  readonly cpu: string;
  readonly priority?: number;
  readonly labels?: Record<string, string>;
  /** Seconds after a fixed time. */
  readonly started?: number;
  readonly deleting?: boolean;
}
const running = ({ name, cpu, priority = 0, labels, started = 0, deleting }: Running, nodeName: string): Pod => ({
  ...podOf(
    name,
    { ...requesting({ cpu }), priority, nodeName },
    { labels, ...(deleting && { deletionTimestamp: '2026-01-01T00:00:00Z' }) },
  ),
  status: { startTime: new Date(Date.UTC(2026, 0, 1, 0, 0, started)).toISOString() },
});

/** Nodes of 2 CPUs with these pods. */
function clusterWith(nodes: Readonly<Record<string, readonly Running[]>>): SchedulingCache {
  const cache = new SchedulingCache();
  for (const [name, pods] of Object.entries(nodes)) {
    cache.setNode(factsOf(name));
    for (const pod of pods) cache.setPod(podInfo(running(pod, name)));
  }
  return cache;
}
const wanting = (cpu: string, priority: number, spec: Partial<PodSpec> = {}, name = 'p'): PendingPod =>
  podInfo(podOf(name, { ...requesting({ cpu }), priority, ...spec })) as PendingPod;
const decideOn = (cache: SchedulingCache, pod: PendingPod) =>
  decide(pod, cache, profileOf(defaultPlugins), new NodeSampling(), () => 0);
const outcome = (cache: SchedulingCache, pod: PendingPod): string => {
  const { nominatedNodeName, victims = [] } = decideOn(cache, pod) as Unschedulable;
  return nominatedNodeName ? `${nominatedNodeName}: ${victims.map(({ name }) => name).join(' ')}` : 'nobody';
};

const rows: readonly [what: string, nodes: Record<string, Running[]>, pod: PendingPod, outcome: string][] = [
  ['a pod of lower priority', { a: [{ name: 'low', cpu: '2' }] }, wanting('2', 10), 'a: low'],
  ['not one of the same priority', { a: [{ name: 'same', cpu: '2', priority: 10 }] }, wanting('2', 10), 'nobody'],
  [
    'no more than needed, the important ones stay',
    {
      a: [
        { name: 'one', cpu: '500m', priority: 1 },
        { name: 'two', cpu: '500m', priority: 2 },
        { name: 'three', cpu: '1', priority: 3 },
      ],
    },
    wanting('500m', 10),
    'a: one',
  ],
  ['where it would not help', { a: [{ name: 'low', cpu: '2' }] }, wanting('3', 10), 'nobody'],
  [
    'the node whose victims are the least important',
    { a: [{ name: 'x', cpu: '2', priority: 5 }], b: [{ name: 'y', cpu: '2', priority: 4 }] },
    wanting('2', 10),
    'b: y',
  ],
  [
    'the smaller sum of priorities, then',
    {
      a: [
        { name: 'x', cpu: '1', priority: 5 },
        { name: 'x2', cpu: '1', priority: 5 },
      ],
      b: [
        { name: 'y', cpu: '1', priority: 5 },
        { name: 'y2', cpu: '1', priority: 1 },
      ],
    },
    wanting('2', 10),
    'b: y y2',
  ],
  [
    'the fewest victims, even if their priorities are negative',
    {
      a: [
        { name: 'x', cpu: '1', priority: -5 },
        { name: 'x2', cpu: '1', priority: -5 },
      ],
      b: [{ name: 'y', cpu: '2', priority: -5 }],
    },
    wanting('2', 10),
    'b: y',
  ],
  [
    'the ones that were started last, then',
    { a: [{ name: 'old', cpu: '2', started: 1 }], b: [{ name: 'young', cpu: '2', started: 50 }] },
    wanting('2', 10),
    'b: young',
  ],
  [
    'pods without preemption policy stay modest',
    { a: [{ name: 'low', cpu: '2' }] },
    wanting('2', 10, { preemptionPolicy: 'Never' }),
    'nobody',
  ],
];
t.test('who has to go', async (t) => {
  for (const [what, nodes, pod, expected] of rows) t.equal(outcome(clusterWith(nodes), pod), expected, what);
});

t.test('budgets are kept where that is possible', async (t) => {
  const labels = { app: 'db' };
  const nodes = {
    a: [{ name: 'db', cpu: '2', labels }],
    b: [{ name: 'web', cpu: '2', priority: 9 }],
  };
  const cache = clusterWith(nodes);
  const budget = (disruptionsAllowed: number, matchLabels: Record<string, string> = labels) =>
    disruptionBudget({
      metadata: { name: 'b', namespace: 'default' },
      spec: { selector: { matchLabels } },
      status: { disruptionsAllowed, currentHealthy: 1, desiredHealthy: 1, expectedPods: 1 },
    });
  cache.setBudget('b', budget(0));
  t.equal(outcome(cache, wanting('2', 10)), 'b: web', 'rather one of higher priority');
  t.equal(outcome(clusterWith({ a: nodes.a }), wanting('2', 10)), 'a: db');
  cache.removeNode('b');
  t.equal(outcome(cache, wanting('2', 10)), 'a: db', 'there is no other way');
  cache.setNode(factsOf('b'));
  cache.setBudget('b', budget(1));
  t.equal(outcome(cache, wanting('2', 10)), 'a: db', 'one is allowed to go');
  cache.setBudget('b', budget(0, {}));
  t.equal(outcome(cache, wanting('2', 10)), 'a: db', 'an empty selector protects nobody');
});

t.test('what is said', async (t) => {
  const said = (cache: SchedulingCache, pod: PendingPod) => (decideOn(cache, pod) as Unschedulable).message;
  const cache = clusterWith({ a: [{ name: 'x', cpu: '2', priority: 10 }] });
  cache.setNode(factsOf('b', { spec: { unschedulable: true } }));
  t.equal(
    said(cache, wanting('1', 10)),
    '0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable. ' +
      'preemption: 0/2 nodes are available: 1 No preemption victims found for incoming pod, ' +
      '1 Preemption is not helpful for scheduling.',
  );
  t.equal(
    said(cache, wanting('1', 20, { preemptionPolicy: 'Never' })),
    '0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable. ' +
      'preemption: not eligible due to preemptionPolicy=Never.',
  );
});

t.test('a node is kept for the pod that it was cleared for', async (t) => {
  const cache = clusterWith({ a: [{ name: 'going', cpu: '2', deleting: true }] });
  const urgent = wanting('2', 10, {}, 'urgent');
  cache.nominated.set(urgent, 'a');
  const { message } = decideOn(cache, urgent) as Unschedulable;
  t.match(message, /preemption: not eligible due to a terminating pod on the nominated node\.$/);
  cache.removePod(podInfo(running({ name: 'going', cpu: '2' }, 'a')));
  t.match(decideOn(cache, wanting('1', 5)), { node: undefined }, 'not for one of lower priority');
  t.match(decideOn(cache, wanting('1', 20)), { node: 'a' }, 'but for one of higher priority');
  cache.setNode(factsOf('b'));
  t.match(decideOn(cache, wanting('1', 5)), { node: 'b' });
  t.match(decideOn(cache, urgent), { node: 'a' }, 'its own node, although the other is as good');
  cache.nominated.delete(urgent.uid);
  t.match(decideOn(cache, wanting('2', 5)), { node: 'a' });
});

t.test('anti-affinity is a reason to preempt', async (t) => {
  const cache = clusterWith({ a: [{ name: 'web', cpu: '100m', labels: { app: 'web' } }] });
  const term = { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'web' } } };
  const podAntiAffinity = { requiredDuringSchedulingIgnoredDuringExecution: [term] };
  t.equal(outcome(cache, wanting('100m', 10, { affinity: { podAntiAffinity } })), 'a: web');
});
