/** Maximum number of keys in a chunk: moving 512 entries for an insert costs well under a microsecond. */
const MAX_CHUNK_KEYS = 512;

interface Chunk {
  readonly keys: string[];
  readonly revisions: number[];
  /** How many of the keys exist, that is, are not deleted. */
  live: number;
}

export interface IndexEntry {
  readonly key: string;
  readonly revision: number;
  readonly deleted: boolean;
}

/**
 * All keys in order, each with the revision of its latest write: what the store needs in memory to check preconditions and to
 * scan a prefix. A sorted list in chunks without a hash map beside it costs 16 bytes per key plus the key itself. A deleted key
 * stays, with its revision negated, until its deletion is compacted, since older revisions still have it.
 */
export class KeyIndex {
  #chunks: Chunk[] = [{ keys: [], revisions: [], live: 0 }];
  #live = 0;

  /** The number of keys, without deleted ones. */
  get liveKeys(): number {
    return this.#live;
  }

  get(key: string): IndexEntry | undefined {
    const chunk = this.#chunkFor(key);
    const at = lowerBound(chunk.keys, key);
    return chunk.keys[at] === key ? entryAt(chunk, at) : undefined;
  }

  set(key: string, revision: number, deleted: boolean): void {
    const chunkIndex = this.#chunkIndexFor(key);
    const chunk = this.#chunkAt(chunkIndex);
    const at = lowerBound(chunk.keys, key);
    const stored = deleted ? -revision : revision;
    if (chunk.keys[at] === key) {
      if ((chunk.revisions[at] ?? 0) > 0) this.#count(chunk, -1);
      chunk.revisions[at] = stored;
      if (!deleted) this.#count(chunk, 1);
    } else {
      chunk.keys.splice(at, 0, key);
      chunk.revisions.splice(at, 0, stored);
      if (!deleted) this.#count(chunk, 1);
      if (chunk.keys.length > MAX_CHUNK_KEYS) this.#split(chunkIndex, chunk, at === chunk.keys.length - 1);
    }
  }

  #count(chunk: Chunk, change: 1 | -1): void {
    chunk.live += change;
    this.#live += change;
  }

  /** Removes a deleted key if its deletion has the given revision; a key written again since then stays. */
  forgetDeleted(key: string, revision: number): void {
    const chunkIndex = this.#chunkIndexFor(key);
    const chunk = this.#chunkAt(chunkIndex);
    const at = lowerBound(chunk.keys, key);
    if (chunk.keys[at] !== key || chunk.revisions[at] !== -revision) return;
    chunk.keys.splice(at, 1);
    chunk.revisions.splice(at, 1);
    if (chunk.keys.length === 0 && this.#chunks.length > 1) this.#chunks.splice(chunkIndex, 1);
  }

  /** The entries under a prefix in key order, including deleted ones; starts after the key `after` when given. */
  *under(prefix: string, after?: string): Generator<IndexEntry> {
    const from = after !== undefined && after >= prefix ? after : prefix;
    let chunkIndex = this.#chunkIndexFor(from);
    let at = lowerBound(this.#chunkAt(chunkIndex).keys, from);
    for (; chunkIndex < this.#chunks.length; chunkIndex++, at = 0) {
      const chunk = this.#chunkAt(chunkIndex);
      for (; at < chunk.keys.length; at++) {
        const entry = entryAt(chunk, at);
        if (entry.key === after) continue;
        if (!entry.key.startsWith(prefix)) return;
        yield entry;
      }
    }
  }

  /** The number of keys under a prefix after a key, without deleted ones. Takes one step per chunk, not per key. */
  countLive(prefix: string, after: string): number {
    const first = this.#chunkIndexFor(after);
    const isWithin = (key: string | undefined): boolean => key !== undefined && key > after && key.startsWith(prefix);
    let count = 0;
    for (let index = first; index < this.#chunks.length; index++) {
      const chunk = this.#chunkAt(index);
      if (isWithin(chunk.keys[0]) && isWithin(chunk.keys.at(-1))) count += chunk.live;
      else if (index === first || isWithin(chunk.keys[0])) count += liveIn(chunk, isWithin);
      else break;
    }
    return count;
  }

  /** The last chunk whose first key is not after `key`. */
  #chunkIndexFor(key: string): number {
    let low = 0;
    let high = this.#chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      const first = this.#chunkAt(middle).keys[0];
      if (first !== undefined && first <= key) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #chunkFor(key: string): Chunk {
    return this.#chunkAt(this.#chunkIndexFor(key));
  }

  #chunkAt(index: number): Chunk {
    const chunk = this.#chunks[index];
    if (!chunk) throw new RangeError(`no chunk ${index} in the key index`);
    return chunk;
  }

  /** When keys arrive in order, full chunks are left behind; otherwise the chunk is split in the middle. */
  #split(index: number, chunk: Chunk, appended: boolean): void {
    const keep = appended ? chunk.keys.length - 1 : chunk.keys.length >>> 1;
    const revisions = chunk.revisions.splice(keep);
    const tail: Chunk = {
      keys: chunk.keys.splice(keep),
      revisions,
      live: revisions.filter((stored) => stored > 0).length,
    };
    chunk.live -= tail.live;
    this.#chunks.splice(index + 1, 0, tail);
  }
}

function liveIn({ keys, revisions }: Chunk, isWithin: (key: string) => boolean): number {
  let count = 0;
  for (const [at, key] of keys.entries()) if ((revisions[at] ?? 0) > 0 && isWithin(key)) count++;
  return count;
}

function entryAt(chunk: Chunk, at: number): IndexEntry {
  const key = chunk.keys[at];
  const stored = chunk.revisions[at];
  if (key === undefined || stored === undefined) throw new RangeError(`no entry ${at} in a chunk of the key index`);
  return { key, revision: Math.abs(stored), deleted: stored < 0 };
}

/** The first index whose key is not before `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const candidate = keys[middle];
    if (candidate !== undefined && candidate < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
