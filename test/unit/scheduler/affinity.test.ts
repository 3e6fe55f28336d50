/** Pod affinity and anti-affinity, by what upstream's documentation promises. */
import t from 'tap';
import type { Affinity, Pod, PodAffinityTerm } from '../../../api/types/core/v1.gen.ts';
import type { ObjectMeta } from '../../../api/types/meta/v1.gen.ts';
import { SchedulingCache } from '../../../control-plane/scheduler/cache.ts';
import { decide, type Decision } from '../../../control-plane/scheduler/decide.ts';
import { NodeSampling } from '../../../control-plane/scheduler/framework/node-sampling.ts';
import type { Plugin } from '../../../control-plane/scheduler/framework/plugin.ts';
import { podInfo, type PendingPod } from '../../../control-plane/scheduler/framework/pod-info.ts';
import { profileOf } from '../../../control-plane/scheduler/framework/profile.ts';
import { factsOf, pluginNamed, podOf } from './objects.ts';

const interPodAffinity = pluginNamed('InterPodAffinity');
const ZONE = 'topology.kubernetes.io/zone';
const HOST = 'kubernetes.io/hostname';

type Labels = Record<string, string>;
const term = (app: string, topologyKey = ZONE, more: Partial<PodAffinityTerm> = {}): PodAffinityTerm => ({
  labelSelector: { matchLabels: { app } },
  topologyKey,
  ...more,
});
const near = (...terms: PodAffinityTerm[]): Affinity => ({
  podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms },
});
const apart = (...terms: PodAffinityTerm[]): Affinity => ({
  podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms },
});
const preferring = (weight: number, podAffinityTerm: PodAffinityTerm): Affinity => ({
  podAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight, podAffinityTerm }] },
});
const avoiding = (weight: number, podAffinityTerm: PodAffinityTerm): Affinity => ({
  podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight, podAffinityTerm }] },
});
const podWith = (name: string, labels: Labels, affinity?: Affinity, metadata: Partial<ObjectMeta> = {}): Pod =>
  podOf(name, { affinity }, { labels, ...metadata });
const asPending = (pod: Pod): PendingPod => podInfo(pod) as PendingPod;

/** Two nodes in zone a, one in zone b, one without a zone. */
function clusterWith(pods: Readonly<Record<string, readonly Pod[]>>): SchedulingCache {
  const cache = new SchedulingCache();
  for (const [name, zone] of [
    ['a1', 'a'],
    ['a2', 'a'],
    ['b1', 'b'],
    ['bare', undefined],
  ] as const) {
    const labels = { [HOST]: name, ...(zone && { [ZONE]: zone }) };
    cache.setNode(factsOf(name, { metadata: { labels } }));
  }
  for (const [nodeName, placed] of Object.entries(pods))
    for (const pod of placed) cache.setPod(podInfo({ ...pod, spec: { ...pod.spec!, nodeName } }));
  cache.setNamespace('default', { 'kubernetes.io/metadata.name': 'default' });
  cache.setNamespace('prod', { tier: 'prod' });
  return cache;
}

/** The names of the nodes that the pod fits on. */
function fitting(cache: SchedulingCache, pod: PendingPod): string {
  const fit = cache.nodes.filter(({ facts }) => {
    const only: Plugin = {
      name: 'Only',
      filter: (_pod, node) => (node.facts.name === facts.name ? undefined : NOT_IT),
    };
    return decide(pod, cache, profileOf([interPodAffinity, only]), new NodeSampling(), () => 0).node !== undefined;
  });
  return fit
    .map(({ facts }) => facts.name)
    .sort()
    .join(' ');
}
const NOT_IT = { reasons: ['not it'], unresolvable: true };
const message = (decision: Decision): string | undefined => ('message' in decision ? decision.message : undefined);

