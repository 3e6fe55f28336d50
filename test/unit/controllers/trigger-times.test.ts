/** What endpoints say of when the change came about that they show. */
import t from 'tap';
import { TriggerTimes } from '../../../control-plane/controllers/network/trigger-times.ts';

const pod = (uid: string, readyChangedAt: number) => ({ uid, readyChangedAt });
const KEY = 'default/web';

t.test('a change is as old as the oldest that made it', (t) => {
  const times = new TriggerTimes();
  t.equal(
    times.look(KEY, 500, [pod('a', 100)], true),
    500,
    'a new Service: when it was created, even when its pods are older',
  );
  t.equal(times.look(KEY, 500, [pod('a', 100)], false), undefined, 'nothing has changed');
  t.equal(times.look(KEY, 500, [pod('a', 100), pod('b', 700), pod('c', 600)], false), 600);
  t.equal(
    times.look(KEY, 500, [pod('a', 100), pod('c', 800)], false),
    800,
    'readiness has changed, another pod is gone',
  );
  t.equal(times.look(KEY, 500, [pod('c', 800)], false), undefined, 'nobody says when a pod went');
  t.equal(times.look(KEY, 500, [pod('c', 800), pod('d', 0)], false), undefined, 'a pod whose readiness is not known');
  t.equal(times.look('default/other', 900, [pod('c', 800)], true), 900, 'each Service on its own');
  t.end();
});

t.test('a controller that starts says nothing of what it has not seen', (t) => {
  const times = new TriggerTimes();
  t.equal(times.look(KEY, 500, [pod('a', 600)], false), undefined);
  t.equal(times.look(KEY, 500, [pod('a', 700)], false), 700);
  times.forget(KEY);
  t.equal(times.look(KEY, 900, [pod('a', 800)], true), 900, 'another Service of the same name');
  t.end();
});
