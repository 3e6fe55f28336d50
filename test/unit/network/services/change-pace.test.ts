/** How often the rules of one Service are written. */
import t from 'tap';
import { ChangePace } from '../../../../agent/network/services/change-pace.ts';

t.test('a Service that changes all the time is written at once at first, then four times a second', (t) => {
  const pace = new ChangePace();
  const written: number[] = [];
  for (let ms = 0; ms < 5_000; ms += 10) if (pace.take(['default/flaps'], ms).length > 0) written.push(ms);
  t.same(
    written.slice(0, 20),
    Array.from({ length: 20 }, (_, index) => index * 10),
  );
  t.equal(written.length, 20 + 19);
  for (const [index, ms] of written.entries()) if (index >= 20) t.equal(ms, 250 * (index - 19), 'every 250 ms');
  t.equal(pace.waitMs('default/flaps', 5_000), 0);
  t.end();
});

t.test('one Service holds up no other, and is as free as before when it has been calm', (t) => {
  const pace = new ChangePace();
  const both = ['default/flaps', 'default/calm'];
  for (let time = 0; time < 20; time++) pace.take(['default/flaps'], 0);
  t.same(pace.take(both, 0), ['default/calm']);
  t.equal(pace.nextMs(['default/flaps'], 0), 250);
  t.equal(pace.nextMs(both, 0), 0);
  t.equal(pace.nextMs([], 0), Infinity);
  t.same(pace.take(both, 249), ['default/calm']);
  t.same(pace.take(both, 250), both);
  for (let time = 0; time < 20; time++) t.same(pace.take(['default/flaps'], 10_000), ['default/flaps']);
  t.same(pace.take(['default/flaps'], 10_000), []);
  t.end();
});

t.test('thousands of Services that come and go leave no trace', (t) => {
  const pace = new ChangePace();
  for (let ms = 0; ms < 100_000; ms++) pace.take([`default/s${ms}`], ms);
  t.ok(pace.size <= 1_000, `${pace.size} are remembered`);
  t.end();
});
