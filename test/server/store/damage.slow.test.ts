import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { test } from 'tap';
import { openEmbeddedStore } from '../../../control-plane/store/embedded/embedded-store.ts';
import type { Damage, Outcome } from './damage-reader.ts';

const run = promisify(execFile);
const PAGE_BYTES = 4096;
/** Both meta pages of the file: every byte that is used. */
const META_BYTES = 24 + 144;
const READER = path.resolve(import.meta.dirname, 'damage-reader.ts');

/** The same numbers in each run, so that failures can be reproduced. */
function* numbers(seed: number): Generator<number, never> {
  for (let state = seed; ;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}

test('one flipped bit or one zeroed page anywhere in the store never crashes the server', async (t) => {
  const parent = await mkdtemp(path.join(tmpdir(), 'kedge-damage-'));
  t.teardown(() => rm(parent, { recursive: true }));
  const source = path.join(parent, 'store');
  await mkdir(source);
  const store = await openEmbeddedStore({ path: source, compaction: false });
  for (let round = 0; round < 6; round++)
    await Promise.all(
      Array.from({ length: 60 }, (_, index) =>
        store.put(`/k/${(index * 7) % 90}`, Buffer.alloc(40 * index + 50, `${round}`)),
      ),
    );
  for (let index = 0; index < 20; index++) await store.delete(`/k/${(index * 7) % 90}`);
  await store.compact(store.revision - 40);
  await store.put('/k/last', Buffer.from('last'));
  await store.close();

  const random = numbers(7);
  const upTo = (limit: number): number => Math.floor(random.next().value * limit);
  const { size } = await stat(path.join(source, 'data.mdb'));
  const pages = size / PAGE_BYTES;
  const flips = (count: number, byte: () => number): Damage[] =>
    Array.from({ length: count }, () => ({ kind: 'flip', byte: byte(), bit: upTo(8) }));
  const damages: Damage[] = [
    { kind: 'none' },
    ...flips(60, () => upTo(2) * PAGE_BYTES + upTo(META_BYTES)),
    // Page headers and entry offsets, where one bit leads to other memory.
    ...flips(80, () => upTo(pages) * PAGE_BYTES + upTo(64)),
    ...flips(40, () => upTo(size)),
    ...Array.from({ length: Math.min(pages, 30) }, (_, index): Damage => ({
      kind: 'zero',
      page: index < 20 ? index : upTo(pages),
    })),
  ];
  const { stdout } = await run(process.execPath, [READER, source, JSON.stringify(damages)], {
    maxBuffer: 2 ** 24,
  }).catch((error: Error & { stdout?: string; signal?: string }) => {
    const last = error.stdout?.trim().split('\n').at(-1);
    throw new Error(`the reader was ended by ${error.signal ?? error.message}; last output: ${last}`);
  });
  const outcomes = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Partial<Outcome>)
    .filter((line): line is Outcome => line.damage !== undefined);
  t.equal(outcomes.length, damages.length);
  const intact = outcomes[0]?.sound;
  t.ok(intact, 'the intact store is sound');
  for (const { damage, sound, damaged } of outcomes) {
    const what = JSON.stringify(damage);
    if (damaged === undefined) t.equal(sound, intact, `${what}: all objects are present`);
    else t.match(damaged, /damaged|restore|does not match what|backup/, `${what}: ${damaged}`);
  }
  for (const page of [0, 1]) {
    const found = outcomes.find(({ damage }) => damage.kind === 'zero' && damage.page === page);
    t.match(found?.damaged, /is damaged: data\.mdb: .*; restore the directory from a backup/, `page ${page} is empty`);
  }
});
