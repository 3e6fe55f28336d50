import { pino } from 'pino';
import { test } from 'tap';
import { readSignal } from '../../../agent/host/logind.ts';
import { GracefulShutdown, type Lock, type Logind } from '../../../agent/shutdown/graceful-shutdown.ts';
import {
  parsePeriods,
  shutdownPeriods,
  shutdownStages,
  totalSeconds,
  type ShutdownPeriod,
  type ShutdownPod,
} from '../../../agent/shutdown/shutdown-plan.ts';
import { decodeTimes, encodeTimes, ShutdownRecord } from '../../../agent/shutdown/shutdown-record.ts';
import { Exposition } from '../../../daemon/metrics/exposition.ts';
import type { PodStatus } from '../../../api/types/core/v1.gen.ts';
import { eventually } from '../../support/wait.ts';

const pod = (
  uid: string,
  priority = 0,
  seconds?: number,
  phase: NonNullable<PodStatus['phase']> = 'Running',
  source: 'api' | 'file' = 'api',
): ShutdownPod => ({
  pod: {
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { uid, namespace: 'default', name: uid } },
    spec: { priority, containers: [], ...(seconds !== undefined && { terminationGracePeriodSeconds: seconds }) },
  },
  source,
  status: { phase },
});
const CRITICAL = 2_000_000_000;
const periodsOf = (all: number, critical: number): ShutdownPeriod[] =>
  shutdownPeriods({
    shutdownGracePeriodSeconds: all,
    shutdownGracePeriodCriticalPodsSeconds: critical,
    shutdownGracePeriodByPodPriority: [],
  });
const record = { started: () => Promise.resolve(), ended: () => Promise.resolve() };

test('critical pods come last, and none gets more time than its stage', async (t) => {
  const pods = [
    pod('web', 0, 300),
    pod('quick', 0, 2),
    pod('plain'),
    pod('over', 0, 1, 'Succeeded'),
    pod('dns', CRITICAL, 60),
    pod('static', 0, 5, 'Running', 'file'),
  ];
  t.strictSame(shutdownStages(pods, periodsOf(30, 10)), [
    {
      limitSeconds: 20,
      uids: [
        { uid: 'web', graceSeconds: 20 },
        { uid: 'quick', graceSeconds: 2 },
        { uid: 'plain', graceSeconds: 20 },
      ],
    },
    {
      limitSeconds: 10,
      uids: [
        { uid: 'dns', graceSeconds: 10 },
        { uid: 'static', graceSeconds: 5 },
      ],
    },
  ]);
  t.strictSame(shutdownStages([], periodsOf(30, 10)), []);
  t.match(shutdownStages([pod('a', CRITICAL)], periodsOf(5, 50)), [{ limitSeconds: 5 }]);
});

test('each priority has a period of its own', async (t) => {
  const periods = parsePeriods(['1000=30', `${CRITICAL}=10`, '-5=60']);
  t.equal(totalSeconds(periods), 100);
  const pods = [
    pod('below', -(2 ** 31), 300),
    pod('lowest', -5, 300),
    pod('none', 0, 300),
    pod('almost', 999, 300),
    pod('some', 1000, 300),
    pod('dns', CRITICAL, 300),
    pod('most', 2 ** 31 - 1, 300),
    pod('static', 0, 300, 'Running', 'file'),
  ];
  const stages = shutdownStages(pods, periods);
  t.strictSame(
    stages.map(({ limitSeconds, uids }) => [limitSeconds, uids.map(({ uid }) => uid).join(' ')]),
    [
      [60, 'below lowest none almost'],
      [30, 'some'],
      [10, 'dns most static'],
    ],
  );
  t.strictSame(shutdownStages([pod('some', 1000)], periods).length, 1, 'no stage waits without pods');
  for (const bad of ['1000', '=5', 'a=5', '1=-5', '1=x', '99999999999=1', '2147483648=1', '1=5 '])
    t.throws(() => parsePeriods([bad]), /is not PRIORITY=SECONDS/, bad);
  t.throws(() => parsePeriods(['1=5', '01=6']), /two periods/);
});

test('the times of the last shutdown survive a restart', async (t) => {
  const logger = pino({ level: 'silent' });
  const dataDir = t.testdir();
  const shown = async (): Promise<string> => {
    const to = new Exposition();
    (await ShutdownRecord.open(dataDir, logger)).write(to);
    return to.toString();
  };
  t.match(await shown(), /graceful_shutdown_start_time_seconds 0\n/);
  const before = Math.floor(Date.now() / 1000);
  const first = await ShutdownRecord.open(dataDir, logger);
  await first.started();
  t.match(await shown(), /graceful_shutdown_end_time_seconds 0\n/, 'a shutdown that was cut off has no end');
  await first.ended();
  for (const [, time] of (await shown()).matchAll(/time_seconds (\d+)\n/g)) t.ok(Number(time) >= before);
  t.strictSame(decodeTimes(encodeTimes({ startMs: 5_000, endMs: 0 })), { startMs: 5_000, endMs: 0 });
  for (const bad of ['', '{}', 'null', '{"startTime":"x","endTime":"0001-01-01T00:00:00Z"}'])
    t.equal(decodeTimes(bad), undefined, bad);
});

