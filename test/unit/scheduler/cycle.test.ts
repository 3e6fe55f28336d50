/** Every extension point of the framework, with plugins made for the test. */
import t from 'tap';
import { Cycle } from '../../../control-plane/scheduler/framework/cycle.ts';
import type { NodeInfo } from '../../../control-plane/scheduler/framework/node-info.ts';
import { NodeSampling } from '../../../control-plane/scheduler/framework/node-sampling.ts';
import type { Plugin, PluginOf, PostFilterResult } from '../../../control-plane/scheduler/framework/plugin.ts';
import { profileOf } from '../../../control-plane/scheduler/framework/profile.ts';
import { unresolvable, unschedulable, type Rejection } from '../../../control-plane/scheduler/framework/rejection.ts';
import { bound, clusterOf, decideOn, nodeOf, pending, pluginNamed, podOf, requesting } from './objects.ts';

const cycleOf = (plugins: readonly Plugin[], nodes = [nodeOf('n')]): Cycle =>
  new Cycle(profileOf(plugins), pending(), clusterOf(nodes), new NodeSampling());
const nodeResourcesFit = pluginNamed('NodeResourcesFit');
const never = new AbortController().signal;

/** Limits pods per zone, as topology spread would. */
interface ZoneCounts {
  readonly byZone: Map<string, number>;
}
const zoneOf = ({ facts }: NodeInfo): string => facts.labels['zone'] ?? '';
const count = ({ byZone }: ZoneCounts, node: NodeInfo, by: number): void => {
  byZone.set(zoneOf(node), (byZone.get(zoneOf(node)) ?? 0) + by);
};
const atMostPerZone = (limit: number): PluginOf<ZoneCounts> => ({
  name: 'AtMostPerZone',
  preFilter: (_pod, { nodes }) => {
    const state = { byZone: new Map<string, number>() };
    for (const node of nodes) count(state, node, node.podCount);
    return { state };
  },
  preFilterExtensions: {
    clone: ({ byZone }) => ({ byZone: new Map(byZone) }),
    addPod: (state, _pod, node) => count(state, node, 1),
    removePod: (state, _pod, node) => count(state, node, -1),
  },
  filter: (_pod, node, { byZone }) =>
    (byZone.get(zoneOf(node)) ?? 0) >= limit ? unschedulable('node(s) were in a full zone') : undefined,
});

const inZone = (name: string, zone: string, pods: readonly string[]): NodeInfo =>
  nodeOf(
    name,
    { metadata: { name, labels: { zone } } },
    pods.map((pod) => podOf(pod)),
  );

t.test('the state of pre-filter is passed to filter, anew for each pod', async (t) => {
  const nodes = [inZone('a1', 'a', ['one']), inZone('a2', 'a', []), inZone('b1', 'b', [])];
  const plugins = [atMostPerZone(1)];
  t.equal(decideOn(pending(), nodes, plugins).node, 'b1');
  nodes[2]?.add(bound('two', 'b1'));
  t.match(decideOn(pending(), nodes, plugins), {
    message: '0/3 nodes are available: 3 node(s) were in a full zone.',
    rejectedBy: new Set(['AtMostPerZone']),
  });
});

t.test('post-filter can simulate the removal of pods without side effects', async (t) => {
  /** As preemption does: one victim after the other, until the pod fits. */
  const preemption: Plugin = {
    name: 'Preemption',
    postFilter: (_pod, { nodes }, diagnosis, whatIf): PostFilterResult => {
      for (const node of nodes) {
        if (diagnosis.rejectionOf(node.facts.name)?.unresolvable) continue;
        const copy = whatIf(node);
        const victims: string[] = [];
        for (const victim of [...copy.node.pods()]) {
          if (!copy.filter()) break;
          copy.removePod(victim);
          victims.push(victim.name);
        }
        if (!copy.filter()) return { nominatedNodeName: node.facts.name, message: `victims: ${victims.join(', ')}` };
      }
      return { message: 'no victims' };
    },
  };
  const full = inZone('full', 'a', ['one', 'two', 'three']);
  const zone = inZone('zone', 'a', []);
  const small = nodeOf('small', { status: { allocatable: { cpu: '100m', memory: '4Gi', pods: '110' } } });
  const pod = pending(requesting({ cpu: '1' }));
  const plugins = [nodeResourcesFit, atMostPerZone(2), preemption];
  t.match(decideOn(pod, [small, full, zone], plugins), {
    nominatedNodeName: 'full',
    message: '0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were in a full zone. victims: one, two',
  });
  t.equal(full.podCount, 3);
  t.match(
    decideOn(pod, [small], plugins),
    { message: '0/1 nodes are available: 1 Insufficient cpu. no victims', nominatedNodeName: undefined },
    'nothing is simulated where removing pods cannot help',
  );
});

