import { mock } from 'node:test';
import t from 'tap';
import { BookmarkClock } from '../../../control-plane/apiserver/verbs/bookmark-clock.ts';

t.test('each is told once per minute, those that began together in one turn', (t) => {
  const { timers } = mock;
  timers.enable({ apis: ['setInterval', 'Date'] });
  t.teardown(() => timers.reset());
  const bookmarks = new BookmarkClock();
  const told: string[] = [];
  const note = (name: string) => () => void told.push(`${name} at ${Date.now()}`);
  const stopA = bookmarks.each(note('a'));
  timers.tick(2_000);
  const stopB = bookmarks.each(note('b'));
  timers.tick(58_000);
  t.same(told, ['a at 60000', 'b at 60000']);
  stopA();
  stopA();
  timers.tick(60_000);
  t.same(told.slice(2), ['b at 120000']);
  stopB();
  timers.tick(600_000);
  t.equal(told.length, 3);
  t.end();
});