/** A logind that the test speaks for. */
class TestLogind implements Logind {
  readonly done: string[] = [];
  locks = 0;
  tell: (isComing: boolean) => void = () => undefined;
  lose: (reason: Error) => void = () => undefined;
  allowDelay(seconds: number): Promise<number> {
    this.done.push(`allow ${seconds}`);
    return Promise.resolve(seconds);
  }
  /** What it says when it is asked. */
  shuttingDown = false;
  loseLock: (reason: Error) => void = () => undefined;
  isShuttingDown(): Promise<boolean> {
    return Promise.resolve(this.shuttingDown);
  }
  takeLock(): Promise<Lock> {
    this.locks++;
    this.done.push('lock');
    const lost = Promise.withResolvers<never>();
    this.loseLock = lost.reject;
    return Promise.resolve({
      held: () => lost.promise,
      [Symbol.asyncDispose]: () => {
        this.locks--;
        this.done.push('release');
        return Promise.resolve();
      },
    });
  }
  follow(tell: (isComing: boolean) => void, onReady: () => void, signal: AbortSignal): Promise<never> {
    this.tell = tell;
    onReady();
    return new Promise((_, reject) => {
      this.lose = reject;
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
  }
}

test('a shutdown waits until the pods have ended, and one that is called off is waited for again', async (t) => {
  const logind = new TestLogind();
  const ended = new Set<string>();
  const stop = new AbortController();
  let changes = 0;
  const shutdown = new GracefulShutdown({
    ...{ logind, periods: periodsOf(600, 60), logger: pino({ level: 'silent' }) },
    pods: [pod('web', 0, 30), pod('dns', CRITICAL, 30)],
    end: (uid, graceSeconds, { reason, message, disrupts }) =>
      logind.done.push(`end ${uid} in ${graceSeconds} s: ${reason}, ${message}, ${disrupts}`),
    haveEnded: (uids) => uids.every((uid) => ended.has(uid)),
    onChange: () => void changes++,
    record,
  });
  const running = shutdown.run(stop.signal);
  t.teardown(() => stop.abort());
  await eventually('the lock', () => logind.locks === 1);
  t.strictSame(logind.done.splice(0), ['allow 600', 'lock']);
  logind.tell(true);
  await eventually('the first pod to be told', () => logind.done.length === 1);
  t.ok(shutdown.isComing);
  t.equal(logind.locks, 1, 'the shutdown waits');
  ended.add('web');
  await eventually('the second one', () => logind.done.length === 2);
  ended.add('dns');
  await eventually('the shutdown to go on', () => logind.locks === 0);
  const why = 'Terminated, Pod was terminated in response to imminent node shutdown., true';
  t.strictSame(logind.done.splice(0), [`end web in 30 s: ${why}`, `end dns in 30 s: ${why}`, 'release']);
  logind.tell(false);
  await eventually('the lock again', () => logind.locks === 1);
  t.notOk(shutdown.isComing);
  t.equal(changes, 2, 'the node is reported anew each time');
  logind.lose(new Error('the bus is gone'));
  await eventually(
    'the lock after the bus has come back',
    () => logind.done.filter((what) => what === 'lock').length === 2,
  );
  stop.abort(new Error('the agent ends'));
  await running;
  t.equal(logind.locks, 0, 'an agent that ends keeps no shutdown from going on');
});

test('a lock that is lost is taken again, and what was missed while the bus was gone is made up for', async (t) => {
  const logind = new TestLogind();
  const stop = new AbortController();
  const shutdown = new GracefulShutdown({
    ...{ logind, record, periods: periodsOf(600, 0), logger: pino({ level: 'silent' }) },
    pods: [pod('web')],
    end: (uid) => logind.done.push(`end ${uid}`),
    haveEnded: () => true,
    onChange: () => undefined,
  });
  const running = shutdown.run(stop.signal);
  t.teardown(() => stop.abort());
  const taken = (): number => logind.done.filter((what) => what === 'lock').length;
  await eventually('the lock', () => taken() === 1);
  logind.loseLock(new Error('systemd-inhibit was killed'));
  await eventually('another one', () => taken() === 2);

  logind.shuttingDown = true;
  logind.lose(new Error('the bus is gone'));
  await eventually('the pods to be told of a shutdown that has begun meanwhile', () => logind.done.includes('end web'));
  t.ok(shutdown.isComing);
  t.equal(taken(), 2, 'one that has begun cannot be delayed any more');
  logind.shuttingDown = false;
  logind.lose(new Error('the bus is gone'));
  await eventually('the node to take pods again', () => !shutdown.isComing);
  await eventually('the lock', () => taken() === 3);
  stop.abort(new Error('the agent ends'));
  await running;
});

test('without a grace period logind is left alone', async (t) => {
  const logind = new TestLogind();
  const nothing = { pods: [], record, end: () => undefined, haveEnded: () => true, onChange: () => undefined };
  const logger = pino({ level: 'silent' });
  const options = { ...nothing, logind, logger, periods: periodsOf(0, 0) };
  await new GracefulShutdown(options).run(new AbortController().signal);
  t.strictSame(logind.done, []);
});

test('only the news of logind is heard', async (t) => {
  const signal = (more: object = {}): string =>
    JSON.stringify({
      ...{ type: 'signal', sender: ':1.3', path: '/org/freedesktop/login1' },
      ...{ interface: 'org.freedesktop.login1.Manager', member: 'PrepareForShutdown' },
      payload: { type: 'b', data: [true] },
      ...more,
    });
  t.equal(readSignal(signal()), true);
  t.equal(readSignal(signal({ payload: { type: 'b', data: [false] } })), false);
  for (const other of [
    signal({ member: 'PrepareForSleep' }),
    signal({ type: 'method_call' }),
    signal({ interface: 'x' }),
    signal({ payload: { data: ['true'] } }),
    signal({ payload: undefined }),
    '{}',
    'not JSON',
  ])
    t.equal(readSignal(other), undefined, other);
});
