import t from 'tap';
import { WorkQueue } from '../../../../client/work-queue.ts';
import { QueueMetrics } from '../../../../control-plane/controllers/framework/queue-metrics.ts';
import { eventually } from '../../../support/wait.ts';

/** The value of a sample; undefined when it is not there. */
const sample = (text: string, name: string): number | undefined => {
  const line = text.split('\n').find((each) => each.startsWith(`${name} `) || each.startsWith(`${name}{name="a"} `));
  return line === undefined ? undefined : Number(line.split(' ').at(-1));
};

t.test('a queue tells what waits, what is worked on, and for how long', async (t) => {
  const metrics = new QueueMetrics();
  const queue = new WorkQueue({ initialBackoffMs: 1, onError: () => undefined, observer: metrics.observer('a') });
  metrics.watch('a', queue);
  const value = (name: string): number | undefined => sample(metrics.text(), `workqueue_${name}`);
  const stop = new AbortController();
  const gates: { resolve: () => void; reject: (error: Error) => void }[] = [];
  const running = queue.run(async () => {
    const gate = Promise.withResolvers<void>();
    gates.push(gate);
    await gate.promise;
  }, stop.signal);
  queue.add('x');
  queue.add('y');
  queue.add('y');
  queue.add('x');
  queue.add('x');
  t.equal(value('adds_total'), 3, 'x, y, and x again while it is worked on');
  t.equal(value('depth'), 1);
  await eventually('the work on x to last', () => (value('unfinished_work_seconds') ?? 0) > 0.005);
  t.ok((value('longest_running_processor_seconds') ?? 0) > 0.005);
  t.equal(value('work_duration_seconds_count'), 0, 'nothing has ended');

  gates[0]!.reject(new Error('failed'));
  await eventually('y to be worked on', () => gates.length === 2);
  t.equal(value('retries_total'), 1);
  t.match(metrics.text(), /^workqueue_work_duration_seconds_count\{name="a"\} 1$/m);
  t.match(metrics.text(), /^workqueue_queue_duration_seconds_count\{name="a"\} 2$/m);
  gates[1]!.resolve();
  await eventually('x again', () => gates.length === 3);
  t.equal(value('depth'), 0);
  stop.abort();
  gates[2]!.resolve();
  await running;
  t.equal(value('unfinished_work_seconds'), 0);
});
