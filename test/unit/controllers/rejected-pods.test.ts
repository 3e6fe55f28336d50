import t from 'tap';
import { podView } from '../../../control-plane/controllers/caches/pod-view.ts';
import { Interner } from '../../../control-plane/controllers/framework/interner.ts';
import { RejectedPods } from '../../../control-plane/controllers/workloads/rejected-pods.ts';
import { podViewOf } from './pod-view.ts';
import type { PodStatus } from '../../../api/types/core/v1.gen.ts';

const SET = { metadata: { name: 'web', uid: 'uid-set', generation: 1 } };
const rejected = (name: string) => podViewOf(name, { phase: 'Failed', ready: false, rejected: true });

t.test('each pod that a node rejects makes the next one wait longer, up to a minute', async (t) => {
  const rejections = new RejectedPods();
  const pods = [podViewOf('runs')];
  t.equal(rejections.look(SET, pods, 0), 0);
  const waits: number[] = [];
  for (let at = 0; waits.length < 8; at += waits.at(-1) ?? 0) {
    pods.push(rejected(`web-${waits.length}`));
    waits.push(rejections.look(SET, pods, at));
  }
  t.strictSame(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
});

t.test('a rejected pod counts once, and a new generation is tried at once', async (t) => {
  const rejections = new RejectedPods();
  const pods = [rejected('web-0'), rejected('web-1')];
  t.equal(rejections.look(SET, pods, 0), 1_000, 'those that are seen together count as one');
  pods.push(rejected('web-9'));
  t.equal(rejections.look(SET, pods, 400), 600, 'and so do those that are seen while they are waited for');
  t.equal(rejections.look(SET, pods, 1_000), 0);
  t.equal(rejections.look(SET, [rejected('web-1'), rejected('web-2')], 1_000), 2_000);
  t.equal(rejections.look({ metadata: { ...SET.metadata, generation: 2 } }, [rejected('web-2')], 1_500), 0);
  rejections.forget('uid-set');
  t.equal(rejections.look(SET, [podViewOf('web-3', { phase: 'Failed' })], 2_000), 0, 'one that has run is replaced');
});

t.test('a pod is rejected when it has failed without a container', async (t) => {
  const isRejected = (status: PodStatus): boolean => podView({ status }, new Interner()).rejected;
  const containerStatuses = [{ name: 'c', image: '', imageID: '', ready: false, restartCount: 0 }];
  t.ok(isRejected({ phase: 'Failed', reason: 'NodePorts' }));
  t.notOk(isRejected({ phase: 'Failed', reason: 'Evicted', containerStatuses }));
  t.notOk(isRejected({ phase: 'Failed', initContainerStatuses: containerStatuses }));
  t.notOk(isRejected({ phase: 'Pending' }));
});
