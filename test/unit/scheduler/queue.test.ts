import t, { type Test } from 'tap';
import { nodeFacts, type NodeFacts } from '../../../control-plane/scheduler/framework/node-info.ts';
import type { Plugin } from '../../../control-plane/scheduler/framework/plugin.ts';
import { podInfo, type PendingPod } from '../../../control-plane/scheduler/framework/pod-info.ts';
import { unschedulable } from '../../../control-plane/scheduler/framework/rejection.ts';
import { profileOf } from '../../../control-plane/scheduler/framework/profile.ts';
import { defaultPlugins } from '../../../control-plane/scheduler/plugins/index.ts';
import { SchedulingQueue } from '../../../control-plane/scheduler/queue.ts';
import type { PodSpec } from '../../../api/types/core/v1.gen.ts';

const pod = (name: string, spec: Partial<PodSpec> = {}): PendingPod =>
  podInfo({
    metadata: { name, namespace: 'default', uid: name },
    spec: { containers: [{ name: 'c' }], ...spec },
  }) as PendingPod;
const node = (labels: Record<string, string> = {}): NodeFacts => nodeFacts({ metadata: { name: 'n', labels } });
const deletion = (name: string) => ({ type: 'AssignedPodDelete', pod: pod(name) }) as const;

function queueAt(t: Test, plugins: readonly Plugin[] = defaultPlugins) {
  const clock = { now: 1_000_000 };
  const logged: string[] = [];
  let count = 0;
  const queue = new SchedulingQueue({
    profiles: [profileOf(plugins)],
    logger: { debug: () => {}, info: () => {}, warn: () => {}, error: (_, message) => logged.push(message) },
    wake: () => count++,
    now: () => clock.now,
  });
  t.teardown(() => queue.close());
  return { queue, clock, logged, woken: () => count };
}

t.test('pods are popped by priority, then age', async (t) => {
  const { queue } = queueAt(t);
  for (const pending of [pod('a'), pod('b', { priority: 10 }), pod('c'), pod('d', { priority: 10 })])
    queue.add(pending);
  t.same(
    Array.from({ length: 5 }, () => queue.pop()?.pod.name),
    ['b', 'd', 'a', 'c', undefined],
  );
});

t.test('a rejected pod waits for an event that can make it schedulable', async (t) => {
  const { queue, clock, woken } = queueAt(t);
  queue.add(pod('a', { nodeSelector: { disk: 'ssd' } }));
  const entry = queue.pop();
  if (!entry) return t.fail('the queue is empty');
  queue.rejected(entry, new Set(['NodeAffinity']));
  clock.now += 60_000;
  const before = woken();
  queue.moveAll(deletion('other'));
  t.equal(queue.pop(), undefined, 'free resources do not help a pod that needs a label');
  queue.moveAll({ type: 'UpdateNodeLabel', old: node(), node: node({ disk: 'tape' }) });
  t.equal(queue.pop(), undefined, 'nor does another label');
  t.equal(woken(), before);
  queue.moveAll({ type: 'UpdateNodeLabel', old: node(), node: node({ disk: 'ssd' }) });
  t.equal(queue.pop()?.pod.name, 'a');
  t.equal(woken(), before + 1);
});

t.test('a pod rejected by no plugin is requeued after any event', async (t) => {
  const { queue, clock } = queueAt(t);
  queue.add(pod('a'));
  const entry = queue.pop();
  if (!entry) return t.fail('the queue is empty');
  queue.rejected(entry, new Set());
  clock.now += 60_000;
  queue.moveAll({ type: 'NodeAdd', node: node() });
  t.equal(queue.pop()?.pod.name, 'a');
});

t.test('an event during a scheduling attempt is not missed', async (t) => {
  const { queue } = queueAt(t);
  queue.add(pod('a'));
  const entry = queue.pop();
  if (!entry) return t.fail('the queue is empty');
  queue.moveAll(deletion('other'));
  queue.rejected(entry, new Set(['NodeResourcesFit']));
  t.match(queue.sizes, { backoff: 1, unschedulable: 0 });
});

t.test("the pod's own unreserve does not requeue it", async (t) => {
  const { queue } = queueAt(t);
  queue.add(pod('a'));
  const entry = queue.pop();
  if (!entry) return t.fail('the queue is empty');
  queue.rejected(entry, new Set(['NodeResourcesFit']));
  queue.moveAll(deletion('a'));
  t.match(queue.sizes, { backoff: 0, unschedulable: 1 });
});

