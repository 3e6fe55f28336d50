import { setImmediate as nextTurn } from 'node:timers/promises';
import { test, type Test } from 'tap';
import {
  CompactedError,
  ConflictError,
  type Store,
  type StoredValue,
  type StoreEvent,
} from '../../../control-plane/store/store.ts';
import { eventually } from '../../support/wait.ts';

export interface StoreUnderTest {
  readonly store: Store;
  /** Closes the store and opens it again, as a restart of the server does. */
  readonly reopen: () => Promise<Store>;
}

/** What every home of the store has to keep. `open` gives an empty store and cleans up with the test. */
export function storeContract(name: string, open: (t: Test) => Promise<StoreUnderTest>): void {
  test(`${name}: each write gets the next revision, and shows in get, list and revision`, async (t) => {
    const { store } = await open(t);
    const first = store.revision;
    t.equal(await store.get('/pods/a'), undefined);
    t.equal(await store.put('/pods/a', Buffer.from('one')), first + 1);
    t.equal(await store.put('/pods/b', Buffer.from('')), first + 2);
    t.equal(await store.put('/pods/a', Buffer.from('zwei ä\0')), first + 3);
    t.equal(store.revision, first + 3);
    t.same(await store.get('/pods/a'), { key: '/pods/a', value: Buffer.from('zwei ä\0'), revision: first + 3 });
    t.same(await store.get('/pods/b'), { key: '/pods/b', value: Buffer.from(''), revision: first + 2 });
    t.equal(await store.delete('/pods/a'), first + 4);
    t.equal(await store.get('/pods/a'), undefined);
    t.same(picture((await store.list('/pods/')).items), { '/pods/b': '' });
  });

  test(`${name}: a write whose precondition does not hold changes nothing and says what is there`, async (t) => {
    const { store } = await open(t);
    const created = await store.put('/k', Buffer.from('1'), { revision: 0 });
    const conflict = async (write: Promise<number>): Promise<StoredValue | undefined> => {
      const error: unknown = await write.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      if (!(error instanceof ConflictError)) throw new Error(`no conflict: ${String(error)}`);
      return error.current;
    };
    t.match(await conflict(store.put('/k', Buffer.from('2'), { revision: 0 })), { revision: created });
    t.match(await conflict(store.put('/k', Buffer.from('2'), { revision: created + 7 })), { value: Buffer.from('1') });
    t.match(await conflict(store.delete('/k', { revision: created + 7 })), { revision: created });
    t.equal(await conflict(store.put('/other', Buffer.from('2'), { revision: created })), undefined);
    t.equal(await conflict(store.delete('/other')), undefined);
    t.equal(store.revision, created);
    const deleted = await store.delete('/k', { revision: created });
    t.equal(await conflict(store.put('/k', Buffer.from('2'), { revision: created })), undefined);
    t.equal(
      await store.put('/k', Buffer.from('3'), { revision: 0 }),
      deleted + 1,
      'a deleted key can be created again',
    );
  });

  test(`${name}: of many who compare and write at once exactly one wins each round`, async (t) => {
    const { store } = await open(t);
    let revision = await store.put('/counter', Buffer.from('0'));
    for (let round = 1; round <= 20; round++) {
      const results = await Promise.allSettled(
        Array.from({ length: 50 }, (_, i) => store.put('/counter', Buffer.from(`${round}/${i}`), { revision })),
      );
      const won = results.flatMap((result, i) =>
        result.status === 'fulfilled' ? [{ i, revision: result.value }] : [],
      );
      const lost = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
      t.equal(won.length, 1);
      const current = await store.get('/counter');
      t.equal(current?.value.toString(), `${round}/${won[0]?.i}`);
      t.ok(lost.every((error) => error instanceof ConflictError && error.current?.revision === current?.revision));
      revision = won[0]?.revision ?? 0;
    }
  });

  test(`${name}: 1,000 increments by concurrent writers that retry on conflict lose none`, async (t) => {
    const { store } = await open(t);
    await store.put('/sum', Buffer.from('0'));
    const increment = async (): Promise<void> => {
      for (;;) {
        const current = await store.get('/sum');
        if (!current) throw new Error('the counter is gone');
        try {
          const next = Buffer.from(String(Number(current.value.toString()) + 1));
          await store.put('/sum', next, { revision: current.revision });
          return;
        } catch (error) {
          if (!(error instanceof ConflictError)) throw error;
        }
      }
    };
    await Promise.all(
      Array.from({ length: 10 }, async () => {
        for (let i = 0; i < 100; i++) await increment();
      }),
    );
    t.equal((await store.get('/sum'))?.value.toString(), '1000');
  });

  test(`${name}: a list comes in key order, in parts, and as it was at an older revision`, async (t) => {
    const { store } = await open(t);
    const history = new Map<number, Record<string, string>>();
    const model: Record<string, string> = {};
    const random = randomNumbers(7);
    for (let i = 0; i < 600; i++) {
      const key = `/pods/${random(60)}`;
      if (model[key] !== undefined && random(3) === 0) {
        const revision = await store.delete(key);
        Reflect.deleteProperty(model, key);
        history.set(revision, { ...model });
      } else {
        const [, revision] = await Promise.all([
          store.put(`/pods-not/${i}`, Buffer.from('x')),
          store.put(key, Buffer.from(`${i}`)),
        ]);
        model[key] = `${i}`;
        history.set(revision, { ...model });
      }
    }
    for (const [revision, expected] of history) {
      const all = await store.list('/pods/', { revision });
      const keys = Object.keys(expected).sort();
      t.same(
        all.items.map((item) => [item.key, item.value.toString()]),
        keys.map((key) => [key, expected[key]]),
        `revision ${revision}`,
      );
    }
    const middle = [...history.keys()][300] ?? 0;
    const expected = Object.keys(history.get(middle) ?? {}).sort();
    const paged: string[] = [];
    let after: string | undefined;
    do {
      const part = await store.list('/pods/', { revision: middle, limit: 7, after, count: true });
      t.equal(part.revision, middle);
      paged.push(...part.items.map((item) => item.key));
      t.equal(part.remaining, expected.length - paged.length);
      t.equal(part.more, paged.length < expected.length);
      after = part.more ? part.items.at(-1)?.key : undefined;
    } while (after !== undefined);
    t.same(paged, expected);
    const present = [...(await store.list('/pods/')).items.map((item) => item.key)];
    for (const after of [undefined, present[0], present[200], present.at(-2), present.at(-1), '/pods/\u{10ffff}']) {
      const left = present.filter((key) => after === undefined || key > after).length;
      const part = await store.list('/pods/', { limit: 3, after, count: true });
      t.equal(part.remaining, Math.max(0, left - 3), `after ${after}`);
      t.equal((await store.list('/pods/', { limit: 3, after })).remaining, undefined, 'only where it is asked for');
    }
  });

  test(`${name}: watchers get every event once and in order, from wherever they start, while 50 write`, async (t) => {
    const { store } = await open(t);
    const start = store.revision;
    for (let i = 0; i < 1200; i += 100) {
      await Promise.all(Array.from({ length: 100 }, (_, j) => store.put(`/w/${i + j}`, Buffer.from('old'))));
    }
    const end = new AbortController();
    const seen = [start, start + 700, store.revision, store.revision + 50].map((after) => ({
      after,
      events: [] as StoreEvent[],
    }));
    for (const { after, events } of seen.slice(0, 3)) {
      store.watch('/w/', after, (batch) => events.push(...batch), end.signal);
    }
    const aside: StoreEvent[] = [];
    store.watch('/aside/', start, (batch) => aside.push(...batch), end.signal);
    const future = seen[3];
    if (future) store.watch('/w/', future.after, (batch) => future.events.push(...batch), end.signal);
    const writer = async (id: number): Promise<void> => {
      for (let i = 0; i < 20; i++) {
        await store.put(`/w/${id}`, Buffer.from(`${i}`));
        if (i % 5 === 0) await store.put(`/aside/${id}`, Buffer.from(`${i}`));
        if (i % 7 === 6) await store.delete(`/w/${id}`);
      }
    };
    const late: StoreEvent[] = [];
    await Promise.all([
      ...Array.from({ length: 50 }, (_, id) => writer(id)),
      nextTurn().then(() => store.watch('/w/', start + 1, (batch) => late.push(...batch), end.signal)),
    ]);
    seen.push({ after: start + 1, events: late });
    const last = store.revision;
    const asideRevisions = new Set(aside.map((event) => event.revision));
    await eventually(
      'every watcher to have the last events',
      () => asideRevisions.size === 200 && seen.every(({ events }) => (events.at(-1)?.revision ?? 0) >= last - 1),
    );
    for (const { after, events } of seen) {
      const expected: number[] = [];
      for (let revision = after + 1; revision <= last; revision++)
        if (!asideRevisions.has(revision)) expected.push(revision);
      t.same(
        events.map((event) => event.revision),
        expected,
        `after ${after - start}`,
      );
    }
    const state: Record<string, string> = {};
    let wrong = 0;
    for (const event of seen[0]?.events ?? []) {
      if (event.previous?.toString() !== state[event.key]) wrong++;
      if (event.type === 'put') state[event.key] = event.value.toString();
      else {
        if (event.value.toString() !== state[event.key]) wrong++;
        Reflect.deleteProperty(state, event.key);
      }
    }
    t.equal(wrong, 0, 'each event carries the value before it');
    t.same(state, picture((await store.list('/w/')).items), 'events add up to what is listed');
    end.abort();
    const before = seen[0]?.events.length;
    await store.put('/w/after', Buffer.from('x'));
    await nextTurn();
    t.equal(seen[0]?.events.length, before, 'no event after the abort');
  });

  test(`${name}: compaction takes the history and leaves what is current`, async (t) => {
    const { store, reopen } = await open(t);
    for (let i = 0; i < 1000; i++) void store.put(`/c/${i % 10}`, Buffer.from(`${i}`));
    await store.delete('/c/3');
    const middle = store.revision - 20;
    const old = picture((await store.list('/c/', { revision: middle })).items);
    const now = picture((await store.list('/c/')).items);
    await store.compact(middle);
    await store.compact(middle - 100);
    t.equal(store.compactedRevision, middle);
    await t.rejects(store.list('/c/', { revision: middle - 1 }), CompactedError);
    t.throws(() => store.watch('/c/', middle - 1, () => undefined, new AbortController().signal), CompactedError);
    t.same(picture((await store.list('/c/', { revision: middle })).items), old);
    t.same(picture((await store.list('/c/')).items), now);
    const again = await reopen();
    t.equal(again.compactedRevision, middle);
    t.same(picture((await again.list('/c/', { revision: middle })).items), old);
    const events: StoreEvent[] = [];
    again.watch('/c/', middle, (batch) => events.push(...batch), new AbortController().signal);
    await eventually('the events', () => events.length >= 20);
    t.same(picture(applied(old, events)), now);
  });

  test(`${name}: revisions go on after a restart, also when everything was deleted and compacted`, async (t) => {
    const { store, reopen } = await open(t);
    for (const key of ['/a', '/b']) await store.put(key, Buffer.from(key));
    for (const key of ['/a', '/b']) await store.delete(key);
    const last = store.revision;
    await store.compact(last);
    const again = await reopen();
    t.equal(again.revision, last);
    t.same((await again.list('/')).items, []);
    t.equal(await again.put('/a', Buffer.from('new'), { revision: 0 }), last + 1);
  });

  test(`${name}: compaction under way keeps neither writers nor lists nor watchers from being exact`, async (t) => {
    const { store } = await open(t);
    for (let i = 0; i < 3000; i++) void store.put(`/m/${i % 500}`, Buffer.from(`${i}`));
    await store.put('/m/last', Buffer.from('x'));
    const at = store.revision;
    const expected = picture((await store.list('/m/', { revision: at })).items);
    const events: StoreEvent[] = [];
    store.watch('/m/', at - 2500, (batch) => events.push(...batch), new AbortController().signal);
    const [, listed] = await Promise.all([
      store.compact(at),
      store.list('/m/', { revision: at }),
      ...Array.from({ length: 500 }, (_, i) => store.put(`/m/${i}`, Buffer.from('new'))),
    ]);
    t.same(picture(listed.items), expected);
    await eventually('the events', () => events.length >= 3000);
    t.same(
      events.map((event) => event.revision),
      Array.from({ length: 3000 }, (_, i) => at - 2500 + 1 + i),
    );
  });
}

function picture(items: Iterable<{ readonly key: string; readonly value: Buffer }>): Record<string, string> {
  return Object.fromEntries([...items].map(({ key, value }) => [key, value.toString()]));
}

function applied(from: Record<string, string>, events: readonly StoreEvent[]): { key: string; value: Buffer }[] {
  const state = new Map(Object.entries(from));
  for (const event of events) {
    if (event.type === 'put') state.set(event.key, event.value.toString());
    else state.delete(event.key);
  }
  return [...state].map(([key, value]) => ({ key, value: Buffer.from(value) }));
}

/** A repeatable sequence of numbers below a bound. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % below;
  };
}
