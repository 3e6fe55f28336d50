/** Default spread constraints, and the selectors of Services and controllers that they are about. */
import t from 'tap';
import { selectorFrom, type Labels } from '../../../api/machinery/selectors.ts';
import { SchedulingCache } from '../../../control-plane/scheduler/cache.ts';
import { decide } from '../../../control-plane/scheduler/decide.ts';
import { NodeSampling } from '../../../control-plane/scheduler/framework/node-sampling.ts';
import { podInfo, type PendingPod } from '../../../control-plane/scheduler/framework/pod-info.ts';
import { profileOf } from '../../../control-plane/scheduler/framework/profile.ts';
import { NO_STORAGE } from '../../../control-plane/scheduler/framework/storage.ts';
import {
  podTopologySpreadOf,
  type PodTopologySpreadSettings,
} from '../../../control-plane/scheduler/plugins/pod-topology-spread.ts';
import { WorkloadSelectors } from '../../../control-plane/scheduler/workload-cache.ts';
import { factsOf, podOf } from './objects.ts';

const ZONE = 'topology.kubernetes.io/zone';
const HOST = 'kubernetes.io/hostname';
const web = { app: 'web' };

const ownedBy = (kind: string, name: string, apiVersion = 'apps/v1') => [
  { apiVersion, kind, name, uid: `uid-${name}`, controller: true },
];
const podWith = (labels: Labels, ownerReferences?: ReturnType<typeof ownedBy>, namespace = 'default'): PendingPod =>
  podInfo(podOf('p', {}, { labels, ownerReferences, namespace })) as PendingPod;
const text = (selectors: WorkloadSelectors, pod: PendingPod): string =>
  (selectors.selectorFor(pod)?.requirements ?? []).map(({ key, values }) => `${key}=${values.join('|')}`).join(' ');

t.test('a pod belongs to those of its Services and of its controller', async (t) => {
  const selectors = new WorkloadSelectors();
  selectors.setService('default/web', web);
  selectors.setService('default/all', { tier: 'front' });
  selectors.setService('other/web', web);
  selectors.setController('ReplicaSet', 'default/web-1', selectorFrom({ matchLabels: { hash: '1' } }));
  selectors.setController('StatefulSet', 'default/web-1', selectorFrom({ matchLabels: { set: 'web' } }));
  const both = { ...web, tier: 'front' };
  t.equal(text(selectors, podWith({})), '');
  t.equal(text(selectors, podWith(web)), 'app=web');
  t.equal(text(selectors, podWith(both)), 'app=web tier=front');
  t.equal(text(selectors, podWith(web, ownedBy('ReplicaSet', 'web-1'))), 'app=web hash=1');
  t.equal(text(selectors, podWith({}, ownedBy('StatefulSet', 'web-1'))), 'set=web');
  t.equal(text(selectors, podWith({}, ownedBy('Job', 'web-1', 'batch/v1'))), '');
  t.equal(text(selectors, podWith({}, ownedBy('ReplicaSet', 'web-1', 'example.com/v1'))), '');
  t.equal(text(selectors, podWith({}, ownedBy('ReplicaSet', 'gone'))), '');
  selectors.setService('default/web', undefined);
  t.equal(text(selectors, podWith(both)), 'tier=front');
  selectors.setController('ReplicaSet', 'default/web-1', undefined);
  t.equal(text(selectors, podWith(web, ownedBy('ReplicaSet', 'web-1'))), '');
});