t.test('a queueing hint that throws is logged, and the pod is requeued', async (t) => {
  const broken: Plugin = {
    name: 'Broken',
    filter: () => undefined,
    queueingHints: {
      NodeAdd: () => {
        throw new Error('broken');
      },
    },
  };
  const { queue, logged } = queueAt(t, [broken]);
  queue.add(pod('a'));
  const entry = queue.pop();
  if (!entry) return t.fail('the queue is empty');
  queue.rejected(entry, new Set(['Broken']));
  queue.moveAll({ type: 'NodeAdd', node: node() });
  t.match(queue.sizes, { backoff: 1 });
  t.same(logged, ['queueing hint failed, requeuing pod']);
});

t.test('a pod whose pre-enqueue throws is logged and gated', async (t) => {
  const preEnqueue = () => {
    throw new Error('broken');
  };
  const { queue, logged } = queueAt(t, [{ name: 'Broken', preEnqueue }]);
  queue.add(pod('a'));
  t.match(queue.sizes, { active: 0, gated: 1 });
  t.same(logged, ['pre-enqueue failed, pod is gated']);
});

t.test('an updated pod is requeued at once, unless nothing relevant has changed', async (t) => {
  const { queue } = queueAt(t);
  queue.add(pod('a'));
  const entry = queue.pop();
  if (!entry) return t.fail('the queue is empty');
  queue.rejected(entry, new Set(['NodeAffinity']));
  queue.add(pod('a'));
  t.equal(queue.pop(), undefined);
  queue.add(pod('a', { priority: 5 }));
  t.equal(queue.pop()?.pod.priority, 5);
});

t.test('a pod with scheduling gates is queued when the last is removed', async (t) => {
  const { queue, clock, woken } = queueAt(t);
  queue.add(pod('a', { schedulingGates: [{ name: 'example.com/one' }, { name: 'example.com/two' }] }));
  queue.add(pod('a', { schedulingGates: [{ name: 'example.com/two' }] }));
  queue.moveAll({ type: 'NodeAdd', node: node() });
  clock.now += 3_600_000;
  queue.flush();
  t.same(queue.sizes, { active: 0, backoff: 0, unschedulable: 0, gated: 1 });
  t.equal(woken(), 0);
  queue.add(pod('a'));
  t.equal(queue.pop()?.pod.name, 'a');
  t.equal(woken(), 1);
});

t.test('a pod rejected by pre-enqueue is checked again after an event that its plugin registers', async (t) => {
  let open = false;
  const gate: Plugin = {
    name: 'Gate',
    queueingHints: { NodeAdd: () => true },
    preEnqueue: () => (open ? undefined : unschedulable('closed')),
  };
  const { queue } = queueAt(t, [gate]);
  queue.add(pod('a'));
  queue.moveAll({ type: 'NodeAdd', node: node() });
  t.match(queue.sizes, { active: 0, gated: 1 });
  open = true;
  queue.moveAll(deletion('other'));
  t.match(queue.sizes, { active: 0, gated: 1 });
  queue.moveAll({ type: 'NodeAdd', node: node() });
  t.match(queue.sizes, { active: 1, gated: 0 });
});

t.test('a closed queue pops nothing, and accepts pods in flight', async (t) => {
  const { queue, clock } = queueAt(t);
  queue.add(pod('a'));
  queue.add(pod('b'));
  const entry = queue.pop();
  if (!entry) return t.fail('the queue is empty');
  queue.close();
  queue.failed(entry);
  clock.now += 60_000;
  queue.flush();
  t.equal(queue.pop(), undefined);
});

t.test('the back-off doubles from one second to ten', async (t) => {
  const { queue, clock } = queueAt(t);
  queue.add(pod('a'));
  const waits: number[] = [];
  for (let attempt = 0; attempt < 6; attempt++) {
    const entry = queue.pop();
    if (!entry) return t.fail('the pod is not active');
    queue.rejected(entry, new Set(['NodeResourcesFit']));
    const start = clock.now;
    queue.moveAll(deletion('other'));
    while (queue.sizes.active === 0 && clock.now - start < 60_000) {
      clock.now += 500;
      queue.flush();
    }
    waits.push(clock.now - start);
  }
  t.same(waits, [1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
});
