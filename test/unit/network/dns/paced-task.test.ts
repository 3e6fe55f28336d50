/** A task that is asked for more often than it can be done. */
import { test } from 'tap';
import { PacedTask } from '../../../../agent/network/dns/paced-task.ts';

test('a task runs once for all who ask, at once when it rested, and no more than a tenth of the time', async (t) => {
  let now = 0;
  let costMs = 0;
  let runs = 0;
  const waits: number[] = [];
  let due: (() => void) | undefined;
  const task = new PacedTask({
    run: () => {
      runs++;
      now += costMs;
    },
    now: () => now,
    after: (waitMs, run) => {
      waits.push(waitMs);
      due = run;
    },
  });
  const pass = (ms: number): void => {
    now += ms;
    due?.();
  };
  for (let times = 0; times < 5; times++) task.ask();
  t.strictSame([waits, runs], [[0], 0], 'not while it is asked for');
  costMs = 100;
  pass(0);
  t.equal(runs, 1);
  now += 400;
  task.ask();
  task.ask();
  t.strictSame(waits, [0, 500]);
  pass(500);
  t.equal(runs, 2);
  now += 5_000;
  task.ask();
  t.equal(waits.at(-1), 0);
});

test('a task that fails may be asked for again', async (t) => {
  const runs: (() => void)[] = [];
  const task = new PacedTask({
    run: () => {
      throw new Error('failed');
    },
    after: (_, run) => runs.push(run),
  });
  task.ask();
  t.throws(() => runs[0]?.(), { message: 'failed' });
  task.ask();
  t.equal(runs.length, 2);
});
