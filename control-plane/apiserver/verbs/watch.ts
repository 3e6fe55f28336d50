/**
 * Watches. A watcher has a position, a revision up to which its client has been told everything. While the client keeps up,
 * changes are written as they come; when it does not, nothing is queued for it: once its connection takes more it reads on
 * from the window of latest changes, and when the window has moved past it, it is cut off. What waits for a client that does
 * not read is MAX_PENDING_BYTES at most, whatever the size and number of objects.
 */
import { apiVersionOf } from '../../../api/machinery/define-kind.ts';
import { gone } from '../../../api/machinery/status-error.ts';
import { guarded } from '../../../client/guard.ts';
import type { Change, ChangeType } from '../storage/cache/event-window.ts';
import type { Exchange } from '../http/exchange.ts';
import { partialMetadata } from './partial-metadata.ts';
import { parseWatchOptions, type WatchOptions } from './list-options.ts';
import { negotiate, type MetaVersion } from '../http/negotiate.ts';
import type { Registry } from '../catalogue/registry.ts';
import type { Resource } from '../catalogue/served-resource.ts';
import type { Entry } from '../storage/cache/resource-cache.ts';
import { parseSelection, type Selection } from './selection.ts';
import { columnDefinitions, parseIncludeObject, tableRow, type IncludeObject } from './table.ts';
import { TurnMap } from './turn-map.ts';
import { ChunkedWriter, ClientGoneError, drained, isClosed, writeTo } from '../http/back-pressure.ts';

/** Upstream ends watches after 30 to 60 minutes, so that clients spread over servers. */
const MIN_TIMEOUT_MS = 30 * 60_000;
/** How often clients that want bookmarks are told where they are. */
const BOOKMARK_INTERVAL_MS = 60_000;
const CATCH_UP_CHANGES = 256;
/** Bytes that wait for a watcher's connection to take them, at most, besides what the kernel holds. */
const MAX_PENDING_BYTES = 128 * 1024;
const INITIAL_EVENTS_END = 'k8s.io/initial-events-end';

/** Makes the bytes of an object in the form that the client wants. */
type Show = (served: Buffer) => Buffer;

interface TableRow {
  readonly resourceVersion: string | undefined;
  readonly row: Buffer;
}

/** How many events of a resource watchers were sent. */
interface EventCount {
  events: number;
}

/** The bytes of events, made once for all watchers of a resource that are told of the same changes. */
export class EventFrames {
  readonly #resource: Resource;
  readonly #show: Show;
  #batch: readonly Change[] | undefined;
  #frames = new Map<Change, Map<ChangeType, Buffer>>();
  #whole: Buffer | undefined;
  #wholeCount = 0;
  #objectBytes = 0;
  readonly #count: EventCount;
  /** By the bytes that are stored. */
  readonly #shown = new TurnMap<Buffer, Buffer>();
  readonly #reserved: TurnMap<Change, Buffer>;

  /** `reserved` is shared with others that tell of the same changes in other forms; `count` grows by the events of everything that is encoded: each watcher sends what it has encoded. */
  constructor(
    resource: Resource,
    show: Show,
    count: EventCount = { events: 0 },
    reserved = new TurnMap<Change, Buffer>(),
  ) {
    this.#reserved = reserved;
    this.#resource = resource;
    this.#show = show;
    this.#count = count;
  }

  /** Whether what is to be told of these changes may be written at once. */
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
    return [FRAME_HEADS[type], this.#shown.getOrMake(bytes, () => this.#show(bytes)), FRAME_TAIL];
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

  /** Frames are kept for as long as the same changes are being told: until the turn of the event loop ends. */
  #keep(changes: readonly Change[]): void {
    if (this.#batch === changes) return;
    if (!this.#batch) {
      setImmediate(() => {
        this.#batch = undefined;
        this.#frames.clear();
        this.#whole = undefined;
      });
    }
    this.#batch = changes;
    this.#frames.clear();
    this.#whole = undefined;
    this.#objectBytes = changes.reduce((sum, { entry }) => sum + entry.bytes.length, 0);
  }

  /** An object that no longer matches is shown as it last did, under the revision at which it stopped. */
  #bytesOf(change: Change, seen: ChangeType): Buffer {
    const { type, entry, previous, revision } = change;
    if (seen !== 'DELETED' || type === 'DELETED' || !previous) return entry.bytes;
    return this.#reserved.getOrMake(change, () => this.#resource.cache.bytes.reserve(previous.bytes, revision));
  }