const web = { app: 'web' };
const prodTerm = term('web', ZONE, { namespaceSelector: { matchLabels: { tier: 'prod' } } });
const rows: readonly [what: string, pods: Record<string, Pod[]>, pod: Pod, fits: string][] = [
  ['near a pod: its zone', { a1: [podWith('w', web)] }, podWith('p', {}, near(term('web'))), 'a1 a2'],
  ['near a pod: its host', { a1: [podWith('w', web)] }, podWith('p', {}, near(term('web', HOST))), 'a1'],
  ['near a pod that is not there', {}, podWith('p', {}, near(term('web'))), ''],
  ['the first of its kind, wherever there is a zone', {}, podWith('p', web, near(term('web'))), 'a1 a2 b1'],
  ['the second of its kind', { b1: [podWith('w', web)] }, podWith('p', web, near(term('web'))), 'b1'],
  [
    'all terms are met by one pod, not by two',
    { a1: [podWith('w', web)], a2: [podWith('d', { app: 'db' })] },
    podWith('p', {}, near(term('web'), term('db'))),
    '',
  ],
  [
    'all terms, each in its own topology',
    { a1: [podWith('w', { app: 'web', also: 'x' })] },
    podWith('p', {}, near(term('web'), { topologyKey: HOST, labelSelector: { matchLabels: { also: 'x' } } })),
    'a1',
  ],
  ['apart from a pod: its zone', { a1: [podWith('w', web)] }, podWith('p', {}, apart(term('web'))), 'b1 bare'],
  ['apart from its own kind', { a1: [podWith('w', web)] }, podWith('p', web, apart(term('web', HOST))), 'a2 b1 bare'],
  ['a pod that keeps others away', { a1: [podWith('w', {}, apart(term('web')))] }, podWith('p', web), 'b1 bare'],
  [
    'one that keeps away others than this',
    { a1: [podWith('w', {}, apart(term('db')))] },
    podWith('p', web),
    'a1 a2 b1 bare',
  ],
  [
    'in another namespace',
    { a1: [podWith('w', web, undefined, { namespace: 'prod' })] },
    podWith('p', {}, near(term('web'))),
    '',
  ],
  [
    'in a namespace that the term names',
    { a1: [podWith('w', web, undefined, { namespace: 'prod' })] },
    podWith('p', {}, near(term('web', ZONE, { namespaces: ['prod'] }))),
    'a1 a2',
  ],
  [
    'in a namespace by its labels',
    { a1: [podWith('w', web, undefined, { namespace: 'prod' })] },
    podWith('p', {}, near(prodTerm)),
    'a1 a2',
  ],
  ['not in its own, then', { a1: [podWith('w', web)] }, podWith('p', {}, near(prodTerm)), ''],
  [
    'in any namespace',
    { a1: [podWith('w', web, undefined, { namespace: 'prod' })] },
    podWith('p', {}, apart(term('web', HOST, { namespaceSelector: {} }))),
    'a2 b1 bare',
  ],
  [
    'no selector matches no pod',
    { a1: [podWith('w', web)] },
    podWith('p', web, apart({ topologyKey: ZONE })),
    'a1 a2 b1 bare',
  ],
];
t.test('which nodes a pod may go to', async (t) => {
  for (const [what, pods, pod, fits] of rows) t.equal(fitting(clusterWith(pods), asPending(pod)), fits, what);
});

t.test('the reasons are upstream words', async (t) => {
  const cache = clusterWith({ a1: [podWith('w', web, apart(term('db')))] });
  const reasons = (pod: Pod) =>
    message(decide(asPending(pod), cache, profileOf([interPodAffinity]), new NodeSampling(), () => 0));
  t.equal(
    reasons(podWith('p', {}, near(term('none')))),
    "0/4 nodes are available: 4 node(s) didn't match pod affinity rules.",
  );
  const everywhere = apart(term('web'), { topologyKey: HOST, labelSelector: {} });
  cache.setPod(podInfo(podOf('on-b1', { nodeName: 'b1' })));
  cache.setPod(podInfo(podOf('on-bare', { nodeName: 'bare' })));
  t.equal(
    reasons(podWith('p', { app: 'db' }, everywhere)),
    "0/4 nodes are available: 4 node(s) didn't match pod anti-affinity rules.",
  );
});

