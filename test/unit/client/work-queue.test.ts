import t from 'tap';
import { WorkQueue } from '../../../client/work-queue.ts';
import { eventually } from '../../support/wait.ts';

const fail = (key: string, error: unknown): void => {
  throw new Error(`${key} failed`, { cause: error });
};

t.test('a key is deduplicated, never processed concurrently, and processed again when added meanwhile', async (t) => {
  const queue = new WorkQueue({ concurrency: 4, onError: fail });
  const stop = new AbortController();
  const runs: string[] = [];
  const gates = new Map<string, () => void>();
  let atOnce = 0;
  let most = 0;
  const running = queue.run(async (key) => {
    runs.push(key);
    most = Math.max(most, ++atOnce);
    await new Promise<void>((resolve) => gates.set(key, resolve));
    atOnce--;
  }, stop.signal);
  for (const key of ['a', 'b', 'a', 'c', 'd', 'e']) queue.add(key);
  t.strictSame(runs, ['a', 'b', 'c', 'd'], 'four at a time');
  queue.add('a');
  queue.add('a');
  t.equal(runs.length, 4, 'a is not processed concurrently');
  gates.get('a')!();
  await eventually('the next', () => runs.length === 5);
  gates.get('b')!();
  await eventually('a again', () => runs.length === 6);
  t.strictSame(runs.slice(4), ['e', 'a']);
  stop.abort();
  for (const open of gates.values()) open();
  await running;
  t.equal(most, 4);
  t.equal(atOnce, 0, 'run resolves after its workers');
});

t.test('a failing key is retried with growing back-off, which is reset on success', async (t) => {
  const waits: number[] = [];
  const queue = new WorkQueue({ initialBackoffMs: 1, onError: (_key, _error, retryMs) => waits.push(retryMs) });
  const stop = new AbortController();
  let attempts = 0;
  const running = queue.run(async () => {
    if (++attempts < 5) throw new Error('not yet');
  }, stop.signal);
  queue.add('a');
  await eventually('the fifth attempt', () => attempts === 5);
  t.equal(waits.length, 4);
  t.ok(waits[3]! >= 8 && waits[3]! <= 12, 'the fourth delay is eight times the first');
  await eventually('the failures to be reset', () => queue.failuresOf('a') === 0);
  stop.abort();
  await running;
});

t.test('the earliest of several delayed adds counts, and stopping drops delayed keys', async (t) => {
  const queue = new WorkQueue({ onError: fail });
  const stop = new AbortController();
  const runs: string[] = [];
  const running = queue.run(async (key) => void runs.push(key), stop.signal);
  queue.addAfter('late', 3_600_000);
  queue.addAfter('soon', 3_600_000);
  queue.addAfter('soon', 5);
  queue.addAfter('soon', 60_000);
  await eventually('the early one', () => runs.length === 1);
  t.strictSame(runs, ['soon']);
  stop.abort();
  await running;
  queue.add('after the end');
  t.equal(queue.size, 0);
});