  #frame(change: Change, type: ChangeType): Buffer {
    let frames = this.#frames.get(change);
    if (!frames) {
      frames = new Map<ChangeType, Buffer>();
      this.#frames.set(change, frames);
    }
    let frame = frames.get(type);
    if (!frame) {
      frame = eventFrame(type, this.#show(this.#bytesOf(change, type)));
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
const FRAME_HEADS: Readonly<Record<ChangeType | 'BOOKMARK' | 'ERROR', Buffer>> = {
  ADDED: frameHead('ADDED'),
  MODIFIED: frameHead('MODIFIED'),
  DELETED: frameHead('DELETED'),
  BOOKMARK: frameHead('BOOKMARK'),
  ERROR: frameHead('ERROR'),
};
const FRAME_TAIL = Buffer.from('}\n');

const eventFrame = (type: keyof typeof FRAME_HEADS, object: Buffer): Buffer =>
  Buffer.concat([FRAME_HEADS[type], object, FRAME_TAIL]);

/** Serves the watches of one api-server. */
export class WatchServer {
  readonly #registry: Registry;
  readonly #signal: AbortSignal;
  /** By what the client wants: the object, or a version of its metadata. */
  readonly #frames = new Map<Resource, Map<string, EventFrames>>();
  /** Rows of tables, by what of the object they include and the version. */
  readonly #rows = new Map<Resource, Map<string, TurnMap<Buffer, TableRow>>>();
  readonly #reserved = new TurnMap<Change, Buffer>();
  readonly #sent = new Map<Resource, EventCount>();

  /** @param signal aborted when the server stops: watches end. */
  constructor(registry: Registry, signal: AbortSignal) {
    this.#registry = registry;
    this.#signal = signal;
  }

  /** Returns when the watch has ended. */
  async serve(exchange: Exchange, resource: Resource): Promise<void> {
    const { namespace } = exchange;
    const { query } = exchange.info;
    const options = parseWatchOptions(query);
    const selection = parseSelection(resource, exchange.info);
    // The bookmark that ends the initial events is no row of a table.
    if (options.sendInitialEvents) exchange.accepted = negotiate(exchange.header('accept'), false);
    const frames = this.#framesFor(exchange, resource);
    exchange.start(200, 'application/json');
    // HTTP/2 sends the head at once; HTTP/1.1 would wait for the first event.
    if ('flushHeaders' in exchange.response) exchange.response.flushHeaders();
    const watch = new Watch(exchange, this.#registry, resource, namespace, selection, frames, options);
    await watch.run(this.#signal);
  }

  /** How many events watchers were sent, by resource. */
  *eventsSent(): Iterable<[Resource, number]> {
    for (const [resource, { events }] of this.#sent) yield [resource, events];
  }

  #framesFor(exchange: Exchange, resource: Resource): EventFrames {
    const count = this.#sent.get(resource) ?? { events: 0 };
    this.#sent.set(resource, count);
    const { form, metaVersion } = exchange.accepted;
    if (form === 'table') {
      const include = parseIncludeObject(exchange.info.query);
      const forms = ensure(this.#rows, resource, () => new Map<string, TurnMap<Buffer, TableRow>>());
      const rows = ensure(forms, `${include}/${metaVersion}`, () => new TurnMap<Buffer, TableRow>());
      return new EventFrames(resource, tableShow(resource, include, metaVersion, rows), count, this.#reserved);
    }
    const frames = ensure(this.#frames, resource, () => new Map<string, EventFrames>());
    return ensure(frames, form === 'object' ? form : metaVersion, () => {
      const show: Show =
        form === 'object'
          ? (served) => resource.serve(served)
          : (served) => partialMetadata(resource, resource.serve(served), metaVersion);
      return new EventFrames(resource, show, count, this.#reserved);
    });
  }
}

function ensure<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}

const ROWS_END = Buffer.from(']}');

/**
 * Each event's object is a table of one row; only the first one names the columns. A row takes milliseconds to make of a large
 * object: it is made once for all watchers that are told of it in the same turn.
 */
function tableShow(
  resource: Resource,
  include: IncludeObject,
  apiVersion: MetaVersion,
  rows: TurnMap<Buffer, TableRow>,
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

class Watch {
  readonly #exchange: Exchange;
  readonly #registry: Registry;
  readonly #resource: Resource;
  readonly #namespace: string;
  readonly #selection: Selection;
  readonly #frames: EventFrames;
  readonly #options: WatchOptions;
  readonly #ended = Promise.withResolvers<void>();
  /** The client has been told of everything up to this revision. */
  #position: number;
  /** Whether changes are written as they come. */
  #live = false;

  constructor(
    exchange: Exchange,
    registry: Registry,
    resource: Resource,
    namespace: string,
    selection: Selection,
    frames: EventFrames,
    options: WatchOptions,
  ) {
    this.#exchange = exchange;
    this.#registry = registry;
    this.#resource = resource;
    this.#namespace = namespace;
    this.#selection = selection;
    this.#frames = frames;
    this.#options = options;
    this.#position = options.revision ?? 0;
  }

  async run(serverStops: AbortSignal): Promise<void> {
    const { response } = this.#exchange;
    const { timeoutMs = MIN_TIMEOUT_MS * (1 + Math.random()), bookmarks } = this.#options;
    const end = () => this.#ended.resolve();
    const failed = (error: unknown) => this.#fail(error);
    // One watcher's failure is not to keep the others from their events.
    const onChanges = guarded((changes: readonly Change[]) => this.#onChanges(changes), failed);
    const stopListening = this.#resource.cache.listen(onChanges);
    const timeout = setTimeout(end, timeoutMs);
    const onTick = guarded(() => this.#bookmark(), failed);
    const ticker = bookmarks ? setInterval(onTick, BOOKMARK_INTERVAL_MS) : undefined;
    response.on('close', end);
    serverStops.addEventListener('abort', end, { once: true });
    if (serverStops.aborted || isClosed(response)) end();
    try {
      this.#start().catch((error: unknown) => this.#fail(error));
      await this.#ended.promise;
    } finally {
      if (bookmarks && !isClosed(response)) this.#bookmark();
      this.#live = false;
      stopListening();
      clearTimeout(timeout);
      clearInterval(ticker);
      response.off('close', end);
      serverStops.removeEventListener('abort', end);
      response.end();
    }
  }

  async #start(): Promise<void> {
    const { revision, sendInitialEvents } = this.#options;
    if (sendInitialEvents ?? (revision === undefined || revision === 0)) {
      await this.#sendInitialEvents();
      if (sendInitialEvents) this.#writeBookmark({ [INITIAL_EVENTS_END]: 'true' });
    } else if (revision === undefined || revision === 0) {
      this.#position = this.#registry.revision;
    } else if (revision < this.#resource.cache.window.since) {
      const oldest = this.#resource.cache.window.since;
      const { status } = gone(`too old resource version: ${revision} (${oldest})`);
      this.#write(eventFrame('ERROR', Buffer.from(JSON.stringify(status))));
      this.#ended.resolve();
      return;
    }
    await this.#catchUp();
  }

  /**
   * Tells of what is there in key order, a chunk at a time. What changes meanwhile behind the key it has come to is told from
   * the window before the next chunk is read: nothing is held for the watcher, and at the end it is up to date.
   */
  async #sendInitialEvents(): Promise<void> {
    // A revision that is still to come is waited for by what follows: nothing older than it is shown then.
    const { revision } = this.#options;
    if (revision) await this.#registry.caughtUp(revision);
    this.#position = this.#registry.revision;
    for (let told: string | undefined = ''; told !== undefined;) {
      const upTo: string = told;
      const changes = this.#nextChanges();
      if (changes.length > 0) {
        await this.#tell(changes.filter(({ entry }) => entry.key <= upTo));
        this.#position = changes.at(-1)?.revision ?? this.#position;
      } else {
        // Everything up to here happens in one turn: the window has nothing that this chunk does not show.
        this.#position = this.#registry.revision;
        const additions = this.#additionsAfter(upTo);
        await this.#tell(additions);
        told = additions.at(-1)?.entry.key;
      }
    }
  }

  #additionsAfter(key: string): Change[] {
    const additions: Change[] = [];
    let bytes = 0;
    for (const entry of this.#resource.cache.entries(this.#namespace, key || undefined)) {
      additions.push(addition(entry));
      bytes += entry.bytes.length;
      if (bytes >= MAX_PENDING_BYTES) break;
    }
    return additions;
  }

  /** Reads the window from where the client is until there is nothing more, and is live from then on. */
  async #catchUp(): Promise<void> {
    for (;;) {
      const changes = this.#nextChanges();
      const last = changes.at(-1);
      if (!last) break;
      await this.#tell(changes);
      this.#position = last.revision;
    }
    this.#live = true;
  }

  /** The next changes after the client's position. When the window has moved past it, cuts the client off and throws. */
  #nextChanges(): readonly Change[] {
    if (this.#exchange.response.writableEnded) throw new ClientGoneError();
    const { window } = this.#resource.cache;
    if (this.#position >= window.since) return window.after(this.#position, CATCH_UP_CHANGES);
    this.#cutOff();
    throw new ClientGoneError();
  }

  /** Resolves when the client has taken nearly all of it. */
  async #tell(changes: readonly Change[]): Promise<void> {
    const writer = new ChunkedWriter(this.#exchange.response, MAX_PENDING_BYTES);
    for (const change of changes) {
      const parts = this.#frames.partsOf(change, this.#namespace, this.#selection);
      if (!parts) continue;
      for (const part of parts) {
        const taken = writer.add(part);
        if (taken) await taken;
      }
    }
    await writer.flush();
  }

  #onChanges(changes: readonly Change[]): void {
    if (!this.#live) {
      if (this.#position < this.#resource.cache.window.since && this.#position > 0) this.#cutOff();
      return;
    }
    const last = changes.at(-1);
    if (!last || last.revision <= this.#position) return;
    if (!this.#frames.fit(changes)) return this.#resume();
    const first = changes[0];
    const news =
      first && first.revision > this.#position ? changes : changes.filter(({ revision }) => revision > this.#position);
    const frames = this.#frames.encode(news, this.#namespace, this.#selection);
    this.#position = last.revision;
    if (frames) this.#write(frames);
  }

  /** From the window, with what the client has not been told of yet. */
  #resume(): void {
    this.#live = false;
    this.#catchUp().catch((error: unknown) => this.#fail(error));
  }

  #bookmark(): void {
    if (!this.#live) return;
    this.#position = Math.max(this.#position, this.#registry.revision);
    this.#writeBookmark();
  }

  #writeBookmark(annotations?: Record<string, string>): void {
    const { kind } = this.#resource;
    const { form, metaVersion } = this.#exchange.accepted;
    const metadata = { resourceVersion: String(this.#position), creationTimestamp: null, annotations };
    const object =
      form === 'table'
        ? { kind: 'Table', apiVersion: metaVersion, metadata: { resourceVersion: metadata.resourceVersion }, rows: [] }
        : form === 'metadata'
          ? { kind: 'PartialObjectMetadata', apiVersion: metaVersion, metadata }
          : { kind: kind.kind, apiVersion: apiVersionOf(kind), metadata };
    this.#write(eventFrame('BOOKMARK', Buffer.from(JSON.stringify(object))));
  }

  /** Writes at once. The client that is slow to take it gets nothing more until it has. */
  #write(frame: Buffer): void {
    if (writeTo(this.#exchange.response, frame) || !this.#live) return;
    this.#live = false;
    drained(this.#exchange.response)
      .then(() => this.#catchUp())
      .catch((error: unknown) => this.#fail(error));
  }

  #cutOff(): void {
    this.#exchange.response.destroy();
    this.#ended.resolve();
  }

  #fail(error: unknown): void {
    if (error instanceof ClientGoneError) this.#ended.resolve();
    else this.#ended.reject(error);
  }
}

/** An object that is there, as the event that tells of it. */
const addition = (entry: Entry): Change => ({ type: 'ADDED', revision: entry.revision, entry, previous: undefined });
