/** A list that follows the server: read in chunks, then watched, as tables, so that columns are the server's. */
import { signal, type Signal } from '@preact/signals';
import { LineSplitter } from '../model/lines.ts';
import { columnsOf, rowsOf, type Column, type Row, type Table } from '../model/rows.ts';
import { ApiError, call, messageOf, open } from './request.ts';

const AS_TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';
/** The first one is shown before the others have come. */
const CHUNK = 500;
/** Watches end and are resumed, at different times. */
const WATCH_SECONDS = { least: 240, spread: 120 };
const RETRY_MS = { first: 500, longest: 30_000 };
/** However fast the events come, the page is drawn no more often. */
const REDRAW_MS = 150;

export interface TableQuery {
  readonly path: string;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
}

export type TableState =
  | { readonly kind: 'loading' }
  | { readonly kind: 'live' }
  /** The connection is lost, and tried again. */
  | { readonly kind: 'stale'; readonly message: string }
  | { readonly kind: 'failed'; readonly error: ApiError };

interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: Table & { readonly code?: number; readonly message?: string };
}

export class LiveTable {
  readonly columns: Signal<readonly Column[]> = signal([]);
  readonly state: Signal<TableState> = signal({ kind: 'loading' });
  /** Changes when the rows have changed. */
  readonly version = signal(0);
  #rows = new Map<string, Row>();
  readonly #query: TableQuery;
  readonly #closing = new AbortController();
  #redraw: ReturnType<typeof setTimeout> | undefined;

  constructor(query: TableQuery) {
    this.#query = query;
    void this.#run();
  }

  get rows(): ReadonlyMap<string, Row> {
    return this.#rows;
  }

  close(): void {
    this.#closing.abort();
    clearTimeout(this.#redraw);
  }

  async #run(): Promise<void> {
    let resourceVersion = '';
    for (let failures = 0; !this.#closing.signal.aborted;) {
      try {
        if (resourceVersion === '') resourceVersion = await this.#list();
        this.state.value = { kind: 'live' };
        resourceVersion = await this.#watch(resourceVersion, () => (failures = 0));
      } catch (error) {
        if (this.#closing.signal.aborted) return;
        if (error instanceof ApiError && error.code === 410) {
          resourceVersion = '';
          if (failures === 0) {
            failures++;
            continue;
          }
        } else if (error instanceof ApiError && isFinal(error.code)) {
          this.state.value = { kind: 'failed', error };
          return;
        }
        this.state.value = { kind: 'stale', message: messageOf(error) };
        await this.#pause(Math.min(RETRY_MS.first * 2 ** failures++, RETRY_MS.longest));
      }
    }
  }

  /** Also ends when the browser is online again, or the table is closed. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        removeEventListener('online', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      addEventListener('online', done);
      this.#closing.signal.addEventListener('abort', done, { once: true });
    });
  }

  get #selectors(): Record<string, string> {
    const { fieldSelector, labelSelector } = this.#query;
    return { ...(fieldSelector && { fieldSelector }), ...(labelSelector && { labelSelector }) };
  }

  /** Returns the revision of the list. */
  async #list(): Promise<string> {
    const { signal } = this.#closing;
    const isFirst = this.#rows.size === 0;
    const rows = new Map<string, Row>();
    if (isFirst) this.#rows = rows;
    for (let next = ''; ;) {
      const query = { ...this.#selectors, limit: String(CHUNK), ...(next !== '' && { continue: next }) };
      const table = await call<Table>(this.#query.path, { query, accept: AS_TABLE, signal });
      if (table.columnDefinitions) this.columns.value = columnsOf(table);
      for (const row of rowsOf(table)) rows.set(row.uid, row);
      if (isFirst) this.#changed();
      next = table.metadata?.continue ?? '';
      if (next !== '') continue;
      this.#rows = rows;
      this.#changed();
      return table.metadata?.resourceVersion ?? '';
    }
  }

  /** Returns the revision from which to go on when the watch has ended. */
  async #watch(from: string, answered: () => void): Promise<string> {
    const seconds = WATCH_SECONDS.least + Math.floor(Math.random() * WATCH_SECONDS.spread);
    const { signal } = this.#closing;
    const query = {
      ...this.#selectors,
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: from,
      timeoutSeconds: String(seconds),
    };
    const response = await open(this.#query.path, { query, accept: AS_TABLE, signal });
    let revision = from;
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    const lines = new LineSplitter();
    for (;;) {
      const piece = await reader?.read();
      if (!piece || piece.done) return revision;
      answered();
      for (const line of lines.push(piece.value)) if (line !== '') revision = this.#apply(line) || revision;
    }
  }

  /** Returns the revision of the event. */
  #apply(line: string): string {
    const { type, object } = JSON.parse(line) as WatchEvent;
    if (type === 'ERROR') throw new ApiError(object.message ?? 'the watch has failed', object.code ?? 500);
    const revision = object.rows?.at(-1)?.object?.metadata?.resourceVersion ?? object.metadata?.resourceVersion ?? '';
    if (type === 'BOOKMARK') return revision;
    for (const row of rowsOf(object)) {
      if (type === 'DELETED') this.#rows.delete(row.uid);
      else this.#rows.set(row.uid, row);
    }
    this.#changed();
    return revision;
  }

  #changed(): void {
    if (this.version.value === 0) {
      this.version.value = 1;
      return;
    }
    this.#redraw ??= setTimeout(() => {
      this.#redraw = undefined;
      this.version.value++;
    }, REDRAW_MS);
  }
}

/** What is not going to be otherwise the next time. */
const isFinal = (code: number): boolean => code === 401 || code === 403 || code === 404 || code === 405 || code === 400;
