import { getEventListeners } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import { DeadlineError, withDeadline } from '../../../client/deadline.ts';
import { eventually } from '../../support/wait.ts';

const never = (): Promise<never> => new Promise(() => undefined);

t.test('a result in time is returned, and leaves neither timer nor listener', async (t) => {
  const { signal } = new AbortController();
  const limit = { what: 'the work', limitMs: 60_000, signal };
  t.equal(await withDeadline(limit, async () => 7), 7);
  await t.rejects(
    withDeadline(limit, async () => Promise.reject(new Error('no'))),
    { message: 'no' },
  );
  await t.rejects(
    withDeadline(limit, () => {
      throw new Error('at once');
    }),
    { message: 'at once' },
  );
  t.equal(getEventListeners(signal, 'abort').length, 0);
  t.notOk(process.getActiveResourcesInfo().includes('Timeout'));
});

t.test('a callee that ignores its signal is abandoned after it was aborted', async (t) => {
  let told: AbortSignal | undefined;
  const waiting = withDeadline({ what: 'ListContainers', limitMs: 20 }, (signal) => {
    told = signal;
    return never();
  });
  await t.rejects(waiting, new DeadlineError('ListContainers', 20));
  t.ok(told?.aborted);
  t.match(told?.reason, { name: 'DeadlineError', what: 'ListContainers' });
});

t.test("the caller's signal ends the wait with its own reason, before or during it", async (t) => {
  const stop = new AbortController();
  const waiting = withDeadline({ what: 'x', limitMs: 60_000, signal: stop.signal }, never);
  stop.abort(new Error('the pod is gone'));
  await t.rejects(waiting, { message: 'the pod is gone' });
  let ran = false;
  const late = withDeadline({ what: 'x', limitMs: 60_000, signal: stop.signal }, async () => (ran = true));
  await t.rejects(late, { message: 'the pod is gone' });
  t.notOk(ran, 'the callee is not called');
  t.equal(getEventListeners(stop.signal, 'abort').length, 0);
});

t.test('a late rejection is ignored', async (t) => {
  const unhandled: unknown[] = [];
  const listen = (error: unknown): void => void unhandled.push(error);
  process.on('unhandledRejection', listen);
  t.teardown(() => process.off('unhandledRejection', listen));
  const { promise, reject } = Promise.withResolvers<never>();
  await t.rejects(
    withDeadline({ what: 'x', limitMs: 5 }, () => promise),
    DeadlineError,
  );
  reject(new Error('late'));
  // Node.js reports unhandled rejections before the next turn of its event loop.
  await nextTurn();
  t.same(unhandled, []);
});

t.test('a callee that ends because it was aborted does not decide the outcome', async (t) => {
  const obedient = (signal: AbortSignal): Promise<string> =>
    new Promise((resolve) => signal.addEventListener('abort', () => resolve('done')));
  await t.rejects(withDeadline({ what: 'x', limitMs: 5 }, obedient), DeadlineError);
});

t.test("a limit beyond a timer's maximum is a long one, not none", async (t) => {
  // A timer replaces what it cannot hold by one millisecond.
  const start = performance.now();
  const someTime = (): Promise<boolean> => eventually('20 ms to pass', () => performance.now() > start + 20);
  t.ok(await withDeadline({ what: 'x', limitMs: 1e15 }, someTime));
});
