/**
 * Events of watches in bytes: made once for all watchers of a resource that get the same changes in the same form.
 */
import type { Change, ChangeType } from '../storage/cache/event-window.ts';
import { WireBuilder } from '../../../api/machinery/protobuf/wire-builder.ts';
import { PROTOBUF_TYPE, type MetaVersion } from '../http/negotiate.ts';
import type { ProtobufBodies } from '../http/protobuf-bodies.ts';
import type { ServedResource } from '../catalogue/served-resource.ts';
import type { Selection } from './selection.ts';
import { columnDefinitions, tableRow, type IncludeObject } from './table.ts';

/** Bytes that wait for a watcher's connection to take them, at most, besides what the kernel holds. */
export const MAX_PENDING_BYTES = 128 * 1024;

/**
 * What has been made in this turn of the event loop, for other watchers of the same: dropped when the turn ends. Maps are dropped as a
 * whole, since one that is cleared leads from its old table to its new one: once in V8's old generation, it would take what is put into
 * it later there, too.
 */
export class TickCache<K, V> {
  #values: Map<K, V> | undefined;

  getOrMake(key: K, make: () => V): V {
    const known = this.#values?.get(key);
    if (known !== undefined) return known;
    if (!this.#values) {
      this.#values = new Map();
      setImmediate(() => {
        this.#values = undefined;
      });
    }
    const made = make();
    this.#values.set(key, made);
    return made;
  }
}

export type EventType = ChangeType | 'BOOKMARK' | 'ERROR';

/** How events become bytes. */
export interface Framing {
  /** The Content-Type of the stream. */
  readonly type: string;
  /** The parts of an event; the bytes of the object are among them as they are. */
  parts(type: EventType, object: Buffer): readonly Buffer[];
  /** The bytes of an object that is not stored: a bookmark, a Status. */
  encode(object: object): Buffer;
}

export const frameOf = (framing: Framing, type: EventType, object: Buffer): Buffer =>
  Buffer.concat(framing.parts(type, object));

/** Makes the bytes of an object in the form that the client wants. */
export type Show = (served: Buffer) => Buffer;

export interface TableRow {
  readonly resourceVersion: string | undefined;
  readonly row: Buffer;
}

/** How many events of a resource watchers were sent. */
export interface EventCount {
  events: number;
}

export class EventFrames {
  readonly #resource: ServedResource;
  readonly #show: Show;
  readonly #framing: Framing;
  #batch: readonly Change[] | undefined;
  #frames: Map<Change, Map<ChangeType, Buffer>> | undefined;
  #whole: Buffer | undefined;
  #wholeCount = 0;
  #objectBytes = 0;
  readonly #count: EventCount;
  /** By the bytes that are stored. */
  readonly #shown = new TickCache<Buffer, Buffer>();
  /** Objects that no longer match a selection, by the change since which they do not. */
  readonly #departed: TickCache<Change, Buffer>;

  /**
   * `departed` is shared with others that tell of the same changes in other forms; `count` grows by the events of everything
   * that is encoded: each watcher sends what it has encoded.
   */
  constructor(
    resource: ServedResource,
    show: Show,
    framing: Framing = JSON_FRAMING,
    count: EventCount = { events: 0 },
    departed = new TickCache<Change, Buffer>(),
  ) {
    this.#departed = departed;
    this.#resource = resource;
    this.#show = show;
    this.#framing = framing;
    this.#count = count;
  }

  /** Whether the events of these changes may be written at once. */
  fit(changes: readonly Change[]): boolean {
    this.#keep(changes);
    return this.#objectBytes <= MAX_PENDING_BYTES;
  }