t.test('what is kept equals what is computed anew after 20,000 random events', async (t) => {
  let state = 20261129;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >>> 8) % below;
  };
  const kept = new WorkloadSelectors();
  const services = new Map<string, Labels>();
  const controllers = new Map<string, Labels>();
  const pods = Array.from({ length: 24 }, (_, index) =>
    podWith(
      { app: `a${index % 3}`, tier: `t${index % 2}` },
      index % 4 ? ownedBy('ReplicaSet', `rs${index % 4}`) : undefined,
      `ns${index % 2}`,
    ),
  );
  for (let event = 0; event < 20_000; event++) {
    const key = `ns${random(2)}`;
    const labels = random(3) ? { app: `a${random(3)}`, ...(random(2) && { tier: `t${random(2)}` }) } : undefined;
    if (random(2)) {
      const name = `${key}/s${random(4)}`;
      kept.setService(name, labels);
      if (labels) services.set(name, labels);
      else services.delete(name);
    } else {
      const name = `${key}/rs${random(4)}`;
      kept.setController('ReplicaSet', name, labels && selectorFrom({ matchLabels: labels }));
      if (labels) controllers.set(name, labels);
      else controllers.delete(name);
    }
    if (event % 50 !== 0) {
      kept.selectorFor(pods[random(pods.length)]!);
      continue;
    }
    const anew = new WorkloadSelectors();
    for (const [name, selector] of services) anew.setService(name, selector);
    for (const [name, matchLabels] of controllers)
      anew.setController('ReplicaSet', name, selectorFrom({ matchLabels }));
    const sorted = (of: WorkloadSelectors) => pods.map((pod) => text(of, pod).split(' ').sort().join(' '));
    t.strictSame(sorted(kept), sorted(anew), `event ${event}`);
  }
});

/** `pods`: how many of the workload run on each node. Nodes are named by their zone and a number; `x` has no zone. */
function clusterWith(pods: Readonly<Record<string, number>>): SchedulingCache {
  const workloads = new WorkloadSelectors();
  workloads.setService('default/web', web);
  const cache = new SchedulingCache(NO_STORAGE, workloads);
  for (const [name, count] of Object.entries(pods)) {
    const zone: Record<string, string> = name.startsWith('x') ? {} : { [ZONE]: name.slice(0, 1) };
    cache.setNode(factsOf(name, { metadata: { labels: { [HOST]: name, ...zone } } }));
    for (let index = 0; index < count; index++)
      cache.setPod(podInfo(podOf(`${name}-${index}`, { nodeName: name }, { labels: web })));
  }
  return cache;
}
const system: PodTopologySpreadSettings = { defaultingType: 'System', defaultConstraints: [] };
const decideWith = (
  settings: PodTopologySpreadSettings,
  pods: Readonly<Record<string, number>>,
  labels: Labels = web,
) =>
  decide(podWith(labels), clusterWith(pods), profileOf([podTopologySpreadOf(settings)]), new NodeSampling(), () => 0);

t.test('pods of a workload are spread over hosts and zones by default', async (t) => {
  t.equal(decideWith(system, { a1: 5, a2: 0, b1: 1, b2: 1 }).node, 'b1', 'the zone with fewer');
  t.equal(decideWith(system, { a1: 3, a2: 1, b1: 2, b2: 2 }).node, 'a2', 'the host with fewer of equal zones');
  t.equal(decideWith(system, { x1: 2, x2: 0 }).node, 'x2', 'hosts without a zone');
  t.equal(decideWith(system, { a1: 9, a2: 0 }, { app: 'other' }).node, 'a1', 'not those of no workload');
});

t.test('a profile has other constraints for all, or none', async (t) => {
  const constraint = { maxSkew: 1, topologyKey: ZONE, whenUnsatisfiable: 'DoNotSchedule' } as const;
  const strict: PodTopologySpreadSettings = { defaultingType: 'List', defaultConstraints: [constraint] };
  t.equal(decideWith({ defaultingType: 'List', defaultConstraints: [] }, { a1: 9, b1: 0 }).node, 'a1');
  t.equal(decideWith(strict, { a1: 1, b1: 0 }).node, 'b1');
  t.match(decideWith(strict, { a1: 1, x1: 0 }), { node: 'a1' });
  t.match(decideWith({ ...strict, defaultConstraints: [{ ...constraint, minDomains: 2 }] }, { a1: 1, x1: 0 }), {
    message: /1 node\(s\) didn't match pod topology spread constraints, 1 .*missing required label/,
  });
});