t.test('preferences of the pod and of those that run already decide among nodes', async (t) => {
  const chosen = (pods: Record<string, Pod[]>, pod: Pod) =>
    decide(asPending(pod), clusterWith(pods), profileOf([interPodAffinity]), new NodeSampling(), (count) => count - 1)
      .node;
  t.equal(chosen({ b1: [podWith('w', web)] }, podWith('p', {}, preferring(10, term('web')))), 'b1');
  t.equal(chosen({ a2: [podWith('w', web)] }, podWith('p', {}, avoiding(10, term('web', HOST)))), 'bare');
  t.equal(chosen({ b1: [podWith('w', {}, preferring(5, term('web')))] }, podWith('p', web)), 'b1', 'it wants the pod');
  t.equal(chosen({ b1: [podWith('w', {}, near(term('web')))] }, podWith('p', web)), 'b1', 'it needs such pods');
  t.equal(
    chosen({ a2: [podWith('w', {}, avoiding(5, term('web', HOST)))] }, podWith('p', web)),
    'bare',
    'it would rather be alone',
  );
});

t.test('a what-if without a pod counts without it', async (t) => {
  const cache = clusterWith({ a1: [podWith('w', web)], b1: [podWith('v', {}, apart(term('db', HOST)))] });
  const seen: string[] = [];
  const probe: Plugin = {
    name: 'Probe',
    postFilter: (_pod, { nodes }, _diagnosis, whatIf) => {
      for (const original of nodes) {
        const tried = whatIf(original);
        for (const pod of [...tried.node.pods()]) tried.removePod(pod);
        seen.push(`${original.facts.name} ${tried.filter() === undefined ? 'fits' : 'does not'}`);
      }
      return undefined;
    },
  };
  const pod = asPending(podWith('p', { app: 'db' }, apart(term('web'))));
  decide(pod, cache, profileOf([interPodAffinity, probe]), new NodeSampling(), () => 0);
  t.same(seen, [], 'it fits somewhere');
  cache.setPod(podInfo(podOf('w2', { nodeName: 'bare' }, { labels: web })));
  cache.setPod(podInfo(podOf('w3', { nodeName: 'a2', affinity: apart(term('db', HOST)) }, { labels: web })));
  const lonely = asPending(podWith('q', { app: 'db' }, apart(term('web', HOST))));
  decide(lonely, cache, profileOf([interPodAffinity, probe]), new NodeSampling(), () => 0);
  t.same(seen.sort(), ['a1 fits', 'a2 fits', 'b1 fits', 'bare fits']);
});

t.test('events that can help', async (t) => {
  const hints = interPodAffinity.queueingHints ?? {};
  const pod = podInfo(podWith('w', web));
  t.ok(hints.AssignedPodAdd?.(asPending(podWith('p', {}, near(term('web')))), { type: 'AssignedPodAdd', pod }));
  t.notOk(hints.AssignedPodAdd?.(asPending(podWith('p', {}, near(term('db')))), { type: 'AssignedPodAdd', pod }));
  t.ok(hints.AssignedPodDelete?.(asPending(podWith('p', {}, apart(term('web')))), { type: 'AssignedPodDelete', pod }));
  t.notOk(
    hints.AssignedPodDelete?.(asPending(podWith('p', {}, apart(term('db')))), { type: 'AssignedPodDelete', pod }),
  );
  const jealous = podInfo(podWith('j', {}, apart(term('web'))));
  t.ok(hints.AssignedPodDelete?.(asPending(podWith('p', web)), { type: 'AssignedPodDelete', pod: jealous }));
});