  /** What one change is to whom the selection shows it, for a watcher by itself: its parts, in which the object is shared. */
  partsOf(change: Change, namespace: string, selection: Selection): readonly Buffer[] | undefined {
    const type = typeSeen(change, namespace, selection);
    if (!type) return undefined;
    this.#count.events++;
    const bytes = this.#bytesOf(change, type);
    return this.#framing.parts(
      type,
      this.#shown.getOrMake(bytes, () => this.#show(bytes)),
    );
  }

  /** The frames of those changes that the selection shows, in a row; undefined when it shows none. */
  encode(changes: readonly Change[], namespace: string, selection: Selection): Buffer | undefined {
    this.#keep(changes);
    const everything = namespace === '' && selection.all;
    if (everything && this.#whole) {
      this.#count.events += this.#wholeCount;
      return this.#whole;
    }
    const frames: Buffer[] = [];
    for (const change of changes) {
      const type = typeSeen(change, namespace, selection);
      if (type) frames.push(this.#frame(change, type));
    }
    const whole = frames.length > 1 ? Buffer.concat(frames) : frames[0];
    if (everything) {
      this.#whole = whole;
      this.#wholeCount = frames.length;
    }
    this.#count.events += frames.length;
    return whole;
  }

  /** Frames are kept until the turn of the event loop ends, in which all watchers get the same changes. */
  #keep(changes: readonly Change[]): void {
    if (this.#batch === changes) return;
    if (!this.#batch) setImmediate(() => this.#begin(undefined));
    this.#begin(changes);
    this.#objectBytes = changes.reduce((sum, { entry }) => sum + entry.bytes.length, 0);
  }

  #begin(batch: readonly Change[] | undefined): void {
    this.#batch = batch;
    this.#frames = undefined;
    this.#whole = undefined;
  }

  /** An object that no longer matches is shown as it last did, under the revision at which it stopped. */
  #bytesOf(change: Change, seen: ChangeType): Buffer {
    const { type, entry, previous, revision } = change;
    if (seen !== 'DELETED' || type === 'DELETED' || !previous) return entry.bytes;
    return this.#departed.getOrMake(change, () => this.#resource.entryBytes.atRevision(previous.bytes, revision));
  }

  #frame(change: Change, type: ChangeType): Buffer {
    this.#frames ??= new Map<Change, Map<ChangeType, Buffer>>();
    let frames = this.#frames.get(change);
    if (!frames) {
      frames = new Map<ChangeType, Buffer>();
      this.#frames.set(change, frames);
    }
    let frame = frames.get(type);
    if (!frame) {
      frame = frameOf(this.#framing, type, this.#show(this.#bytesOf(change, type)));
      frames.set(type, frame);
    }
    return frame;
  }
}

/** As what a watcher sees a change, if it does. */
function typeSeen(change: Change, namespace: string, selection: Selection): ChangeType | undefined {
  if (namespace !== '' && change.entry.namespace !== namespace) return undefined;
  return selection.all ? change.type : seenAs(change, selection);
}

/** What a change looks like to who sees only some objects: an object that stops matching is deleted to them. */
function seenAs({ type, entry, previous }: Change, selection: Selection): ChangeType | undefined {
  const is = type !== 'DELETED' && selection.matches(entry);
  const was = previous !== undefined && selection.matches(previous);
  if (is) return was ? 'MODIFIED' : 'ADDED';
  return was ? 'DELETED' : undefined;
}

const frameHead = (type: string) => Buffer.from(`{"type":"${type}","object":`);
const FRAME_HEADS: Readonly<Record<EventType, Buffer>> = {
  ADDED: frameHead('ADDED'),
  MODIFIED: frameHead('MODIFIED'),
  DELETED: frameHead('DELETED'),
  BOOKMARK: frameHead('BOOKMARK'),
  ERROR: frameHead('ERROR'),
};
const FRAME_TAIL = Buffer.from('}\n');

/** One JSON object per line. */
export const JSON_FRAMING: Framing = {
  type: 'application/json',
  parts: (type, object) => [FRAME_HEADS[type], object, FRAME_TAIL],
  encode: (object) => Buffer.from(JSON.stringify(object)),
};

const LENGTH_BYTES = 4;

/**
 * Messages `WatchEvent`, each after its length in four bytes, big-endian; the object in them is in its envelope
 * (apimachinery: pkg/util/framer, pkg/runtime/serializer/protobuf).
 */
export const protobufFraming = (bodies: ProtobufBodies): Framing => ({
  type: `${PROTOBUF_TYPE};stream=watch`,
  parts: (type, object) => {
    const event = new WireBuilder();
    // `object` is a RawExtension, whose field 1 are the bytes.
    event.header(1, object.length);
    const rawLength = event.length + object.length;
    event.header(2, rawLength);
    event.text(1, type);
    const head = event.take();
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt32BE(head.length + object.length);
    return [length, head, object];
  },
  encode: (object) => bodies.encode(object),
});

const ROWS_END = Buffer.from(']}');

/**
 * Each event's object is a table of one row; only the first one names the columns. A row takes milliseconds to make of a large
 * object: it is made once for all watchers that get it in the same turn.
 */
export function tableShow(
  resource: ServedResource,
  include: IncludeObject,
  apiVersion: MetaVersion,
  rows: TickCache<Buffer, TableRow>,
): Show {
  let columns: object[] | undefined = columnDefinitions(resource.kind);
  return (served) => {
    const { resourceVersion, row } = rows.getOrMake(served, () => {
      const object = resource.parse(served);
      const made = tableRow(resource.kind, object, include, Date.now(), apiVersion);
      return { resourceVersion: object.metadata.resourceVersion, row: Buffer.from(JSON.stringify(made)) };
    });
    const table = { kind: 'Table', apiVersion, metadata: { resourceVersion }, columnDefinitions: columns };
    columns = undefined;
    return Buffer.concat([Buffer.from(`${JSON.stringify(table).slice(0, -1)},"rows":[`), row, ROWS_END]);
  };
}
