import type { LogEntry, NewLogEntry } from './revision-log.ts';
import type { StoreEvent } from '../store.ts';

/**
 * The watch event of a log entry. `value` is the written value, or for a delete the last value; `valueOf` reads the value of a
 * revision, and throws when it is compacted; `note` is the one passed to `put`.
 */
export function eventOf(
  { type, key, revision, previousRevision, replaces }: LogEntry | NewLogEntry,
  value: Buffer,
  valueOf: (revision: number) => Buffer,
  note?: object,
): StoreEvent {
  if (type === 'delete') return { type, key, revision, value, previous: value };
  if (!replaces) return { type, key, revision, value, note };
  return new UpdateEvent(key, revision, value, () => valueOf(previousRevision), note);
}

/**
 * A put on an existing key. The previous value is read on demand, which is rare; throws CompactedError when it is
 * compacted.
 */
class UpdateEvent implements StoreEvent {
  readonly type = 'put';
  readonly key: string;
  readonly revision: number;
  readonly value: Buffer;
  readonly note: object | undefined;
  readonly #readPrevious: () => Buffer;
  #previous: Buffer | undefined;

  constructor(key: string, revision: number, value: Buffer, readPrevious: () => Buffer, note: object | undefined) {
    this.key = key;
    this.revision = revision;
    this.value = value;
    this.note = note;
    this.#readPrevious = readPrevious;
  }

  get previous(): Buffer {
    return (this.#previous ??= this.#readPrevious());
  }
}
