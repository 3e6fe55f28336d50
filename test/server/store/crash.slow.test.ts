import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { openEmbeddedStore } from '../../../control-plane/store/embedded/embedded-store.ts';
import type { StoreEvent, WatchBatch } from '../../../control-plane/store/store.ts';
import { crashValue } from './crash-value.ts';

/** Number of kills, and of directories that they are distributed over, which run concurrently. */
const KILLS = 100;
const DIRECTORIES = 4;
/** Maximum runtime after the first acknowledged write, in milliseconds. */
const MAX_LIFETIME_MS = 60;

/** Ten seconds on an idle machine of two cores; a busy one starts processes several times as slowly. */
t.setTimeout(180_000);

interface Acknowledged {
  readonly type: string;
  readonly key: string;
  readonly revision: number;
  readonly name: string;
}

t.test(
  `after each of ${KILLS} kills under load every acknowledged write is present, and none is partial`,
  async (t) => {
    const totals = await Promise.all(
      Array.from({ length: DIRECTORIES }, async () => {
        const path = await mkdtemp(join(tmpdir(), 'kedge-store-crash-'));
        t.teardown(() => rm(path, { recursive: true, force: true }));
        /** Each key's last acknowledged write, over all lives. */
        const latest = new Map<string, Acknowledged>();
        let acknowledged = 0;
        let compacted = 0;
        let revision = 0;
        for (let life = 0; life < KILLS / DIRECTORIES; life++) {
          const said = await liveAndDie(path, life);
          const writes = said.filter(({ type }) => type !== 'compacted');
          acknowledged += writes.length;
          compacted += said.length - writes.length;
          for (const write of writes) latest.set(write.key, write);
          revision = await inspect(path, writes, latest, revision);
        }
        return { acknowledged, compacted };
      }),
    );
    const sums = totals.map((total) => total.acknowledged);
    t.ok(Math.min(...sums) > KILLS, `${sums.join(' + ')} acknowledged writes`);
    const files = totals.reduce((sum, total) => sum + total.compacted, 0);
    t.ok(files > 0, `the data file was rewritten ${files} times`);
  },
);

async function liveAndDie(path: string, life: number): Promise<Acknowledged[]> {
  const writer = spawn(
    process.execPath,
    [new URL('crash-writer.ts', import.meta.url).pathname, path, `${life}`, '16'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const output = text(writer.stdout);
  const exited = once(writer, 'exit');
  await Promise.race([once(writer.stdout, 'readable'), exited]);
  // The time of the kill is what is varied; there is no condition to wait for.
  // eslint-disable-next-line kedge/fixed-waits
  await sleep(Math.random() * MAX_LIFETIME_MS);
  writer.kill('SIGKILL');
  const [, signal] = (await exited) as [number | null, string | null];
  if (signal !== 'SIGKILL') throw new Error(`the writer exited by itself in life ${life} of ${path}`);
  // An incomplete last line was interrupted by the kill.
  return (await output)
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const [type = '', key = '', revision = '', name = ''] = line.split(' ');
      return { type, key, revision: Number(revision), name };
    });
}

/** Opens the store after the kill and compares it with the acknowledged writes. Returns the latest revision. */
async function inspect(
  path: string,
  writes: readonly Acknowledged[],
  latest: ReadonlyMap<string, Acknowledged>,
  before: number,
): Promise<number> {
  const store = await openEmbeddedStore({ path, compaction: false });
  try {
    const highest = Math.max(before, ...writes.map((write) => write.revision));
    if (store.revision < highest) throw new Error(`${path} went back from revision ${highest} to ${store.revision}`);
    const { items } = await store.list('/');
    const found = new Map(items.map((item) => [item.key, item]));
    for (const { key, value } of items) mustBeWhole(key, value);
    for (const write of latest.values()) {
      const item = found.get(write.key);
      // A later, unacknowledged write of the key may be present; an earlier one may not.
      if (item && item.revision < write.revision)
        throw new Error(`${write.key}: the write of ${write.revision} is lost`);
      if (item?.revision === write.revision && !item.value.equals(crashValue(write.name))) {
        throw new Error(`${write.key}: another value at ${write.revision}`);
      }
      if (!item && write.type === 'put') await mustBeDeletedAfter(store, write);
    }
    const events = await history(store);
    const said = new Map(writes.map((write) => [write.revision, write]));
    for (const event of events) {
      mustBeWhole(event.key, event.value);
      const write = said.get(event.revision);
      if (write && (write.key !== event.key || write.type !== event.type)) {
        throw new Error(`revision ${event.revision} is ${event.type} ${event.key}, not ${write.type} ${write.key}`);
      }
    }
    return store.revision;
  } finally {
    await store.close();
  }
}

/** All events that are left; their revisions have no gap. */
async function history(store: Awaited<ReturnType<typeof openEmbeddedStore>>): Promise<StoreEvent[]> {
  const events: StoreEvent[] = [];
  const end = new AbortController();
  const from = store.compactedRevision;
  const onBatch = (batch: WatchBatch): void => {
    events.push(...batch.events);
    if (batch.revision === store.revision) end.abort();
  };
  if (store.revision > from) await store.watch('/', from, onBatch, { signal: end.signal });
  events.forEach((event, i) => {
    if (event.revision !== from + 1 + i) throw new Error(`a gap in the history at ${from + 1 + i}`);
  });
  return events;
}

/** An acknowledged put that is absent: an unacknowledged delete came after it. */
async function mustBeDeletedAfter(
  store: Awaited<ReturnType<typeof openEmbeddedStore>>,
  write: Acknowledged,
): Promise<void> {
  if (write.revision < store.compactedRevision) return;
  const last = (await history(store)).filter((event) => event.key === write.key).at(-1);
  if (last?.type !== 'delete') throw new Error(`${write.key}: the put of ${write.revision} is lost`);
}

function mustBeWhole(key: string, value: Buffer): void {
  const name = value.subarray(0, value.indexOf('|')).toString();
  if (!value.equals(crashValue(name))) throw new Error(`${key} holds a part of a value`);
}