t.test('a pod that is added back in a simulation counts again', async (t) => {
  const answers: boolean[] = [];
  const probe: Plugin = {
    name: 'Probe',
    postFilter: (_pod, { nodes }, _diagnosis, whatIf) => {
      for (const node of nodes) {
        const [copy, other] = [whatIf(node), whatIf(node)];
        const [victim] = copy.node.pods();
        if (!victim) continue;
        copy.removePod(victim);
        answers.push(!copy.filter(), !other.filter());
        copy.addPod(victim);
        answers.push(!copy.filter());
      }
      return undefined;
    },
  };
  decideOn(pending(), [inZone('a1', 'a', ['one'])], [atMostPerZone(1), probe]);
  t.same(answers, [true, false, false], 'clones are independent of each other');
});

t.test('pre-filter can reject a pod for all nodes, which no simulation changes', async (t) => {
  let rejection: Rejection | undefined;
  const unclaimed: Plugin = { name: 'Unclaimed', preFilter: () => ({ rejection: unresolvable('the claim is gone') }) };
  const probe: Plugin = {
    name: 'Probe',
    postFilter: (_pod, { nodes: [node] }, diagnosis, whatIf) => {
      if (node) rejection = whatIf(node).filter();
      t.equal(diagnosis.rejectionOf('a'), rejection);
      return undefined;
    },
  };
  t.match(decideOn(pending(), [nodeOf('a'), nodeOf('b')], [unclaimed, probe]), {
    message: '0/2 nodes are available: the claim is gone.',
    rejectedBy: new Set(['Unclaimed']),
  });
  t.match(rejection, { unresolvable: true });
});

t.test('a plugin that skips a pod is not called for nodes', async (t) => {
  const called: string[] = [];
  const skipping: Plugin = {
    name: 'Skipping',
    preFilter: () => 'skip',
    filter: () => unschedulable('never'),
    preScore: () => 'skip',
    score: () => Number.NaN,
    reserve: () => unschedulable('never'),
    unreserve: () => void called.push('unreserve'),
    permit: () => unschedulable('never'),
    preBind: async () => void called.push('pre-bind'),
  };
  const decision = decideOn(pending(), [nodeOf('a'), nodeOf('b')], [skipping]);
  if (decision.node === undefined) return t.fail(decision.message);
  const { cycle, node } = decision;
  t.equal(cycle.reserve(node) ?? cycle.permit(node, never), undefined);
  await cycle.preBind(node, never);
  cycle.unreserve(node);
  t.same(called, []);
});

t.test('several pre-filter results are intersected', async (t) => {
  const narrowing = (name: string, ...names: string[]): Plugin => ({
    name,
    preFilter: () => ({ state: undefined, nodeNames: new Set(names) }),
  });
  const nodes = ['a', 'b', 'c'].map((name) => nodeOf(name));
  t.equal(decideOn(pending(), nodes, [narrowing('One', 'a', 'b'), narrowing('Two', 'b', 'c')]).node, 'b');
  t.match(decideOn(pending(), nodes, [narrowing('Two', 'a'), narrowing('One', 'b')]), {
    message: "0/3 nodes are available: 3 node(s) didn't satisfy plugin(s) [One Two].",
    rejectedBy: new Set(['One', 'Two']),
  });
});

t.test('scores are normalized, weighted and summed', async (t) => {
  const scoring: PluginOf<undefined, ReadonlyMap<string, number>> = {
    name: 'Scoring',
    preScore: (_pod, feasible, { nodes }) => ({
      state: new Map(feasible.map(({ facts }, index) => [facts.name, index * nodes.length])),
    }),
    score: (_pod, { facts }, points) => points.get(facts.name) ?? 0,
    normalize: (scores) => scores.map((score) => score * 10),
    weight: 2,
  };
  const flat: Plugin = { name: 'Flat', score: () => 7 };
  const nodes = [nodeOf('a'), nodeOf('b')];
  t.same(cycleOf([scoring, flat], nodes).score(nodes), [7, 47]);
  const tooHigh: Plugin = { name: 'TooHigh', score: () => 101 };
  t.throws(() => cycleOf([tooHigh], nodes).score(nodes), /plugin TooHigh returned the score 101/);
});

/** A plugin that records its calls, with the state of its pre-filter. */
function recorder(name: string, calls: string[], reserve?: () => Rejection | undefined): PluginOf<{ id: string }> {
  return {
    name,
    preFilter: ({ name: pod }) => ({ state: { id: `${name}/${pod}` } }),
    reserve: (_pod, node, { id }) => {
      calls.push(`reserve ${id} on ${node}`);
      return reserve?.();
    },
    unreserve: (_pod, node, { id }) => {
      calls.push(`unreserve ${id} on ${node}`);
      if (name === 'Broken') throw new Error('cannot unreserve');
    },
  };
}

