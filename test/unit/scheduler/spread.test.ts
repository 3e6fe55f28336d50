/** Topology spread constraints, by what upstream's documentation promises. */
import t from 'tap';
import type { Pod, PodSpec, TopologySpreadConstraint } from '../../../api/types/core/v1.gen.ts';
import { SchedulingCache } from '../../../control-plane/scheduler/cache.ts';
import { decide } from '../../../control-plane/scheduler/decide.ts';
import { NodeSampling } from '../../../control-plane/scheduler/framework/node-sampling.ts';
import type { Plugin } from '../../../control-plane/scheduler/framework/plugin.ts';
import { podInfo, type PendingPod } from '../../../control-plane/scheduler/framework/pod-info.ts';
import { profileOf } from '../../../control-plane/scheduler/framework/profile.ts';
import { unresolvable } from '../../../control-plane/scheduler/framework/rejection.ts';
import { factsOf, pluginNamed, podOf } from './objects.ts';

const ZONE = 'topology.kubernetes.io/zone';
const HOST = 'kubernetes.io/hostname';
const spread = pluginNamed('PodTopologySpread');
const web = { app: 'web' };

const over = (topologyKey: string, more: Partial<TopologySpreadConstraint> = {}): TopologySpreadConstraint => ({
  topologyKey,
  maxSkew: 1,
  whenUnsatisfiable: 'DoNotSchedule',
  labelSelector: { matchLabels: web },
  ...more,
});
const asPending = (constraints: TopologySpreadConstraint[], spec: Partial<PodSpec> = {}, labels = web): PendingPod =>
  podInfo(podOf('p', { topologySpreadConstraints: constraints, ...spec }, { labels })) as PendingPod;

/** `pods`: how many of the workload run on each node. Nodes are named by their zone and a number; `x` has no zone. */
function clusterWith(pods: Readonly<Record<string, number>>, more: readonly Pod[] = []): SchedulingCache {
  const cache = new SchedulingCache();
  for (const [name, count] of Object.entries(pods)) {
    const zone: Record<string, string> = name.startsWith('x') ? {} : { [ZONE]: name.slice(0, 1) };
    const spec = name.endsWith('9') ? { taints: [{ key: 'k', effect: 'NoSchedule' as const }] } : {};
    cache.setNode(factsOf(name, { metadata: { labels: { [HOST]: name, ...zone } }, spec }));
    for (let index = 0; index < count; index++)
      cache.setPod(podInfo(podOf(`${name}-${index}`, { nodeName: name }, { labels: web })));
  }
  for (const pod of more) cache.setPod(podInfo(pod));
  return cache;
}

function fitting(cache: SchedulingCache, pod: PendingPod): string {
  const fit = cache.nodes.filter(({ facts }) => {
    const only: Plugin = {
      name: 'Only',
      filter: (_pod, node) => (node.facts.name === facts.name ? undefined : unresolvable('not it')),
    };
    return decide(pod, cache, profileOf([spread, only]), new NodeSampling(), () => 0).node !== undefined;
  });
  return fit.map(({ facts }) => facts.name).join(' ');
}

const onZones = (...zones: string[]): Partial<PodSpec> => ({
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: ZONE, operator: 'In', values: zones }] }],
      },
    },
  },
});
const terminating = (name: string, nodeName: string): Pod =>
  podOf(name, { nodeName }, { labels: web, deletionTimestamp: '2026-01-01T00:00:00Z' });

