/**
 * Opens copies of a store, each corrupted in one way, and prints the results: `damaged` with the message, or `sound` with a
 * fingerprint of its content. A separate process, since LMDB crashes the process that maps a corrupt file.
 */
import { createHash } from 'node:crypto';
import { cp, open, rm } from 'node:fs/promises';
import path from 'node:path';
import { openEmbeddedStore } from '../../../control-plane/store/embedded/embedded-store.ts';
import { StoreUnavailableError, type Store } from '../../../control-plane/store/store.ts';

export type Damage =
  | { readonly kind: 'none' }
  | { readonly kind: 'flip'; readonly byte: number; readonly bit: number }
  | { readonly kind: 'zero'; readonly page: number };

export interface Outcome {
  readonly damage: Damage;
  readonly sound?: string;
  readonly damaged?: string;
}

const PAGE_BYTES = 4096;

async function apply(damage: Damage, file: string): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    if (damage.kind === 'zero') await handle.write(Buffer.alloc(PAGE_BYTES), 0, PAGE_BYTES, damage.page * PAGE_BYTES);
    if (damage.kind !== 'flip') return;
    const byte = Buffer.alloc(1);
    await handle.read(byte, 0, 1, damage.byte);
    byte.writeUInt8(byte.readUInt8() ^ (1 << damage.bit));
    await handle.write(byte, 0, 1, damage.byte);
  } finally {
    await handle.close();
  }
}

async function fingerprint(store: Store): Promise<string> {
  const hash = createHash('sha256').update(`${await store.latestRevision()}`);
  for (const { key, value, revision } of (await store.list('/')).items)
    hash.update(`${key} ${revision} `).update(value);
  return hash.digest('hex');
}

async function outcome(directory: string): Promise<Omit<Outcome, 'damage'>> {
  let store: Store | undefined;
  try {
    const opened = await openEmbeddedStore({ path: directory, compaction: false });
    store = opened;
    const sound = await fingerprint(opened);
    // Pages that are reused must have been free.
    const written = await Promise.all(
      Array.from({ length: 50 }, async (_, index) => opened.put(`/probe/${index}`, Buffer.alloc(6000, 'p'))),
    );
    await Promise.all(written.map((revision, index) => opened.delete(`/probe/${index}`, { revision })));
    await opened.list('/');
    return { sound };
  } catch (error) {
    if (!(error instanceof StoreUnavailableError)) throw error;
    return { damaged: error.message };
  } finally {
    await store?.close();
  }
}

const [source = '', damages = '[]'] = process.argv.slice(2);
for (const damage of JSON.parse(damages) as Damage[]) {
  console.log(JSON.stringify({ trying: damage }));
  const copy = `${source}-damaged`;
  await cp(source, copy, { recursive: true });
  await apply(damage, path.join(copy, 'data.mdb'));
  console.log(JSON.stringify({ damage, ...(await outcome(copy)) }));
  await rm(copy, { recursive: true });
}