t.test('a rejection by reserve ends reserve, and all plugins unreserve in reverse order', async (t) => {
  const calls: string[] = [];
  const plugins = [
    recorder('One', calls),
    recorder('Two', calls, () => unschedulable('volume is taken')),
    recorder('Broken', calls),
  ];
  const cycle = cycleOf(plugins);
  cycle.preFilter();
  t.match(cycle.reserve('n'), { plugin: 'Two', rejection: { reasons: ['volume is taken'] } });
  t.throws(() => cycle.unreserve('n'), { message: 'plugins failed to unreserve' });
  t.same(calls, [
    'reserve One/p on n',
    'reserve Two/p on n',
    'unreserve Broken/p on n',
    'unreserve Two/p on n',
    'unreserve One/p on n',
  ]);
});

/** A plugin that makes every pod wait until the test decides. */
function permitting(name: string, timeoutMs = 60_000) {
  const { promise, resolve, reject } = Promise.withResolvers<Rejection | undefined>();
  const plugin: Plugin = { name, permit: () => ({ timeoutMs, decided: promise }) };
  return { plugin, resolve, reject };
}
const permitted = (plugins: readonly Plugin[], signal = never) => {
  const cycle = cycleOf(plugins);
  cycle.preFilter();
  return cycle.permit('n', signal);
};

t.test('permit allows a pod, rejects it, or makes it wait for all plugins that said so', async (t) => {
  t.equal(permitted([{ name: 'Yes', permit: () => undefined }]), undefined);
  t.match(permitted([{ name: 'No', permit: () => unschedulable('no') }]), { plugin: 'No' });

  const [one, two] = [permitting('One'), permitting('Two')];
  const allowed = permitted([one.plugin, two.plugin]);
  t.ok(allowed instanceof Promise);
  one.resolve(undefined);
  two.resolve(undefined);
  t.equal(await allowed, undefined);

  const [forgotten, no] = [permitting('Forgotten'), { name: 'No', permit: () => unschedulable('no') }];
  t.match(permitted([forgotten.plugin, no]), { plugin: 'No' }, 'another plugin decides before the wait starts');
  forgotten.reject(new Error('no pod is waiting'));

  const [slow, strict] = [permitting('Slow'), permitting('Strict')];
  const refused = permitted([slow.plugin, strict.plugin]);
  strict.resolve(unschedulable('the group is incomplete'));
  t.match(await refused, { plugin: 'Strict', rejection: { reasons: ['the group is incomplete'] } });
});

t.test("a pod waits on permit no longer than the plugin's timeout, or its own deletion", async (t) => {
  t.match(await permitted([permitting('Slow', 1).plugin]), {
    plugin: 'Slow',
    rejection: { reasons: ['rejected due to timeout after waiting 0.001s at plugin Slow'] },
  });
  const deleted = new AbortController();
  const waiting = permitted([permitting('Slow').plugin], deleted.signal);
  deleted.abort(new Error('pod was deleted'));
  await t.rejects(async () => waiting, { message: 'pod was deleted' });
  const broken = permitting('Broken');
  broken.reject(new Error('broken'));
  await t.rejects(async () => permitted([broken.plugin]), { message: 'broken' });
});

t.test('pre-bind runs the plugins in order, with their states', async (t) => {
  const calls: string[] = [];
  const binding = (name: string): PluginOf<string> => ({
    name,
    preFilter: () => ({ state: `state of ${name}` }),
    preBind: async (pod, node, state) => void calls.push(`${state} for ${pod.name} on ${node}`),
  });
  const failing: Plugin = { name: 'Failing', preBind: async () => Promise.reject(new Error('cannot attach')) };
  const cycle = cycleOf([binding('One'), failing, binding('Two')]);
  cycle.preFilter();
  await t.rejects(cycle.preBind('n', never), { message: 'cannot attach' });
  t.same(calls, ['state of One for p on n']);
});

t.test('the contract is checked at compile time', async (t) => {
  // @ts-expect-error filter takes a state that no pre-filter makes
  const stateless: PluginOf<number> = { name: 'Stateless', filter: () => undefined };
  // @ts-expect-error score takes a state that no pre-score makes
  const scoreless: PluginOf<undefined, number> = { name: 'Scoreless', score: () => 0 };
  const mixed: PluginOf<number> = {
    name: 'Mixed',
    // @ts-expect-error the state is a number
    preFilter: () => ({ state: 'text' }),
  };
  const misled: PluginOf = {
    name: 'Misled',
    // @ts-expect-error an added node has no former state
    queueingHints: { NodeAdd: (_pod, { old }) => old === undefined },
  };
  const extended: PluginOf<number> = {
    name: 'Extended',
    preFilter: () => ({ state: 0 }),
    // @ts-expect-error what follows added pods follows removed ones, too
    preFilterExtensions: { clone: (state) => state, addPod: () => {} },
  };
  t.equal([stateless, scoreless, mixed, misled, extended].length, 5);
});
