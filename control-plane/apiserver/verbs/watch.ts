/**
 * Watches. A watcher has a position, a revision up to which its client has been told everything. While the client keeps up,
 * changes are written as they come; when it does not, nothing is queued for it: once its connection takes more it reads on
 * from the window of latest changes, and when the window has moved past it, it is cut off. What waits for a client that does
 * not read is MAX_PENDING_BYTES at most, whatever the size and number of objects.
 */
import { apiVersionOf } from '../../../api/machinery/define-kind.ts';
import { gone, StatusError } from '../../../api/machinery/status-error.ts';
import { guarded } from '../../../client/guard.ts';
import type { Change } from '../storage/cache/event-window.ts';
import type { AuthorizedRequest } from '../admission/pipeline.ts';
import type { Exchange } from '../http/exchange.ts';
import { partialMetadata } from './partial-metadata.ts';
import { BookmarkClock } from './bookmark-clock.ts';
import { parseWatchOptions, type WatchOptions } from './list-options.ts';
import { waitUntilFresh } from '../catalogue/freshness.ts';
import type { EventSink } from '../http/message.ts';
import { negotiate, noAcceptedType, type Accepted } from '../http/negotiate.ts';
import type { ConvertedEntries } from '../catalogue/converted-entries.ts';
import type { Registry } from '../catalogue/registry.ts';
import type { ServedResource } from '../catalogue/served-resource.ts';
import type { Entry } from '../storage/cache/entry.ts';
import { parseSelection, type Selection } from './selection.ts';
import { parseIncludeObject } from './table.ts';
import {
  EventFrames,
  frameOf,
  JSON_FRAMING,
  MAX_PENDING_BYTES,
  protobufFraming,
  tableShow,
  TickCache,
  type EventCount,
  type Framing,
  type Show,
  type TableRow,
} from './event-frames.ts';
import { ChunkedWriter, ClientGoneError, drained, isClosed, taken, writeTo } from '../http/back-pressure.ts';

/** Upstream ends watches after 30 to 60 minutes, so that clients spread over servers. */
const MIN_TIMEOUT_MS = 30 * 60_000;
const CATCH_UP_CHANGES = 256;
const INITIAL_EVENTS_END = 'k8s.io/initial-events-end';

/** Serves the watches of one api-server. */
export class WatchServer {
  readonly #registry: Registry;
  readonly #signal: AbortSignal;
  /** By what the client wants: the object, or a version of its metadata. */
  readonly #frames = new WeakMap<ServedResource, Map<string, EventFrames>>();
  /** Rows of tables, by what of the object they include and the version. */
  readonly #rows = new WeakMap<ServedResource, Map<string, TickCache<Buffer, TableRow>>>();
  readonly #departed = new TickCache<Change, Buffer>();
  readonly #clock = new BookmarkClock();
  readonly #sent = new WeakMap<ServedResource, EventCount>();

  /** @param signal aborted when the server stops: watches end. */
  constructor(registry: Registry, signal: AbortSignal) {
    this.#registry = registry;
    this.#signal = signal;
  }

