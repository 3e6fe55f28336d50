import { test } from 'tap';
import { WallClock } from '../../support/wall-clock.ts';
import { msSince, msUntil, timeIn, wallTimeOf } from '../../../client/clock.ts';
import { WorkQueue } from '../../../client/work-queue.ts';

const HOUR_MS = 3_600_000;
const NEAR_MS = 1_000;

test('a moment is as long ago as it is, however the wall clock is set', async (t) => {
  const moment = performance.now() - 5_000;
  for (const byMs of [HOUR_MS, -HOUR_MS]) {
    using clock = new WallClock();
    clock.jump(byMs);
    const ago = msSince(wallTimeOf(moment));
    t.ok(ago >= 5_000 && ago < 5_000 + NEAR_MS, String(ago));
  }
});

test('a time that somebody has stated is reached when the wall clock says so', async (t) => {
  const expiresAt = Date.now() + HOUR_MS / 2;
  t.ok(msUntil(expiresAt) > 0);
  t.ok(msSince(expiresAt) < 0);
  t.ok(Math.abs(msUntil(timeIn(NEAR_MS * 10)) - NEAR_MS * 10) < NEAR_MS);
  using clock = new WallClock();
  clock.jump(HOUR_MS);
  t.ok(msUntil(expiresAt) < 0);
});

test('a key that is to be looked at later is, though the wall clock is set', async (t) => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const end = new AbortController();
  const queue = new WorkQueue({ onError: (_, error) => t.fail(String(error)) });
  const running = queue.run(async () => resolve(), end.signal);
  // The earlier of two comes first, whatever the clock says in between.
  {
    using clock = new WallClock();
    clock.jump(HOUR_MS);
    queue.addAfter('key', HOUR_MS);
  }
  queue.addAfter('key', 10);
  await promise;
  end.abort();
  await running;
});
