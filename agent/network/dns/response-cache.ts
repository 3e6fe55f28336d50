/** Responses of other servers, for as long as they say that they are true. The oldest go when there are too many. */
import { Rcode, withId, type Response } from './message.ts';

const MAX_ENTRIES = 10_000;
const MAX_BYTES = 4 * 2 ** 20;
/** Whatever a server says: a mistake is to be over some time. */
const MAX_SECONDS = 300;
const MAX_NEGATIVE_SECONDS = 30;

interface Entry {
  readonly bytes: Buffer;
  readonly ttlOffsets: readonly number[];
  readonly storedAtMs: number;
  readonly endsAtMs: number;
}

export class ResponseCache {
  readonly #entries = new Map<string, Entry>();
  readonly #now: () => number;
  #bytes = 0;

  /** @param now milliseconds that never go back */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** A copy with this id, and with TTLs that are so much shorter. */
  get(key: string, id: number): Buffer | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    const now = this.#now();
    if (now >= entry.endsAtMs) {
      this.#delete(key, entry);
      return undefined;
    }
    const age = Math.floor((now - entry.storedAtMs) / 1000);
    const copy = withId(entry.bytes, id);
    for (const at of entry.ttlOffsets) copy.writeUInt32BE(Math.max(0, copy.readUInt32BE(at) - age), at);
    return copy;
  }

  /** Keeps what can be true for others as well. */
  set(key: string, bytes: Buffer, { rcode, isTruncated, ttlOffsets, ttlSeconds }: Response): void {
    const isKnown = rcode === Rcode.ok || rcode === Rcode.noSuchName;
    if (isTruncated || !isKnown || !ttlSeconds) return;
    const isNegative = rcode !== Rcode.ok || bytes.readUInt16BE(6) === 0;
    const seconds = Math.min(ttlSeconds, isNegative ? MAX_NEGATIVE_SECONDS : MAX_SECONDS);
    const before = this.#entries.get(key);
    if (before) this.#delete(key, before);
    const now = this.#now();
    // Its own memory: a slice would keep the buffer that it was received in.
    this.#entries.set(key, { bytes: Buffer.from(bytes), ttlOffsets, storedAtMs: now, endsAtMs: now + seconds * 1000 });
    this.#bytes += bytes.length + key.length;
    for (const [oldKey, old] of this.#entries) {
      if (this.#entries.size <= MAX_ENTRIES && this.#bytes <= MAX_BYTES) return;
      this.#delete(oldKey, old);
    }
  }

  #delete(key: string, { bytes }: Entry): void {
    this.#entries.delete(key);
    this.#bytes -= bytes.length + key.length;
  }
}
