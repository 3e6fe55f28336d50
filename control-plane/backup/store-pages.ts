/** Everything under the root of a store as of one revision, in pages of a bounded size, while others write. */
import { CompactedError, type Store } from '../store/store.ts';
import type { StoredRecord } from './records.ts';

/** Home of the objects: where they are stored, which decides under which keys. */
export type Home = 'embedded' | 'etcd';

export interface RecordPage {
  /** Of all pages alike. */
  readonly revision: number;
  /** In key order, without those of `isTransient`. */
  readonly records: readonly StoredRecord[];
  /** The last key that was looked at; undefined: it is the last page. */
  readonly next: string | undefined;
}

export interface RecordSource {
  readonly home: Home;
  /** What all keys begin with, as `/registry/`. */
  readonly root: string;
  /** @param position of a page before: its revision and `next`. Throws CompactedError when the history since then is gone. */
  page(position: PagePosition | undefined, signal: AbortSignal): Promise<RecordPage>;
}

export interface PagePosition {
  readonly revision: number;
  readonly after: string;
  /** The most records. */
  readonly limit: number;
}

export const FIRST_PAGE = 100;
/** Large objects may follow many small ones: all of a page are in memory, and each may have 1.5 MiB. */
export const MAX_PAGE = 200;
/** A page is to be about as long: objects of some clusters have a kilobyte, those of others a megabyte. */
const PAGE_BYTES = 2 * 2 ** 20;
/** How often all is read again when the history is gone before the last page is read. */
const ATTEMPTS = 3;

/** Keys of which nothing is left when the servers stop, or that are about this store itself. */
export const isTransient = (root: string, key: string): boolean =>
  key.startsWith(`${root}masterleases/`) || key.startsWith(`${root}kedge/`);

/** @param store without encryption over it: values are as they are stored */
export const sourceOf = (store: Store, home: Home, root: string): RecordSource => ({
  home,
  root,
  async page(position, signal) {
    const { revision: at, after, limit = FIRST_PAGE } = position ?? {};
    const wanted = { limit, signal, ...(at !== undefined && { revision: at }), ...(after !== undefined && { after }) };
    const { items, revision, more } = await store.list(root, wanted);
    const records = items.filter(({ key }) => !isTransient(root, key));
    return { revision: at ?? revision, records, next: more ? items.at(-1)?.key : undefined };
  },
});

/** All pages. Throws CompactedError. */
export async function* pagesOf(source: RecordSource, signal: AbortSignal): AsyncGenerator<RecordPage> {
  let limit = FIRST_PAGE;
  let page = await source.page(undefined, signal);
  for (;;) {
    yield page;
    if (page.next === undefined) return;
    limit = nextLimit(limit, page.records);
    page = await source.page({ revision: page.revision, after: page.next, limit }, signal);
  }
}

function nextLimit(limit: number, records: readonly StoredRecord[]): number {
  const bytes = records.reduce((sum, { value }) => sum + value.length, 0);
  if (records.length === 0) return limit;
  const fitting = Math.floor(PAGE_BYTES / Math.max(1, bytes / records.length));
  return Math.max(1, Math.min(MAX_PAGE, 2 * limit, fitting));
}

/** Runs what reads all pages again from the start when the history is compacted under it. */
export async function unlessCompacted<T>(read: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof CompactedError) || attempt >= ATTEMPTS) throw error;
    }
  }
}
