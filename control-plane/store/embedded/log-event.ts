import type { LogEntry, NewLogEntry } from './revision-log.ts';
import type { StoreEvent } from '../store.ts';

/**
 * The event of a log entry. `value` is the one written, or for a delete the one that it took away; `valueOf` reads the value
 * of a revision, and throws when compaction has taken it; `note` is the writer's.
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

/** The event of a put on a key that was there. The value before it is read when it is asked for, which few do; CompactedError when it is too late. */
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
