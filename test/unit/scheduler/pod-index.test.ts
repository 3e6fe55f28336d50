/** The index equals a recount, whatever has happened. */
import t from 'tap';
import { own } from '../../../api/machinery/own.ts';
import { SchedulingCache } from '../../../control-plane/scheduler/cache.ts';
import type { PodMatcher } from '../../../control-plane/scheduler/framework/pod-index.ts';
import { podInfo, type PendingPod, type PodInfo } from '../../../control-plane/scheduler/framework/pod-info.ts';
import { factsOf, podOf } from './objects.ts';

const EVENTS = 100_000;
const CHECKED_EVERY = 5_000;
const ZONE = 'zone';
const HOST = 'kubernetes.io/hostname';
const NODES = 12;
const PODS = 60;

/** A small generator with a seed (mulberry32), so that a failure can be repeated. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const matchers: readonly PodMatcher[] = ['a', 'b', 'c'].map((app) => ({
  id: app,
  namespaces: app === 'c' ? undefined : new Set(['default']),
  matches: ({ labels, deleting }) => labels['app'] === app && !deleting,
}));

class Model {
  readonly #random: (below: number) => number;
  readonly cache = new SchedulingCache();
  /** What is bound or assumed, by uid. */
  readonly #placed = new Map<string, PodInfo>();
  readonly #assumed = new Set<string>();

  constructor(seed: number) {
    this.#random = randomFrom(seed);
  }

  step(): void {
    const event = this.#random(100);
    const nodeName = `n${this.#random(NODES)}`;
    const name = `p${this.#random(PODS)}`;
    if (event < 4) this.cache.removeNode(nodeName);
    else if (event < 20) this.#setNode(nodeName);
    else if (event < 60) this.#bind(this.#pod(name, nodeName));
    else if (event < 75) this.#assume(this.#pod(name, ''), nodeName);
    else if (event < 85) this.#forget(name);
    else this.#remove(name);
  }

  #setNode(name: string): void {
    const zone = this.#random(4);
    this.cache.setNode(
      factsOf(name, { metadata: { labels: { [HOST]: name, ...(zone > 0 && { [ZONE]: `z${zone}` }) } } }),
    );
  }

  #pod(name: string, nodeName: string): PodInfo {
    const app = ['a', 'b', 'c'][this.#random(3)]!;
    const term = { topologyKey: this.#random(2) ? ZONE : HOST, labelSelector: { matchLabels: { app } } };
    const podAntiAffinity = { requiredDuringSchedulingIgnoredDuringExecution: [term] };
    const deletionTimestamp = this.#random(5) === 0 && nodeName ? '2026-01-01T00:00:00Z' : undefined;
    const affinity = this.#random(3) === 0 ? { podAntiAffinity } : undefined;
    return podInfo(podOf(name, { nodeName, affinity }, { labels: { app }, deletionTimestamp }));
  }

  /** A pod that is bound never moves; one that is assumed may be bound elsewhere by somebody else. */
  #bind(wanted: PodInfo): void {
    const known = this.#placed.get(wanted.uid);
    const pod = known && !this.#assumed.has(wanted.uid) ? { ...wanted, nodeName: known.nodeName } : wanted;
    this.cache.setPod(pod);
    this.#placed.set(pod.uid, pod);
    this.#assumed.delete(pod.uid);
  }

  #assume(pod: PodInfo, nodeName: string): void {
    const isKnown = this.cache.nodes.some(({ facts }) => facts.name === nodeName);
    if (this.#placed.has(pod.uid) || !isKnown) return;
    this.cache.assume(pod as PendingPod, nodeName);
    this.#placed.set(pod.uid, { ...pod, nodeName });
    this.#assumed.add(pod.uid);
  }

  #forget(name: string): void {
    const uid = `uid-${name}`;
    if (this.cache.forget(uid)) this.#placed.delete(uid);
  }

  #remove(name: string): void {
    const pod = this.#placed.get(`uid-${name}`);
    if (!pod) return;
    this.cache.removePod(pod);
    this.#placed.delete(pod.uid);
  }

  /** What a recount of everything finds. */
  counted(key: string, matches: (pod: PodInfo) => boolean): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const pod of this.#placed.values()) {
      const node = this.cache.nodes.find(({ facts }) => facts.name === pod.nodeName);
      const value = node && own(node.facts.labels, key);
      if (value !== undefined && matches(pod)) counts[value] = (counts[value] ?? 0) + 1;
    }
    return counts;
  }

  domains(): Record<string, number> {
    const found: Record<string, number> = {};
    for (const { facts } of this.cache.nodes) {
      const value = own(facts.labels, ZONE);
      if (value !== undefined) found[value] = (found[value] ?? 0) + 1;
    }
    return found;
  }
}

t.test('counts equal a recount after 100,000 random events', async (t) => {
  const model = new Model(20261129);
  const { pods } = model.cache;
  for (const matcher of matchers) for (const key of [ZONE, HOST]) pods.count(matcher).byValue(key);
  pods.domains(ZONE);
  for (let event = 1; event <= EVENTS; event++) {
    model.step();
    if (event % CHECKED_EVERY !== 0) continue;
    for (const matcher of matchers) {
      for (const key of [ZONE, HOST]) {
        const expected = model.counted(key, (pod) => matcher.matches(pod));
        t.strictSame(
          Object.fromEntries(pods.count(matcher).byValue(key)),
          expected,
          `${matcher.id} by ${key}, ${event}`,
        );
      }
    }
    t.strictSame(Object.fromEntries(pods.domains(ZONE)), model.domains(), `domains, ${event}`);
    for (const { term, counts } of pods.holders('requiredAnti')) {
      const holds = (pod: PodInfo) => pod.terms?.requiredAnti.some(({ id }) => id === term.id) ?? false;
      t.strictSame(Object.fromEntries(counts.byValue(ZONE)), model.counted(ZONE, holds), `holders, ${event}`);
    }
  }
});

t.test('counts that nobody asks for are forgotten, and made anew when they are', async (t) => {
  const cache = new SchedulingCache();
  cache.setNode(factsOf('n'));
  cache.setPod(podInfo(podOf('p', { nodeName: 'n' })));
  const matcher = (id: number): PodMatcher => ({ id: String(id), namespaces: undefined, matches: () => true });
  const first = cache.pods.count(matcher(0));
  for (let id = 1; id <= 2_100; id++) cache.pods.count(matcher(id));
  cache.setPod(podInfo(podOf('q', { nodeName: 'n' })));
  t.equal(first.total, 1, 'it is not kept any more');
  t.equal(cache.pods.count(matcher(0)).total, 2);
  t.equal(cache.pods.count(matcher(2_100)).onNode('n'), 2);
});

t.test('topology labels that pods make up are forgotten', async (t) => {
  const { pods } = new SchedulingCache();
  const [domains, counts] = [pods.domains(ZONE), pods.count(matchers[0]!)];
  const byZone = counts.byValue(ZONE);
  t.equal(pods.domains(ZONE), domains, 'kept while they are few');
  t.equal(counts.byValue(ZONE), byZone);
  for (let index = 0; index < 1000; index++) {
    pods.domains(`made-up-${index}`);
    counts.byValue(`made-up-${index}`);
  }
  t.not(pods.domains(ZONE), domains);
  t.not(counts.byValue(ZONE), byZone);
});