const rows: readonly [what: string, cluster: SchedulingCache, pod: PendingPod, fits: string][] = [
  ['the zone with fewer pods', clusterWith({ a1: 1, a2: 1, b1: 1 }), asPending([over(ZONE)]), 'b1'],
  ['any zone when they are even', clusterWith({ a1: 1, b1: 1 }), asPending([over(ZONE)]), 'a1 b1'],
  ['a greater skew', clusterWith({ a1: 2, b1: 1 }), asPending([over(ZONE, { maxSkew: 2 })]), 'a1 b1'],
  ['an empty zone counts', clusterWith({ a1: 1, b1: 1, c1: 0 }), asPending([over(ZONE)]), 'c1'],
  ['a node without the label is no choice', clusterWith({ a1: 1, b1: 0, x1: 0 }), asPending([over(ZONE)]), 'b1'],
  ['over hosts', clusterWith({ a1: 1, a2: 0, b1: 1 }), asPending([over(HOST)]), 'a2'],
  ['zones and hosts', clusterWith({ a1: 2, a2: 0, b1: 1, b2: 0 }), asPending([over(ZONE), over(HOST)]), 'b2'],
  [
    'a pod that is not counted itself',
    clusterWith({ a1: 1, b1: 0 }),
    asPending([over(ZONE)], {}, { app: 'db' }),
    'a1 b1',
  ],
  [
    'pods that are being deleted do not count',
    clusterWith({ a1: 0, b1: 1 }, [terminating('t', 'a1')]),
    asPending([over(ZONE)]),
    'a1',
  ],
  [
    'pods of other namespaces do not count',
    clusterWith({ a1: 0, b1: 1 }, [podOf('o', { nodeName: 'a1' }, { labels: web, namespace: 'other' })]),
    asPending([over(ZONE)]),
    'a1',
  ],
  ['too few domains: the least is 0', clusterWith({ a1: 1, b1: 1 }), asPending([over(ZONE, { minDomains: 3 })]), ''],
  ['enough domains', clusterWith({ a1: 1, b1: 1 }), asPending([over(ZONE, { minDomains: 2 })]), 'a1 b1'],
  [
    'only zones the pod may go to count',
    clusterWith({ a1: 1, b1: 1, c1: 0 }),
    asPending([over(ZONE)], onZones('a', 'b')),
    'a1 b1 c1',
  ],
  [
    'unless its node affinity is ignored',
    clusterWith({ a1: 1, b1: 1, c1: 0 }),
    asPending([over(ZONE, { nodeAffinityPolicy: 'Ignore' })], onZones('a', 'b')),
    'c1',
  ],
  ['tainted nodes count', clusterWith({ a1: 1, b9: 0 }), asPending([over(ZONE)]), 'b9'],
  [
    'unless taints are honoured',
    clusterWith({ a1: 1, b9: 0 }),
    asPending([over(ZONE, { nodeTaintsPolicy: 'Honor' })]),
    'a1 b9',
  ],
  [
    'the pods of one revision',
    clusterWith({ a1: 1, b1: 0 }, [podOf('n', { nodeName: 'b1' }, { labels: { app: 'web', rev: '2' } })]),
    asPending([over(ZONE, { matchLabelKeys: ['rev'] })], {}, { app: 'web', rev: '2' } as typeof web),
    'a1',
  ],
  [
    'no selector counts nothing',
    clusterWith({ a1: 3, b1: 0 }),
    asPending([over(ZONE, { labelSelector: undefined })]),
    'a1 b1',
  ],
  ['an empty one counts all', clusterWith({ a1: 3, b1: 0 }), asPending([over(ZONE, { labelSelector: {} })]), 'b1'],
];
t.test('which nodes a pod may go to', async (t) => {
  for (const [what, cluster, pod, fits] of rows) t.equal(fitting(cluster, pod), fits, what);
});

t.test('the reasons are upstream words', async (t) => {
  const decision = decide(
    asPending([over(ZONE)]),
    clusterWith({ a1: 1, b9: 0, x1: 0 }),
    profileOf([spread, tainted]),
    new NodeSampling(),
    () => 0,
  );
  t.match(decision, {
    message:
      "0/3 nodes are available: 1 it is tainted, 1 node(s) didn't match pod topology spread constraints, " +
      "1 node(s) didn't match pod topology spread constraints (missing required label).",
  });
});
const tainted: Plugin = {
  name: 'Tainted',
  filter: (_pod, { facts }) => (facts.taints.length > 0 ? unresolvable('it is tainted') : undefined),
};

t.test('ScheduleAnyway prefers the emptier domain', async (t) => {
  const anyway = { whenUnsatisfiable: 'ScheduleAnyway' } as const;
  const chosen = (pods: Record<string, number>, ...constraints: TopologySpreadConstraint[]) =>
    decide(asPending(constraints), clusterWith(pods), profileOf([spread]), new NodeSampling(), () => 0).node;
  t.equal(chosen({ a1: 2, a2: 0, b1: 1 }, over(ZONE, anyway)), 'b1');
  t.equal(chosen({ a1: 1, a2: 0, b1: 1 }, over(HOST, anyway)), 'a2');
  t.equal(chosen({ a1: 3, a2: 0, b1: 1, b2: 0 }, over(ZONE, anyway), over(HOST, anyway)), 'b2');
  t.equal(chosen({ x1: 0, a1: 5, b1: 4 }, over(ZONE, anyway)), 'b1', 'a node without the label is the last choice');
});

t.test('what-ifs count what would be removed and added', async (t) => {
  const seen: string[] = [];
  const probe: Plugin = {
    name: 'Probe',
    postFilter: (_pod, { nodes }, _diagnosis, whatIf) => {
      for (const original of nodes) {
        const tried = whatIf(original);
        const say = () => seen.push(`${original.facts.name} ${tried.filter() === undefined}`);
        const [victim] = [...tried.node.pods()];
        say();
        if (victim) tried.removePod(victim);
        say();
        if (victim) tried.addPod(victim);
        say();
      }
      return undefined;
    },
  };
  const full: Plugin = {
    ...tainted,
    filter: (_pod, { facts }) => (facts.name === 'b1' ? unresolvable('full') : undefined),
  };
  decide(
    asPending([over(ZONE)]),
    clusterWith({ a1: 1, b1: 0 }),
    profileOf([full, spread, probe]),
    new NodeSampling(),
    () => 0,
  );
  t.same(seen, ['a1 false', 'a1 true', 'a1 false', 'b1 false', 'b1 false', 'b1 false']);
});