  /** Returns when the watch has ended. */
  async serve(exchange: AuthorizedRequest, resource: ServedResource): Promise<void> {
    resource.requireReadable(exchange.namespace);
    const { namespace } = exchange;
    const { query } = exchange.info;
    const options = parseWatchOptions(query);
    const selection = parseSelection(resource, exchange.info);
    // The bookmark that ends the initial events is no row of a table.
    if (options.isStreamedList) exchange.accepted = negotiate(exchange.header('accept'), resource.kind.schema, false);
    const framing = exchange.accepted.encoding === 'protobuf' ? protobufFraming(exchange.protobuf) : JSON_FRAMING;
    const frames = this.#framesFor(exchange, resource, framing);
    const { accepted } = exchange;
    const response = await openSink(exchange, framing);
    const watch = new Watch(
      { accepted, response, initialized: () => exchange.initialized?.() },
      this.#registry,
      resource,
      namespace,
      selection,
      framing,
      frames,
      options,
      this.#clock,
    );
    await watch.run(this.#signal);
  }

  /** How many events watchers were sent, by resource. */
  *eventsSent(): Iterable<[ServedResource, number]> {
    for (const resource of this.#registry.kinds.resources) {
      const sent = this.#sent.get(resource);
      if (sent) yield [resource, sent.events];
    }
  }

  #framesFor(exchange: Exchange, resource: ServedResource, framing: Framing): EventFrames {
    const count = this.#sent.get(resource) ?? { events: 0 };
    this.#sent.set(resource, count);
    const { form, metaVersion, encoding, omitsOwners } = exchange.accepted;
    if (form === 'table') {
      const include = parseIncludeObject(exchange.info.query);
      const forms = ensure(this.#rows, resource, () => new Map<string, TickCache<Buffer, TableRow>>());
      const rows = ensure(forms, `${include}/${metaVersion}`, () => new TickCache<Buffer, TableRow>());
      return new EventFrames(resource, tableShow(resource, include, metaVersion, rows), framing, count, this.#departed);
    }
    const frames = ensure(this.#frames, resource, () => new Map<string, EventFrames>());
    const key = `${form === 'object' ? form : metaVersion} ${encoding}${omitsOwners ? ' omits' : ''}`;
    return ensure(frames, key, () => {
      const whole: Show = omitsOwners
        ? (served) => resource.bytes.withoutOwners(resource.serve(served))
        : (served) => resource.serve(served);
      const json: Show = form === 'object' ? whole : (served) => partialMetadata(resource, whole(served), metaVersion);
      const show: Show =
        encoding === 'protobuf' ? (served) => framing.encode(JSON.parse(json(served).toString()) as object) : json;
      return new EventFrames(resource, show, framing, count, this.#departed);
    });
  }
}

interface Table<K, V> {
  get(key: K): V | undefined;
  set(key: K, value: V): unknown;
}

function ensure<K, V>(map: Table<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}

/** Who watches. */
interface WatchClient {
  readonly accepted: Accepted;
  readonly response: EventSink;
  /** Called when it has been told of what is there. */
  readonly initialized: () => void;
}

/** Begins the response. Throws a 406 StatusError for what cannot be told over a WebSocket. */
async function openSink(exchange: Exchange, framing: Framing): Promise<EventSink> {
  if (exchange.upgrade) {
    if (framing !== JSON_FRAMING) throw noAcceptedType();
    // Rarely used: the code is loaded on demand.
    const { openWatchSocket } = await import('./watch-socket.ts');
    return openWatchSocket(exchange.upgrade);
  }
  exchange.start(200, framing.type);
  // HTTP/2 sends the head at once; HTTP/1.1 would wait for the first event.
  if ('flushHeaders' in exchange.response) exchange.response.flushHeaders();
  return exchange.response;
}

class Watch {
  readonly #client: WatchClient;
  readonly #clock: BookmarkClock;
  readonly #registry: Registry;
  readonly #resource: ServedResource;
  readonly #namespace: string;
  readonly #selection: Selection;
  readonly #framing: Framing;
  readonly #frames: EventFrames;
  readonly #options: WatchOptions;
  readonly #ended = Promise.withResolvers<void>();
  /** The client has been told of everything up to this revision. */
  #position: number;
  /** Whether changes are written as they come. */
  #live = false;

  constructor(
    client: WatchClient,
    registry: Registry,
    resource: ServedResource,
    namespace: string,
    selection: Selection,
    framing: Framing,
    frames: EventFrames,
    options: WatchOptions,
    clock: BookmarkClock,
  ) {
    this.#clock = clock;
    this.#framing = framing;
    this.#client = client;
    this.#registry = registry;
    this.#resource = resource;
    this.#namespace = namespace;
    this.#selection = selection;
    this.#frames = frames;
    this.#options = options;
    this.#position = options.revision ?? 0;
  }

  async run(serverStops: AbortSignal): Promise<void> {
    const { response } = this.#client;
    const { timeoutMs = MIN_TIMEOUT_MS * (1 + Math.random()), bookmarks } = this.#options;
    const end = () => this.#ended.resolve();
    const failed = (error: unknown) => this.#fail(error);
    // One watcher's failure is not to keep the others from their events.
    const onChanges = guarded((changes: readonly Change[]) => this.#onChanges(changes), failed);
    const stopListening = this.#resource.cache.listen({ changed: onChanges, replaced: () => this.#expire() });
    const timeout = setTimeout(end, timeoutMs);
    const stopBookmarks = bookmarks ? this.#clock.each(guarded(() => this.#bookmark(), failed)) : undefined;
    response.on('close', end);
    const { closed } = this.#resource;
    for (const signal of [serverStops, closed]) signal.addEventListener('abort', end, { once: true });
    if (serverStops.aborted || closed.aborted || isClosed(response)) end();
    try {
      this.#start().catch((error: unknown) => this.#fail(error));
      await this.#ended.promise;
    } finally {
      // A cache that follows the store no longer does not know what has happened up to the registry's revision.
      if (bookmarks && !isClosed(response) && !closed.aborted) this.#bookmark();
      this.#live = false;
      stopListening();
      clearTimeout(timeout);
      stopBookmarks?.();
      response.off('close', end);
      for (const signal of [serverStops, closed]) signal.removeEventListener('abort', end);
      response.end();
    }
  }

  async #start(): Promise<void> {
    const { revision, sendInitialEvents, bookmarks } = this.#options;
    if (sendInitialEvents || revision === undefined) {
      try {
        // Nothing older than a revision that is still to come is shown.
        await waitUntilFresh(this.#registry, revision);
      } catch (error) {
        if (error instanceof StatusError) return this.#refuse(error);
        throw error;
      }
    }
    if (sendInitialEvents) {
      await this.#sendInitialEvents();
      if (bookmarks) this.#writeBookmark({ [INITIAL_EVENTS_END]: 'true' });
    } else if (revision === undefined || revision === 0) {
      this.#position = this.#registry.revision;
    } else if (revision < this.#resource.cache.window.since) {
      return this.#refuse(this.#tooOld(revision));
    }
    await this.#catchUp();
    this.#client.initialized();
  }

  /**
   * Tells of what is there in key order, a chunk at a time. What changes meanwhile behind the key it has come to is told from
   * the window before the next chunk is read: nothing is held for the watcher, and at the end it is up to date.
   */
  async #sendInitialEvents(): Promise<void> {
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
    if (this.#client.response.writableEnded) throw new ClientGoneError();
    const { window } = this.#resource.cache;
    if (this.#position >= window.since) return window.after(this.#position, CATCH_UP_CHANGES);
    this.#cutOff();
    throw new ClientGoneError();
  }

  /** Resolves when the client has taken nearly all of it. */
  async #tell(changes: readonly Change[]): Promise<void> {
    const { response } = this.#client;
    const writer = new ChunkedWriter((chunk) => taken(response, chunk), MAX_PENDING_BYTES);
    for (const change of this.#resource.converted
      ? await this.#converted(this.#resource.converted, changes)
      : changes) {
      const parts = this.#frames.partsOf(change, this.#namespace, this.#selection);
      if (!parts) continue;
      for (const part of parts) {
        const flushed = writer.add(part);
        if (flushed) await flushed;
      }
    }
    await writer.flush();
  }

  #converted(entries: ConvertedEntries, changes: readonly Change[]): Promise<Change[]> {
    const { all } = this.#selection;
    const wanted = changes.filter(({ entry }) => this.#namespace === '' || entry.namespace === this.#namespace);
    return entries.changes(wanted, !all);
  }

  #onChanges(changes: readonly Change[]): void {
    if (!this.#live) {
      if (this.#position < this.#resource.cache.window.since && this.#position > 0) this.#cutOff();
      return;
    }
    const last = changes.at(-1);
    if (!last || last.revision <= this.#position) return;
    if (this.#resource.converted || !this.#frames.fit(changes)) return this.#resume();
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
    const { form, metaVersion } = this.#client.accepted;
    const metadata = { resourceVersion: String(this.#position), creationTimestamp: null, annotations };
    const object =
      form === 'table'
        ? { kind: 'Table', apiVersion: metaVersion, metadata: { resourceVersion: metadata.resourceVersion }, rows: [] }
        : form === 'metadata'
          ? { kind: 'PartialObjectMetadata', apiVersion: metaVersion, metadata }
          : { kind: kind.kind, apiVersion: apiVersionOf(kind), metadata };
    this.#write(frameOf(this.#framing, 'BOOKMARK', this.#framing.encode(object)));
  }

  /** Writes at once. The client that is slow to take it gets nothing more until it has. */
  #write(frame: Buffer): void {
    if (writeTo(this.#client.response, frame) || !this.#live) return;
    this.#live = false;
    drained(this.#client.response)
      .then(() => this.#catchUp())
      .catch((error: unknown) => this.#fail(error));
  }

  /** The cache has missed changes. Upstream ends such watches, too: the client lists, or resumes if it has missed nothing. */
  #expire(): void {
    if (this.#live) this.#refuse(this.#tooOld(this.#position));
    // It may be in the middle of an event.
    else this.#cutOff();
  }

  #tooOld(revision: number): StatusError {
    return gone(`too old resource version: ${revision} (${this.#resource.cache.window.since})`);
  }

  /** The response has begun: the error is an event. */
  #refuse({ status }: StatusError): void {
    const { response } = this.#client;
    if (!isClosed(response) && !response.writableEnded)
      this.#write(frameOf(this.#framing, 'ERROR', this.#framing.encode(status)));
    this.#live = false;
    this.#ended.resolve();
  }

  #cutOff(): void {
    this.#client.response.destroy();
    this.#ended.resolve();
  }

  #fail(error: unknown): void {
    if (error instanceof ClientGoneError) this.#ended.resolve();
    else if (error instanceof StatusError) this.#refuse(error);
    else this.#ended.reject(error);
  }
}

/** An object that is there, as the event that tells of it. */
const addition = (entry: Entry): Change => ({ type: 'ADDED', revision: entry.revision, entry, previous: undefined });
