import { setImmediate as nextTurn } from 'node:timers/promises';
import { test, type Test } from 'tap';
import {
  CompactedError,
  ConflictError,
  StoreTimeoutError,
  StoreUnavailableError,
  WatchInterruptedError,
  type Store,
  type StoredValue,
  type StoreEvent,
} from '../../../control-plane/store/store.ts';
import { eventually } from '../../support/wait.ts';
import { collect } from '../../support/store-events.ts';

export interface StoreUnderTest {
  readonly store: Store;
  /** Closes the store and opens it again, as a restart of the server does. */
  readonly reopen: () => Promise<Store>;
  /** From now on the store's backend does not respond, until `resume` is called. */
  readonly stall: () => { readonly resume: () => void };
}

export interface OpenOptions {
  readonly callLimitMs?: number;
}

export interface ContractOptions {
  /** By each of ten writers of one key; default: 100. */
  readonly increments?: number;
}

/** The contract of every store. `open` returns an empty store that is closed with the test. */
export function storeContract(
  name: string,
  open: (t: Test, options?: OpenOptions) => Promise<StoreUnderTest>,
  { increments = 100 }: ContractOptions = {},
): void {
  test(`${name}: each write gets the next revision, and is visible to get, list and latestRevision`, async (t) => {
    const { store } = await open(t);
    const first = await store.latestRevision();
    t.equal(await store.get('/pods/a'), undefined);
    t.equal(await store.put('/pods/a', Buffer.from('one')), first + 1);
    t.equal(await store.put('/pods/b', Buffer.from('')), first + 2);
    t.equal(await store.put('/pods/a', Buffer.from('zwei ä\0')), first + 3);
    t.equal(await store.latestRevision(), first + 3);
    t.same(await store.get('/pods/a'), { key: '/pods/a', value: Buffer.from('zwei ä\0'), revision: first + 3 });
    t.same(await store.get('/pods/b'), { key: '/pods/b', value: Buffer.from(''), revision: first + 2 });
    t.equal(await store.delete('/pods/a'), first + 4);
    t.equal(await store.get('/pods/a'), undefined);
    t.same(picture((await store.list('/pods/')).items), { '/pods/b': '' });
  });

  test(`${name}: a write with a failed precondition changes nothing and returns the current value`, async (t) => {
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
    t.equal(await store.latestRevision(), created);
    const deleted = await store.delete('/k', { revision: created });
    t.equal(await conflict(store.put('/k', Buffer.from('2'), { revision: created })), undefined);
    t.equal(
      await store.put('/k', Buffer.from('3'), { revision: 0 }),
      deleted + 1,
      'a deleted key can be created again',
    );
  });

  test(`${name}: of many concurrent compare-and-writes exactly one succeeds per round`, async (t) => {
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

  test(`${name}: increments by concurrent writers that retry on conflict are not lost`, async (t) => {
    const { store } = await open(t);
    await store.put('/sum', Buffer.from('0'));
    const increment = async (): Promise<void> => {
      for (;;) {
        const current = await store.get('/sum');
        if (!current) throw new Error('the counter does not exist');
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
        for (let i = 0; i < increments; i++) await increment();
      }),
    );
    t.equal((await store.get('/sum'))?.value.toString(), String(10 * increments));
  });

  test(`${name}: lists are in key order, paginated, and can be read at an older revision`, async (t) => {
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
      t.equal((await store.list('/pods/', { limit: 3, after })).remaining, undefined, 'only on request');
    }
  });

  test(`${name}: watchers get every event once and in order, from any revision, during 50 writes`, async (t) => {
    const { store } = await open(t);
    const start = await store.latestRevision();
    for (let i = 0; i < 1200; i += 100) {
      await Promise.all(Array.from({ length: 100 }, (_, j) => store.put(`/w/${i + j}`, Buffer.from('old'))));
    }
    const present = await store.latestRevision();
    const watchers = [start, start + 700, present, present + 50].map((after) => ({
      after,
      watch: collect(t, store, '/w/', after),
    }));
    const aside = collect(t, store, '/aside/', start);
    const writer = async (id: number): Promise<void> => {
      for (let i = 0; i < 20; i++) {
        await store.put(`/w/${id}`, Buffer.from(`${i}`));
        if (i % 5 === 0) await store.put(`/aside/${id}`, Buffer.from(`${i}`));
        if (i % 7 === 6) await store.delete(`/w/${id}`);
      }
    };
    await Promise.all([
      ...Array.from({ length: 50 }, (_, id) => writer(id)),
      nextTurn().then(() => watchers.push({ after: start + 1, watch: collect(t, store, '/w/', start + 1) })),
    ]);
    const last = await store.latestRevision();
    store.requestProgress();
    await eventually('every watcher to have the last events', () =>
      [aside, ...watchers.map(({ watch }) => watch)].every(({ revision }) => revision >= last),
    );
    const asideRevisions = new Set(aside.events.map((event) => event.revision));
    t.equal(asideRevisions.size, 200);
    for (const { after, watch } of watchers) {
      const expected: number[] = [];
      for (let revision = after + 1; revision <= last; revision++)
        if (!asideRevisions.has(revision)) expected.push(revision);
      t.same(
        watch.events.map((event) => event.revision),
        expected,
        `after ${after - start}`,
      );
    }
    const state: Record<string, string> = {};
    let wrong = 0;
    const first = watchers[0]?.watch;
    for (const event of first?.events ?? []) {
      if (event.previous?.toString() !== state[event.key]) wrong++;
      if (event.type === 'put') state[event.key] = event.value.toString();
      else {
        if (event.value.toString() !== state[event.key]) wrong++;
        Reflect.deleteProperty(state, event.key);
      }
    }
    t.equal(wrong, 0, 'each event has the previous value');
    t.same(state, picture((await store.list('/w/')).items), 'the events sum up to the list');
    first?.stop();
    await first?.ended;
    const before = first?.events.length;
    const other = watchers[1]?.watch;
    const written = await store.put('/w/after', Buffer.from('x'));
    await eventually('the other watcher to have the event', () => (other?.revision ?? 0) >= written);
    t.equal(first?.events.length, before, 'no event after the abort');
  });

  test(`${name}: a note is delivered with the event of its put, or not at all`, async (t) => {
    const { store } = await open(t);
    const live = collect(t, store, '/n/', 0);
    const notes = new Map<string, object>();
    const writes = Array.from({ length: 20 }, (_, i) => {
      const key = `/n/${i % 5}`;
      const value = Buffer.from(`${i}`);
      if (i % 3 === 0) return store.put(key, value);
      const note = { i };
      notes.set(`${i}`, note);
      return store.put(key, value, { note });
    });
    const last = Math.max(...(await Promise.all(writes)));
    await store.delete('/n/0');
    const late = collect(t, store, '/n/', 0);
    await eventually('both watches to have the events', () => live.revision > last && late.revision > last);
    for (const { type, value, note } of [...live.events, ...late.events]) {
      if (note !== undefined) t.equal(note, type === 'put' ? notes.get(value.toString()) : undefined);
    }
    t.equal(live.events.length, 21);
  });

  test(`${name}: a watch reports progress without events on request`, async (t) => {
    const { store } = await open(t);
    const aside = await store.put('/aside/1', Buffer.from('x'));
    const watches = [0, aside].map((after) => collect(t, store, '/w/', after));
    await store.put('/w/1', Buffer.from('x'));
    for (let i = 0; i < 5; i++) await store.put('/aside/1', Buffer.from(`${i}`));
    const last = await store.latestRevision();
    t.equal(last, aside + 6);
    store.requestProgress();
    await eventually('both watches to report the last revision', () =>
      watches.every(({ revision }) => revision >= last),
    );
    const fresh = collect(t, store, '/none/', last - 1);
    store.requestProgress();
    await eventually('the new watch to report the last revision', () => fresh.revision >= last);
    for (const { events } of watches) {
      t.same(
        events.map(({ key }) => key),
        ['/w/1'],
      );
    }
  });

  test(`${name}: an exception in a watcher ends its watch only`, async (t) => {
    const { store } = await open(t);
    const other = collect(t, store, '/', 0);
    const failing = store.watch('/', 0, () => {
      throw new TypeError('no such kind');
    });
    const [written] = await Promise.all([store.put('/k', Buffer.from('x')), t.rejects(failing, TypeError)]);
    await eventually('the other watcher to have the event', () => other.revision >= written);
    t.equal(other.events.length, 1);
  });

  test(`${name}: an aborted call rejects with the signal's reason, and an aborted watch resolves`, async (t) => {
    const { store } = await open(t);
    await store.put('/k', Buffer.from('x'));
    const reason = new Error('enough');
    const calls = (signal: AbortSignal): Promise<unknown>[] => [
      store.get('/k', { signal }),
      store.list('/', { signal }),
      store.put('/aborted', Buffer.from('x'), { signal }),
      store.delete('/k', { revision: 1, signal }),
    ];
    for (const call of calls(AbortSignal.abort(reason))) await t.rejects(call, reason);
    t.ok(await store.get('/k'), 'nothing was written');
    t.notOk(await store.get('/aborted'));
    await store.watch('/', 0, () => t.fail('an aborted watch delivers nothing'), { signal: AbortSignal.abort(reason) });

    const aborting = new AbortController();
    const writes = [1, 2].map((i) => store.put(`/w/${i}`, Buffer.from('x'), { signal: aborting.signal }));
    aborting.abort(reason);
    for (const write of writes) await t.rejects(write, reason);
    t.type(await store.put('/w/1', Buffer.from('y')), 'number', 'others are not affected');
  });

  test(`${name}: an unfinished write times out, and the store continues when it can`, async (t) => {
    const { store, stall } = await open(t, { callLimitMs: 50 });
    await store.put('/k', Buffer.from('old'));
    const { resume } = stall();
    const first = store.put('/k', Buffer.from('new'));
    await nextTurn();
    await nextTurn();
    const second = store.put('/other', Buffer.from('x'));
    const outcomes = await Promise.allSettled([first, second]);
    const errors = outcomes.map((outcome) => (outcome.status === 'rejected' ? (outcome.reason as unknown) : undefined));
    t.type(errors[0], StoreTimeoutError, 'it may still be applied');
    t.ok(errors[1] instanceof StoreTimeoutError || errors[1] instanceof StoreUnavailableError);
    resume();
    const written = await store.put('/k', Buffer.from('newer'));
    t.match(await store.get('/k'), { revision: written, value: Buffer.from('newer') });
    const events = collect(t, store, '/', 0);
    await eventually('the event', () => events.revision >= written);
    t.same(
      applied({}, events.events),
      (await store.list('/')).items.map(({ key, value }) => ({ key, value })),
    );
  });

  test(`${name}: closing ends watches and calls`, async (t) => {
    const { store } = await open(t);
    const { ended } = collect(t, store, '/', 0);
    const rejected = t.rejects(ended, WatchInterruptedError);
    await store.put('/k', Buffer.from('x'));
    await store.close();
    await rejected;
    await t.rejects(store.put('/k', Buffer.from('x')), StoreUnavailableError);
    await t.rejects(store.get('/k'), StoreUnavailableError);
    await t.rejects(
      store.watch('/', 0, () => undefined),
      StoreUnavailableError,
    );
  });

  test(`${name}: compaction removes history and keeps the latest values`, async (t) => {
    const { store, reopen } = await open(t);
    for (let i = 0; i < 1000; i++) void store.put(`/c/${i % 10}`, Buffer.from(`${i}`));
    await store.delete('/c/3');
    const middle = (await store.latestRevision()) - 20;
    const old = picture((await store.list('/c/', { revision: middle })).items);
    const now = picture((await store.list('/c/')).items);
    await store.compact(middle);
    await store.compact(middle - 100);
    await t.rejects(store.list('/c/', { revision: middle - 1 }), CompactedError);
    await t.rejects(
      store.watch('/c/', middle - 1, () => undefined),
      CompactedError,
    );
    t.same(picture((await store.list('/c/', { revision: middle })).items), old);
    t.same(picture((await store.list('/c/')).items), now);
    const again = await reopen();
    await t.rejects(again.list('/c/', { revision: middle - 1 }), CompactedError);
    t.same(picture((await again.list('/c/', { revision: middle })).items), old);
    const { events } = collect(t, again, '/c/', middle);
    await eventually('the events', () => events.length >= 20);
    t.same(picture(applied(old, events)), now);
  });

  test(`${name}: revisions continue after a restart, even after everything was deleted and compacted`, async (t) => {
    const { store, reopen } = await open(t);
    for (const key of ['/a', '/b']) await store.put(key, Buffer.from(key));
    for (const key of ['/a', '/b']) await store.delete(key);
    const last = await store.latestRevision();
    await store.compact(last);
    const again = await reopen();
    t.equal(await again.latestRevision(), last);
    t.same((await again.list('/')).items, []);
    t.equal(await again.put('/a', Buffer.from('new'), { revision: 0 }), last + 1);
  });

  test(`${name}: during compaction, writes and lists stay correct and watches skip nothing`, async (t) => {
    const { store } = await open(t);
    for (let i = 0; i < 3000; i++) void store.put(`/m/${i % 500}`, Buffer.from(`${i}`));
    await store.put('/m/last', Buffer.from('x'));
    const at = await store.latestRevision();
    const expected = picture((await store.list('/m/', { revision: at })).items);
    const watch = collect(t, store, '/m/', at - 2500);
    let failure: unknown;
    watch.ended.catch((error: unknown) => (failure = error));
    const [, listed] = await Promise.all([
      store.compact(at),
      store.list('/m/', { revision: at }),
      ...Array.from({ length: 500 }, (_, i) => store.put(`/m/${i}`, Buffer.from('new'))),
    ]);
    t.same(picture(listed.items), expected);
    await eventually('the events', () => failure !== undefined || watch.events.length >= 3000);
    if (failure !== undefined) t.type(failure, CompactedError, 'it was behind');
    t.same(
      watch.events.map((event) => event.revision),
      Array.from({ length: failure === undefined ? 3000 : watch.events.length }, (_, i) => at - 2500 + 1 + i),
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

/** A reproducible sequence of numbers below a bound. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % below;
  };
}
