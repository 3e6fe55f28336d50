/**
 * A model of rolling updates: pods of a world that fail and become ready at random, and controllers whose caches lag behind it,
 * which are killed at random and of which several may be at work. However it goes, no update takes more pods away than it may.
 */
import t from 'tap';
import type { PodView } from '../../../control-plane/controllers/caches/pod-view.ts';
import { planDaemonSet } from '../../../control-plane/controllers/workloads/daemon-set/plan.ts';
import { planStatefulSet } from '../../../control-plane/controllers/workloads/stateful-set/plan.ts';
import { Random } from '../../fuzz/random.ts';
import type { DaemonSet, StatefulSet } from '../../../api/types/apps/v1.gen.ts';
import { podViewOf } from './pod-view.ts';
import { daemonSetOf, nodeViewOf, revisionOf, statefulSetOf } from './sets.ts';

const HASH = 'controller-revision-hash';

interface Snapshot {
  readonly pods: readonly PodView[];
  /** The number of the template that is wanted. */
  readonly version: number;
  /** The revision that StatefulSets are updated from. */
  readonly current: number;
}

/** What the api-server has, and had. Preconditions hold as there. */
class World {
  readonly history: Snapshot[] = [{ pods: [], version: 0, current: 0 }];
  #made = 0;

  get now(): Snapshot {
    return this.history.at(-1)!;
  }

  set(change: Partial<Snapshot>): void {
    this.history.push({ ...this.now, ...change });
  }

  update(pod: PodView, change: Partial<PodView>): void {
    this.set({ pods: this.now.pods.map((each) => (each === pod ? { ...each, ...change } : each)) });
  }

