import { test } from 'tap';
import { PullBackOff } from '../../../agent/images/pull-back-off.ts';
import { StartError } from '../../../agent/pods/containers/start-error.ts';
import { ActionFailures } from '../../../agent/pods/sync/action-failures.ts';
import type { PodAction } from '../../../agent/pods/sync/actions.ts';
import { WakeUp } from '../../../agent/pods/sync/wake-up.ts';
import { Log } from '../../support/log.ts';
import { WallClock } from '../../support/wall-clock.ts';

const POD = { pod: 'default/a', podUID: 'u' };

const start = (name: string): PodAction => ({
  kind: 'startContainer',
  container: { name },
  role: 'app',
  sandboxId: 's',
  podIPs: [],
  restartCount: 0,
  backOffSeconds: 0,
});
const setUp: PodAction = { kind: 'setUp' };

/** How long an action waits, in whole seconds. */
const waitOf = (failures: ActionFailures, action: PodAction): number => Math.round(failures.waitMs(action) / 1000);

test('an action that fails again and again is retried after 1, 2, 4, 8 and then every 10 s, apart from the others', (t) => {
  const failures = new ActionFailures(new Log());
  for (const seconds of [1, 2, 4, 8, 10, 10]) {
    failures.add(setUp, new Error('no'), POD);
    t.equal(waitOf(failures, setUp), seconds);
  }
  t.equal(failures.waitMs(start('a')), 0);
  failures.delete(setUp, POD);
  t.equal(failures.waitMs(setUp), 0);
  t.end();
});

test('a failed action is retried as soon as ever though the clock was set back', (t) => {
  using clock = new WallClock();
  const failures = new ActionFailures(new Log());
  failures.add(setUp, new Error('no'), POD);
  clock.jump(-3_600_000);
  t.equal(waitOf(failures, setUp), 1);
  const backOff = new PullBackOff();
  t.equal(backOff.failed('uid', 'img', 'not found', 1_000), 10_000);
  t.same(backOff.waiting('uid', 'img', 4_000), { message: 'not found', waitMs: 7_000 });
  t.equal(backOff.waiting('uid', 'img', 11_000), undefined);
  t.end();
});

test('a container that could not be started waits with its reason; a failed pull shows as such for a moment', (t) => {
  const failures = new ActionFailures(new Log());
  failures.add(setUp, new Error('no volume'), POD);
  failures.add(start('a'), new Error('no'), POD);
  failures.add(start('b'), new StartError('ErrImagePull', 'not found', { retryInMs: 60_000 }), POD);
  t.strictSame(
    new Map(failures.waiting()),
    new Map([
      ['a', { reason: 'CreateContainerError', message: 'no' }],
      ['b', { reason: 'ErrImagePull', message: 'not found' }],
    ]),
  );
  t.equal(waitOf(failures, start('b')), 1);
  failures.clear();
  t.same([...failures.waiting()], []);
  t.end();
});

test('an action that keeps failing is logged when it begins and when it is over, and apart from the others', (t) => {
  const log = new Log();
  const failures = new ActionFailures(log);
  for (let i = 0; i < 3; i++) failures.add(setUp, new Error('no volume'), POD);
  failures.add(start('a'), new Error('no'), POD);
  failures.add(start('b'), new StartError('ErrImagePull', 'not found'), POD);
  t.strictSame(log.shown, ['warn: pod action failed', 'warn: pod action failed']);
  t.match(log.lines[0]?.fields, { ...POD, action: 'setUp', err: { message: 'no volume' } });
  failures.delete(setUp, POD);
  failures.delete(setUp, POD);
  failures.delete(start('b'), POD);
  t.strictSame(log.shown.slice(2), ['info: pod action recovered']);
  t.match(log.lines.at(-1)?.fields, { ...POD, action: 'setUp', failures: 3 });
  t.end();
});

test('a worker that is called while awake does not sleep, and wakes at its time or when called', async (t) => {
  const { signal } = new AbortController();
  const wakeUp = new WakeUp(() => false);
  await wakeUp.sleep(undefined, signal);
  wakeUp.begin();
  wakeUp.call();
  await wakeUp.sleep(undefined, signal);
  wakeUp.begin();
  await wakeUp.sleep(Date.now() + 5, signal);
  const asleep = wakeUp.sleep(undefined, signal);
  wakeUp.call();
  await asleep;
  wakeUp.begin();
  const stop = new AbortController();
  const stopped = wakeUp.sleep(undefined, stop.signal);
  stop.abort();
  await stopped;
  t.pass('each of them woke');
});

test('while its actions run a worker looks once per second, and at once when they have ended', async (t) => {
  const { signal } = new AbortController();
  let isBusy = true;
  const wakeUp = new WakeUp(() => isBusy);
  wakeUp.begin();
  const began = performance.now();
  const asleep = wakeUp.sleep(undefined, signal);
  wakeUp.call();
  await asleep;
  t.ok(performance.now() - began > 900);
  wakeUp.begin();
  const again = wakeUp.sleep(undefined, signal);
  wakeUp.call();
  isBusy = false;
  wakeUp.call();
  await again;
  t.ok(performance.now() - began < 1_900);
});
