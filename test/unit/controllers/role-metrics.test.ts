import { EventEmitter } from 'node:events';
import type { Worker } from 'node:worker_threads';
import t from 'tap';
import { RoleMetrics } from '../../../control-plane/role-metrics.ts';
import type { RoleReport } from '../../../control-plane/role-thread.ts';
import { Log } from '../../support/log.ts';

/** A thread that answers when it is told to. */
class Thread extends EventEmitter {
  readonly asked: string[] = [];
  postMessage(message: string): void {
    this.asked.push(message);
  }
  answer(to: 'metrics' | 'ping'): void {
    this.emit('message', { to, metrics: 'own\n', common: 'common\n' } satisfies RoleReport);
  }
}

const withThread = () => {
  const metrics = new RoleMetrics(new Log());
  const thread = new Thread();
  metrics.add('scheduler', thread as unknown as Worker);
  return { metrics, thread };
};

t.test('an answer to one question is none to another, and who asks meanwhile gets the same', async (t) => {
  const { metrics, thread } = withThread();
  const asked = [metrics.answers('scheduler'), metrics.answers('scheduler'), metrics.allOf('scheduler')] as const;
  t.strictSame(thread.asked, ['ping', 'metrics'], 'a flood of questions is one for the thread');
  thread.answer('metrics');
  t.equal(await asked[2], 'own\ncommon\n');
  thread.answer('ping');
  t.strictSame([await asked[0], await asked[1]], [true, true]);
  const own = metrics.text();
  thread.answer('metrics');
  t.equal(await own, 'own\n', 'what the other role has, too, is left out');
});

t.test('a thread that hangs, or has ended, is not healthy', async (t) => {
  const { metrics, thread } = withThread();
  t.equal(await metrics.answers('controllers'), false, 'it has never run');
  t.equal(await metrics.answers('scheduler'), false, 'it does not answer in time');
  thread.emit('exit');
  t.equal(await metrics.allOf('scheduler'), undefined);
  t.equal(await metrics.text(), '');
});