  /** False when the name is taken. */
  create(pod: PodView): boolean {
    if (this.now.pods.some(({ name }) => name === pod.name)) return false;
    const uid = `uid-${this.#made++}`;
    this.set({ pods: [...this.now.pods, { ...pod, uid, createdAt: this.#made, phase: 'Pending', ready: false }] });
    return true;
  }

  delete({ uid }: PodView): void {
    const pod = this.now.pods.find((each) => each.uid === uid);
    if (pod && !pod.deleting) this.update(pod, { deleting: true });
  }

  /** Something happens to a pod. `failing`: also what is no progress. */
  stir(random: Random, failing: boolean): void {
    const pod = this.now.pods.length > 0 ? random.pick(this.now.pods) : undefined;
    if (!pod) return;
    if (pod.deleting) this.set({ pods: this.now.pods.filter((each) => each !== pod) });
    else if (pod.phase === 'Pending') this.update(pod, { phase: 'Running', ready: !failing || random.chance(2) });
    else if (pod.phase === 'Failed') return;
    else if (!failing) this.update(pod, { ready: true });
    else if (random.chance(10)) this.update(pod, { phase: 'Failed', ready: false });
    else this.update(pod, { ready: random.chance(2) });
  }
}

/** The cache of a controller, and what it has to have seen before it acts again. */
class Controller {
  #at: number;
  #mustSee = 0;
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
    this.#at = world.history.length - 1;
  }

  /** What it sees, or nothing while that is behind its own writes. */
  look(random: Random, isLagging: boolean): Snapshot | undefined {
    const behind = this.#world.history.length - 1 - this.#at;
    this.#at += isLagging ? random.below(behind + 1) : behind;
    return this.#at >= this.#mustSee ? this.#world.history[this.#at] : undefined;
  }

  wrote(): void {
    this.#mustSee = this.#world.history.length - 1;
  }
}

const isAvailable = (pod: PodView): boolean => pod.ready && !pod.deleting;

interface Model {
  /** One round of a controller that sees this; returns whether it has written. It may be killed after any write. */
  act(world: World, seen: Snapshot, random: Random): boolean;
  unavailable(snapshot: Snapshot): number;
  readonly limit: number;
  /** Nothing is left to do. */
  isDone(snapshot: Snapshot): boolean;
}

interface Course {
  readonly controllers: number;
  readonly isLagging: boolean;
  /** Pods become unready and fail. */
  readonly isFailing: boolean;
}

/** Returns what has gone wrong. */
function run(model: Model, seed: number, { controllers, isLagging, isFailing }: Course): string | undefined {
  const random = new Random(seed);
  const world = new World();
  const at = Array.from({ length: controllers }, () => new Controller(world));
  const round = (isAllowedToLag: boolean): string | undefined => {
    const index = random.below(at.length);
    // Killed, and another takes its place, which lists everything anew.
    if (random.chance(20)) at[index] = new Controller(world);
    const seen = at[index]!.look(random, isAllowedToLag);
    if (!seen) return undefined;
    const before = model.unavailable(world.now);
    if (model.act(world, seen, random)) at[index]!.wrote();
    const after = model.unavailable(world.now);
    return after > Math.max(before, model.limit) ? `${after} pods are not available, from ${before}` : undefined;
  };
  const settle = (): boolean => {
    for (let step = 0; step < 5_000 && !model.isDone(world.now); step++) {
      if (random.chance(2)) world.stir(random, false);
      const problem = round(false);
      if (problem) throw new Error(problem);
    }
    return model.isDone(world.now);
  };
  if (!settle()) return 'the first rollout does not end';
  for (let update = 0; update < 4; update++) {
    world.set({ version: random.below(3) });
    for (let step = 0; step < 150; step++) {
      if (random.chance(2)) world.stir(random, isFailing);
      const problem = round(isLagging);
      if (problem) return problem;
    }
  }
  return settle() ? undefined : `it does not settle: ${JSON.stringify(world.now)}`;
}

function statefulSetModel(random: Random): Model {
  const replicas = 1 + random.below(5);
  const podManagementPolicy = random.pick(['OrderedReady', 'Parallel'] as const);
  const maxUnavailable = random.pick([undefined, undefined, 1, 2, 3]);
  const spec: StatefulSet['spec'] = {
    ...statefulSetOf({ replicas, podManagementPolicy }).spec!,
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { ...(maxUnavailable && { maxUnavailable }) } },
  };
  const revisions = [0, 1, 2].map((version) => revisionOf(`v${version}`, version));
  const nameOf = (version: number): string => revisions[version]?.metadata?.name ?? '';
  return {
    // As upstream: without that limit, and where pods are not in order, those below the one that is updated are not waited for.
    limit: maxUnavailable ?? (podManagementPolicy === 'Parallel' ? Infinity : 1),
    unavailable: ({ pods }) => replicas - pods.filter(isAvailable).length,
    isDone: ({ pods, version, current }) =>
      current === version &&
      pods.length === replicas &&
      pods.every((pod) => isAvailable(pod) && pod.labels[HASH] === nameOf(version)),
    act: (world, { pods, version, current }, random) => {
      const [from, update] = [revisions[current]!, revisions[version]!];
      const set: StatefulSet = { ...statefulSetOf(), spec, status: { replicas: 0 } };
      const plan = planStatefulSet({
        ...{ set, pods, now: 0, claim: () => undefined, backoffMs: () => 0 },
        revisions: { current: from, update },
      });
      const before = world.history.length;
      const updated = maxUnavailable ? undefined : plan.stages[3]?.[0];
      if (updated?.type === 'deletePod' && !areAvailableAbove(updated.pod, pods)) throw new Error('too early');
      for (const action of plan.stages.flat()) {
        if (random.chance(10)) return false;
        if (action.type === 'deletePod' || action.type === 'recreatePod') world.delete(action.pod);
        if (action.type !== 'createPod') continue;
        const { name = '', labels = {} } = action.pod.metadata ?? {};
        // As upstream, nothing more of the round is done when a name is taken.
        if (!world.create(podViewOf(name, { labels }))) break;
      }
      // Of a status that was computed from an old version nothing is written.
      if (plan.status.currentRevision === nameOf(version) && world.now.version === version) {
        if (world.now.current !== version) world.set({ current: version });
      }
      return world.history.length > before;
    },
  };
}

function areAvailableAbove({ name }: PodView, pods: readonly PodView[]): boolean {
  return pods.every((pod) => pod.name <= name || isAvailable(pod));
}

function daemonSetModel(random: Random, surges: boolean): Model {
  const nodes = Array.from({ length: 1 + random.below(5) }, (_, index) => nodeViewOf(`n${index}`));
  const number = 1 + random.below(3);
  const rollingUpdate = surges ? { maxSurge: number, maxUnavailable: 0 } : { maxUnavailable: number };
  const set: DaemonSet = daemonSetOf({ updateStrategy: { type: 'RollingUpdate', rollingUpdate } });
  let created = 0;
  return {
    limit: surges ? 0 : number,
    unavailable: ({ pods }) =>
      nodes.filter(({ name }) => !pods.some((pod) => pod.pinnedTo === name && isAvailable(pod))).length,
    isDone: ({ pods, version }) =>
      pods.length === nodes.length && pods.every((pod) => isAvailable(pod) && pod.labels[HASH] === `${version}`),
    act: (world, { pods, version }, random) => {
      const hash = `${version}`;
      const plan = planDaemonSet({ set, nodes, pods, hashes: new Set([hash]), backoffMs: () => 0, now: 0 });
      const before = world.history.length;
      for (const node of plan.create) {
        if (random.chance(10)) return false;
        const name = `web-${created++}`;
        world.create(podViewOf(name, { labels: { app: 'web', [HASH]: hash }, nodeName: node, pinnedTo: node }));
      }
      for (const pod of plan.remove) {
        if (random.chance(10)) return false;
        world.delete(pod);
      }
      return world.history.length > before;
    },
  };
}

const COURSES: readonly Course[] = [
  { controllers: 1, isLagging: true, isFailing: false },
  { controllers: 3, isLagging: true, isFailing: false },
  { controllers: 1, isLagging: false, isFailing: true },
  { controllers: 3, isLagging: false, isFailing: true },
];

/** So many courses of each kind. */
const RUNS = Number(process.env['RUNS'] ?? 40);

function check(title: string, courses: readonly Course[], modelOf: (random: Random) => Model): void {
  t.test(title, async (t) => {
    for (const course of courses) {
      const problems: string[] = [];
      for (let seed = 1; seed <= RUNS; seed++) {
        const problem = run(modelOf(new Random(seed)), seed, course);
        if (problem) problems.push(`seed ${seed}: ${problem}`);
      }
      t.strictSame(problems.slice(0, 3), [], JSON.stringify(course));
    }
  });
}

check('a StatefulSet keeps its bound', COURSES, statefulSetModel);
check('a DaemonSet keeps its bound', COURSES, (random) => daemonSetModel(random, false));
check('a DaemonSet with a surge keeps a pod on each node', COURSES, (random) => daemonSetModel(random, true));
