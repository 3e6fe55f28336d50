import t from 'tap';
import { SchedulingCache } from '../../../control-plane/scheduler/cache.ts';
import type { NodeInfo } from '../../../control-plane/scheduler/framework/node-info.ts';
import { bound, factsOf, nodeOf, pending, podOf, requesting } from './objects.ts';

const CORE = requesting({ cpu: '1' });
const takenOf = (cache: SchedulingCache): Record<string, number> =>
  Object.fromEntries(cache.nodes.map(({ facts, requested }) => [facts.name, requested.milliCpu]));
const cacheOf = (...names: string[]): SchedulingCache => {
  const cache = new SchedulingCache();
  for (const name of names) cache.setNode(factsOf(name));
  return cache;
};

t.test("an assumed pod uses its node's resources until it is forgotten", async (t) => {
  const cache = cacheOf('a');
  const pod = pending(CORE);
  cache.assume(pod, 'a');
  t.same(takenOf(cache), { a: 1000 });
  t.ok(cache.isAssumed(pod.uid));
  t.ok(cache.forget(pod.uid));
  t.notOk(cache.forget(pod.uid), 'once');
  t.same(takenOf(cache), { a: 0 });
  t.throws(() => cache.assume(pod, 'unknown'), /unknown node/);
});

t.test('an assumed pod that is bound counts once, on the node that it is bound to', async (t) => {
  const cache = cacheOf('a', 'b');
  cache.assume(pending(CORE, 'one'), 'a');
  cache.assume(pending(CORE, 'two'), 'a');
  cache.setPod(bound('one', 'a', CORE));
  cache.setPod(bound('two', 'b', CORE));
  t.same(takenOf(cache), { a: 1000, b: 1000 });
  t.notOk(cache.forget('uid-one'), 'no longer assumed');
  cache.setPod(bound('one', 'a', requesting({ cpu: '500m' })));
  t.same(takenOf(cache), { a: 500, b: 1000 }, 'an update replaces it');
});

t.test('a removed pod frees its resources, assumed or bound', async (t) => {
  const cache = cacheOf('a');
  cache.assume(pending(CORE, 'one'), 'a');
  cache.setPod(bound('two', 'a', CORE));
  t.ok(cache.removePod(pending(CORE, 'one')));
  t.ok(cache.removePod(bound('two', 'a', CORE)));
  t.notOk(cache.removePod(bound('two', 'a', CORE)));
  t.same(takenOf(cache), { a: 0 });
});

t.test('pods count on a node that is added after them, or added again', async (t) => {
  const cache = cacheOf('a');
  cache.setPod(bound('early', 'late', CORE));
  cache.setPod(bound('kept', 'a', CORE));
  cache.setPod(bound('deleted', 'a', CORE));
  cache.removeNode('a');
  t.same(takenOf(cache), {});
  cache.removePod(bound('deleted', 'a', CORE));
  cache.setNode(factsOf('a'));
  cache.setNode(factsOf('late'));
  t.same(takenOf(cache), { a: 1000, late: 1000 });
});

t.test('a cloned node and the original change independently', async (t) => {
  const original = nodeOf('n', {}, [podOf('one', CORE), podOf('two', CORE)]);
  const clone = original.clone();
  clone.remove('uid-one');
  original.add(bound('three', 'n', CORE));
  const state = (node: NodeInfo) => [node.requested.milliCpu, [...node.pods()].map(({ name }) => name)];
  t.same(state(clone), [1000, ['two']]);
  t.same(state(original), [3000, ['one', 'two', 'three']]);
});
