import t, { type Test } from 'tap';
import type { WaitingPod } from '../../../control-plane/scheduler/plugin.ts';
import { defaultPlugins } from '../../../control-plane/scheduler/plugins/index.ts';
import { podInfo } from '../../../control-plane/scheduler/pod-info.ts';
import { SchedulingQueue } from '../../../control-plane/scheduler/queue.ts';

const pod = (name: string, priority = 0): WaitingPod =>
  podInfo({
    metadata: { name, namespace: 'default', uid: name },
    spec: { priority, containers: [{ name: 'c' }] },
  }) as WaitingPod;

function queueAt(t: Test): { queue: SchedulingQueue; clock: { now: number }; woken: () => number } {
  const clock = { now: 1_000_000 };
  let count = 0;
  const queue = new SchedulingQueue(
    defaultPlugins,
    () => count++,
    () => clock.now,
  );
  t.teardown(() => queue.close());
  return { queue, clock, woken: () => count };
}

t.test('the highest priority is tried first, then the oldest', async (t) => {
  const { queue } = queueAt(t);
  for (const waiting of [pod('a'), pod('b', 10), pod('c'), pod('d', 10)]) queue.put(waiting);
  t.same(
    Array.from({ length: 5 }, () => queue.take()?.pod.name),
    ['b', 'd', 'a', 'c', undefined],
  );
});

t.test('a refused pod waits for a change that can help it', async (t) => {
  const { queue, clock, woken } = queueAt(t);
  queue.put(pod('a'));
  const entry = queue.take();
  if (!entry) return t.fail('nothing was queued');
  queue.refused(entry, new Set(['NodeAffinity']));
  clock.now += 60_000;
  const before = woken();
  queue.changed('pod removed');
  t.equal(queue.take(), undefined, 'room on a node does not help a pod that asks for a label');
  t.equal(woken(), before);
  queue.changed('node labels');
  t.equal(queue.take()?.pod.name, 'a');
  t.equal(woken(), before + 1);
});

t.test('a pod that changes is tried at once, one whose rules stay the same is not', async (t) => {
  const { queue } = queueAt(t);
  queue.put(pod('a'));
  const entry = queue.take();
  if (!entry) return t.fail('nothing was queued');
  queue.refused(entry, new Set(['NodeAffinity']));
  queue.put(pod('a'));
  t.equal(queue.take(), undefined);
  queue.put(pod('a', 5));
  t.equal(queue.take()?.pod.pending.priority, 5);
});

t.test('the back-off doubles from one second to ten', async (t) => {
  const { queue, clock } = queueAt(t);
  queue.put(pod('a'));
  const waits: number[] = [];
  for (let attempt = 0; attempt < 6; attempt++) {
    const entry = queue.take();
    if (!entry) return t.fail('the pod is not active');
    queue.refused(entry, new Set(['NodeResourcesFit']));
    const start = clock.now;
    queue.changed('pod removed');
    while (queue.sizes.active === 0 && clock.now - start < 60_000) {
      clock.now += 500;
      queue.release();
    }
    waits.push(clock.now - start);
  }
  t.same(waits, [1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
});
