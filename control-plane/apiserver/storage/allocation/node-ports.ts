/**
 * Allocates node ports in one stored object, as upstream's RangeAllocation. It is updated by compare-and-write only, so two
 * api-servers never allocate the same port; changes requested during a write share the next one.
 */
import { isJsonObject } from '../../../../api/machinery/own.ts';
import { ConflictError, type Store, type StoredValue } from '../../../store/store.ts';
import { NumberRange, type Bands } from './number-range.ts';

/** Behind the root of all keys, as upstream. */
const KEY = 'ranges/servicenodeports';
const BANDS: Bands = { min: 16, max: 128, step: 32 };

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** The ports during a change. */
export interface PortDraft {
  readonly taken: ReadonlySet<number>;
  /** Returns false when the port is taken. */
  take(port: number): boolean;
  /** Undefined when all are taken. */
  takeAny(): number | undefined;
  release(port: number): void;
}

interface PendingChange {
  /** Repeated with a new draft after a conflict with another server. */
  readonly run: (draft: PortDraft) => void;
  readonly done: PromiseWithResolvers<void>;
}

interface Stored {
  readonly revision: number;
  readonly taken: ReadonlySet<number>;
}

export class NodePorts {
  readonly #store: Store;
  readonly #key: string;
  readonly #range: PortRange;
  readonly #numbers: NumberRange;
  /** The stored object as last seen; undefined when it must be read. */
  #stored: Stored | undefined;
  #queue: PendingChange[] = [];
  #isWriting = false;

  /** @param root what all keys of the store begin with */
  constructor(store: Store, range: PortRange, root = '/registry/') {
    this.#store = store;
    this.#key = root + KEY;
    this.#range = range;
    this.#numbers = new NumberRange(range.first, range.last, BANDS);
  }

  includes(port: number): boolean {
    return this.#numbers.includes(port);
  }

  toString(): string {
    return `${this.#range.first}-${this.#range.last}`;
  }

  /**
   * Applies `plan` to the ports, writes the result and returns what `plan` returned. After a conflict with another server
   * `plan` is called again, so it must only change the draft. When it throws, nothing of it is written.
   */
  async change<T>(plan: (draft: PortDraft) => T): Promise<T> {
    const result: { value?: T } = {};
    const done = Promise.withResolvers<void>();
    this.#queue.push({ run: (draft) => (result.value = plan(draft)), done });
    if (!this.#isWriting) void this.#writeAll();
    await done.promise;
    return result.value as T;
  }

  /** Applies `plan` to the stored ports without writing the result, for a dry run. */
  async preview<T>(plan: (draft: PortDraft) => T): Promise<T> {
    return plan(this.#draftOf((await this.#read()).taken));
  }

  /** The allocated ports, reread from the store. */
  async taken(): Promise<ReadonlySet<number>> {
    this.#stored = undefined;
    return (await this.#read()).taken;
  }

  /** Never rejects: failures reject the changes concerned. */
  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    while (this.#queue.length > 0) {
      const changes = this.#queue;
      this.#queue = [];
      try {
        await this.#write(changes);
      } catch (error) {
        // Whether it was written may be unknown.
        this.#stored = undefined;
        for (const { done } of changes) done.reject(error);
      }
    }
    this.#isWriting = false;
  }

  async #write(changes: readonly PendingChange[]): Promise<void> {
    for (let isFresh = this.#stored === undefined; ; isFresh = true) {
      const { revision, taken } = await this.#read();
      let current = taken;
      const succeeded: PendingChange[] = [];
      const failed: (() => void)[] = [];
      for (const change of changes) {
        const draft = this.#draftOf(current);
        try {
          change.run(draft);
          current = draft.taken;
          succeeded.push(change);
        } catch (error) {
          failed.push(() => change.done.reject(error));
        }
      }
      if (failed.length > 0 && !isFresh) {
        // Another server may have released the requested ports.
        this.#stored = undefined;
        continue;
      }
      try {
        if (!isSame(current, taken)) {
          const written = await this.#store.put(this.#key, this.#encode(current), { revision });
          this.#stored = { revision: written, taken: current };
        }
      } catch (error) {
        if (!(error instanceof ConflictError)) throw error;
        this.#stored = this.#decode(error.current);
        continue;
      }
      for (const reject of failed) reject();
      for (const { done } of succeeded) done.resolve();
      return;
    }
  }

  #draftOf(before: ReadonlySet<number>): PortDraft {
    const taken = new Set(before);
    const take = (port: number): boolean => !taken.has(port) && Boolean(taken.add(port));
    return {
      taken,
      take,
      takeAny: () => {
        const port = this.#numbers.pick((candidate) => taken.has(candidate));
        if (port !== undefined) take(port);
        return port;
      },
      release: (port) => void taken.delete(port),
    };
  }

  async #read(): Promise<Stored> {
    return (this.#stored ??= this.#decode(await this.#store.get(this.#key)));
  }

  /** In the format of upstream's RangeAllocation: bit `i` of the big-endian number in `data` is port `first + i`. */
  #encode(taken: ReadonlySet<number>): Buffer {
    const { first, last } = this.#range;
    const bits = Buffer.alloc(Math.ceil((last - first + 1) / 8));
    for (const port of taken) {
      const offset = port - first;
      const at = bits.length - 1 - (offset >> 3);
      bits.writeUInt8(bits.readUInt8(at) | (1 << (offset & 7)), at);
    }
    const object = { kind: 'RangeAllocation', apiVersion: 'v1', range: this.toString(), data: bits.toString('base64') };
    return Buffer.from(JSON.stringify(object));
  }

  /** Ports outside of this server's range are dropped, as upstream does when the range is changed. */
  #decode(stored: StoredValue | undefined): Stored {
    if (!stored) return { revision: 0, taken: new Set() };
    const { first, bits } = rangeOf(stored);
    const taken = new Set<number>();
    for (const [index, byte] of bits.entries()) {
      for (let bit = 0; bit < 8; bit++) {
        const port = first + index * 8 + bit;
        if (byte & (1 << bit) && this.includes(port)) taken.add(port);
      }
    }
    return { revision: stored.revision, taken };
  }
}

/** Bit `i` is port `first + i`. Nothing for what is no such object, as kube-apiserver's in protobuf: the repair takes the ports of Services again. */
function rangeOf({ value }: StoredValue): { readonly first: number; readonly bits: Buffer } {
  let object: unknown;
  try {
    object = JSON.parse(value.toString());
  } catch {
    object = undefined;
  }
  const { range, data } = isJsonObject(object) ? object : {};
  const [, first] = typeof range === 'string' ? (/^(\d{1,5})-\d{1,5}$/.exec(range) ?? []) : [];
  if (first === undefined || typeof data !== 'string') return { first: 0, bits: Buffer.alloc(0) };
  return { first: Number(first), bits: Buffer.from(data, 'base64').reverse() };
}

function isSame(one: ReadonlySet<number>, other: ReadonlySet<number>): boolean {
  if (one.size !== other.size) return false;
  for (const number of one) if (!other.has(number)) return false;
  return true;
}
