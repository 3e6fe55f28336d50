/** A list that follows the server: read in chunks, then watched, as tables, so that columns are the server's. */
import { signal, type Signal } from '@preact/signals';
import { columnsOf, rowsOf, type Column, type Row, type Table } from '../model/rows.ts';
import { follow, type FollowState, type WatchEvent } from './follow.ts';
import { call } from './request.ts';

const AS_TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';
/** The first one is shown before the others have come. */
const CHUNK = { first: 100, next: 1_000 };
/** However fast the events come, the page is drawn no more often. */
const REDRAW_MS = 150;

export interface TableQuery {
  readonly path: string;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
}

export class LiveTable {
  readonly columns: Signal<readonly Column[]> = signal([]);
  readonly state: Signal<FollowState> = signal({ kind: 'loading' });
  /** Changes when the rows have changed. */
  readonly version = signal(0);
  #rows = new Map<string, Row>();
  readonly #query: TableQuery;
  readonly #closing = new AbortController();
  #redraw: ReturnType<typeof setTimeout> | undefined;

  constructor(query: TableQuery) {
    this.#query = query;
    const { fieldSelector, labelSelector } = query;
    const selectors = { ...(fieldSelector && { fieldSelector }), ...(labelSelector && { labelSelector }) };
    void follow<Table>(
      {
        path: query.path,
        selectors,
        accept: AS_TABLE,
        read: (ending) => this.#read(selectors, ending),
        change: (event) => this.#change(event),
        tell: (state) => (this.state.value = state),
      },
      this.#closing.signal,
    );
  }

  get rows(): ReadonlyMap<string, Row> {
    return this.#rows;
  }

  close(): void {
    this.#closing.abort();
    clearTimeout(this.#redraw);
  }

  async #read(selectors: Readonly<Record<string, string>>, ending: AbortSignal): Promise<string> {
    const isFirst = this.#rows.size === 0;
    const rows = new Map<string, Row>();
    if (isFirst) this.#rows = rows;
    for (let next = ''; ;) {
      const limit = String(next === '' ? CHUNK.first : CHUNK.next);
      const query = { ...selectors, limit, ...(next !== '' && { continue: next }) };
      const table = await call<Table>(this.#query.path, { query, accept: AS_TABLE, signal: ending });
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

  #change({ type, object }: WatchEvent<Table>): string {
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
