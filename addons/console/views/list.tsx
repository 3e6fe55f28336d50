/** A list of one resource: live, of which only the rows in sight are drawn. */
import { useComputed, useSignal } from '@preact/signals';
import type { TargetedKeyboardEvent } from 'preact';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { humanDuration } from '../../../api/machinery/duration.ts';
import { may } from '../cluster/access.ts';
import { findResource } from '../cluster/discovery.ts';
import { LiveTable, type TableQuery } from '../cluster/live-table.ts';
import { apiPath, formatRoute, type ResourceName, type Route } from '../model/route.ts';
import { filtered, sorted, toneOf, type Column, type Order, type Row } from '../model/rows.ts';
import { t } from '../text/text.ts';
import { NamespacePicker } from './namespace-picker.tsx';
import { chosenNamespace, go, replace } from './place.ts';
import { now } from '../preferences.ts';

const ROW_HEIGHT = 34;
/** Rows that are drawn beyond the edges. */
const OVERSCAN = 12;
/** Widths are measured, in characters, on so many rows. */
const MEASURED_ROWS = 300;
const WIDTH = { least: 5, most: 44, name: 56 };
const STATUS_COLUMNS = new Set(['Status', 'Phase', 'Type', 'Ready', 'Reason', 'Condition']);

export function ListPage({ route }: { readonly route: Extract<Route, { page: 'list' }> }) {
  const resource = findResource(route.group, route.resource);
  const namespaced = resource?.namespaced ?? true;
  const namespace = namespaced ? route.namespace : '';
  const mayCreate = may({
    verb: 'create',
    group: route.group,
    resource: route.resource,
    ...(namespace && { namespace }),
  });
  const setFilter = (filter: string): void => replace({ ...route, filter });
  return (
    <section class="page" aria-labelledby="page-title">
      <header class="page-head">
        <h1 id="page-title">{resource?.kind ?? route.resource}</h1>
        {route.group && <span class="muted">{`${route.group}/${route.version}`}</span>}
        <span class="grow" />
        {namespaced && (
          <NamespacePicker
            value={namespace}
            onPick={(picked) => {
              chosenNamespace.value = picked;
              go({ ...route, namespace: picked });
            }}
          />
        )}
        <input
          class="filter"
          type="search"
          data-filter
          value={route.filter}
          aria-label={t('list.filter')}
          placeholder={`${t('list.filter')}  /`}
          onInput={(event) => setFilter(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === 'ArrowDown' || event.key === 'Enter')
              document.querySelector<HTMLElement>('[role=grid]')?.focus();
          }}
        />
        {mayCreate.value && (
          <a class="button" href={formatRoute({ page: 'create' })}>
            {t('create.title')}
          </a>
        )}
      </header>
      <TableView
        key={`${route.group}/${route.resource}/${namespace}`}
        which={route}
        query={{ path: apiPath(route, namespace) }}
        withNamespace={namespaced && namespace === ''}
        filter={route.filter}
      />
    </section>
  );
}

export interface TableViewProps {
  readonly which: ResourceName;
  readonly query: TableQuery;
  readonly withNamespace: boolean;
  readonly filter?: string;
  readonly compact?: boolean;
  readonly initialOrder?: Order;
}

export function TableView({ which, query, withNamespace, filter = '', compact = false, initialOrder }: TableViewProps) {
  const { path, fieldSelector, labelSelector } = query;
  const table = useMemo(
    () => new LiveTable({ path, ...(fieldSelector && { fieldSelector }), ...(labelSelector && { labelSelector }) }),
    [path, fieldSelector, labelSelector],
  );
  useEffect(() => () => table.close(), [table]);
  const order = useSignal<Order | undefined>(initialOrder);
  const wide = useSignal(false);
  const inOrder = useComputed(() => {
    void table.version.value;
    return sorted(table.rows.values(), order.value);
  });
  const rows = useMemo(() => filtered(inOrder.value, filter), [inOrder.value, filter]);
  const state = table.state.value;
  const columns = table.columns.value
    .map((column, index) => ({ column, index }))
    .filter(({ column }) => wide.value || column.priority === 0);
  const total = inOrder.value.length;
  return (
    <>
      {state.kind === 'failed' ? (
        <p class="notice bad" role="alert">
          {state.error.code === 403 ? t('list.forbidden') : t('list.failed')}{' '}
          <span class="detail">{state.error.message}</span>
        </p>
      ) : (
        <Grid
          which={which}
          columns={columns}
          rows={rows}
          order={order.value}
          withNamespace={withNamespace}
          compact={compact}
          onOrder={(by) => {
            const current = order.value;
            order.value =
              current?.by === by
                ? current.descending
                  ? undefined
                  : { by, descending: true }
                : { by, descending: false };
          }}
        />
      )}
      <footer class="list-foot" aria-live="polite">
        <span class={`live ${state.kind}`}>{t(`list.${state.kind}`)}</span>
        <span data-testid="count">
          {rows.length === total ? t('list.count', { total }) : t('list.some', { shown: rows.length, total })}
        </span>
        {state.kind === 'stale' && <span class="detail">{state.message}</span>}
        <span class="grow" />
        {!compact && table.columns.value.some(({ priority }) => priority > 0) && (
          <label>
            <input
              type="checkbox"
              checked={wide.value}
              onInput={(event) => (wide.value = event.currentTarget.checked)}
            />{' '}
            {t('list.wide')}
          </label>
        )}
      </footer>
    </>
  );
}

interface Shown {
  readonly column: Column;
  readonly index: number;
}

interface GridProps {
  readonly which: ResourceName;
  readonly columns: readonly Shown[];
  readonly rows: readonly Row[];
  readonly order: Order | undefined;
  readonly withNamespace: boolean;
  readonly compact: boolean;
  readonly onOrder: (by: Order['by']) => void;
}

/** Widths of the columns, for CSS grid, of what the first rows have in them. */
function gridTemplate(columns: readonly Shown[], rows: readonly Row[], withNamespace: boolean): string {
  const measured = rows.slice(0, MEASURED_ROWS);
  const width = (title: string, textOf: (row: Row) => string, most: number): string => {
    const longest = measured.reduce((length, row) => Math.max(length, textOf(row).length), title.length + 2);
    const characters = Math.min(Math.max(longest, WIDTH.least), most);
    return `minmax(${Math.min(characters, 12)}ch, ${characters + 2}fr)`;
  };
  return [
    ...(withNamespace ? [width(t('list.namespace'), ({ namespace }) => namespace, WIDTH.most)] : []),
    ...columns.map(({ column, index }) =>
      width(
        column.name,
        ({ cells }) => (column.isAge ? '' : (cells[index] ?? '')),
        column.name === 'Name' ? WIDTH.name : WIDTH.most,
      ),
    ),
  ].join(' ');
}

function Grid({ which, columns, rows, order, withNamespace, compact, onOrder }: GridProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const top = useSignal(0);
  const height = useSignal(600);
  const current = useSignal(-1);
  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const observer = new ResizeObserver(() => (height.value = element.clientHeight));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const template = useMemo(
    () => gridTemplate(columns, rows, withNamespace),
    // Not with every event: columns that move cannot be read.
    [columns.map(({ index }) => index).join(), Math.ceil(Math.log2(rows.length + 1)), withNamespace],
  );
  const first = Math.max(0, Math.floor(top.value / ROW_HEIGHT) - OVERSCAN);
  const last = Math.min(rows.length, Math.ceil((top.value + height.value) / ROW_HEIGHT) + OVERSCAN);
  const select = (index: number): void => {
    current.value = Math.max(0, Math.min(rows.length - 1, index));
    const element = scroller.current;
    if (!element) return;
    const at = current.value * ROW_HEIGHT;
    // The head of the table stays in sight and covers one row.
    if (at < element.scrollTop) element.scrollTop = at;
    else if (at + 2 * ROW_HEIGHT > element.scrollTop + element.clientHeight)
      element.scrollTop = at + 2 * ROW_HEIGHT - element.clientHeight;
  };
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLElement>): void => {
    const page = Math.max(1, Math.floor(height.value / ROW_HEIGHT) - 2);
    const steps = new Map([
      ['ArrowDown', 1],
      ['j', 1],
      ['ArrowUp', -1],
      ['k', -1],
      ['PageDown', page],
      ['PageUp', -page],
      ['Home', -Infinity],
      ['End', Infinity],
    ]);
    const step = steps.get(event.key);
    const row = rows[current.value];
    if (event.target instanceof HTMLButtonElement || event.ctrlKey || event.metaKey || event.altKey) return;
    if (step !== undefined) select(current.value + step);
    else if (event.key === 'Enter' && row) go(objectRoute(which, row));
    else return;
    event.preventDefault();
  };
  const orderOf = (by: Order['by']) => (order?.by !== by ? 'none' : order.descending ? 'descending' : 'ascending');
  const heading = (name: string, by: Order['by'], description: string) => (
    <div role="columnheader" aria-sort={orderOf(by)} key={name} class="cell">
      <button type="button" class="sort" title={description} onClick={() => onOrder(by)}>
        {name}
        <span aria-hidden="true">{order?.by === by ? (order.descending ? ' ↓' : ' ↑') : ''}</span>
      </button>
    </div>
  );
  const selected = rows[current.value];
  return (
    <div
      class={`table ${compact ? 'compact' : ''}`}
      ref={scroller}
      role="grid"
      aria-rowcount={rows.length + 1}
      aria-label={which.resource}
      aria-activedescendant={selected ? `row-${selected.uid}` : undefined}
      tabIndex={0}
      onScroll={(event) => (top.value = event.currentTarget.scrollTop)}
      onKeyDown={onKeyDown}
    >
      <div
        class="table-body"
        role="rowgroup"
        style={{ '--columns': template, height: `${(rows.length + 1) * ROW_HEIGHT}px` }}
      >
        <div class="row head" role="row" aria-rowindex={1}>
          {withNamespace && heading(t('list.namespace'), 'namespace', '')}
          {columns.map(({ column, index }) => heading(column.name, column.isAge ? 'age' : index, column.description))}
        </div>
        {rows.slice(first, last).map((row, offset) => (
          <RowView
            key={row.uid}
            row={row}
            which={which}
            columns={columns}
            withNamespace={withNamespace}
            index={first + offset}
            selected={first + offset === current.value}
          />
        ))}
      </div>
    </div>
  );
}

export const objectRoute = (which: ResourceName, { namespace, name }: { namespace: string; name: string }): Route => ({
  page: 'object',
  group: which.group,
  version: which.version,
  resource: which.resource,
  namespace,
  name,
  tab: 'summary',
});

interface RowProps {
  readonly row: Row;
  readonly which: ResourceName;
  readonly columns: readonly Shown[];
  readonly withNamespace: boolean;
  readonly index: number;
  readonly selected: boolean;
}

function RowView({ row, which, columns, withNamespace, index, selected }: RowProps) {
  const cell = ({ column, index: at }: Shown) => {
    const text = column.isAge ? age(row) : (row.cells[at] ?? '');
    if (column.name === 'Name' && at === 0)
      return (
        <a href={formatRoute(objectRoute(which, row))} tabIndex={-1}>
          {text}
        </a>
      );
    if (!STATUS_COLUMNS.has(column.name)) return text;
    return <span class={`status ${row.isTerminating ? 'busy' : toneOf(text)}`}>{text}</span>;
  };
  return (
    <div
      class={`row ${selected ? 'selected' : ''}`}
      id={`row-${row.uid}`}
      role="row"
      aria-rowindex={index + 2}
      aria-selected={selected}
      style={{ transform: `translateY(${(index + 1) * ROW_HEIGHT}px)` }}
      onDblClick={() => go(objectRoute(which, row))}
    >
      {withNamespace && (
        <div class="cell muted" role="gridcell" title={row.namespace}>
          {row.namespace}
        </div>
      )}
      {columns.map((shown) => (
        <div class="cell" role="gridcell" key={shown.index} title={shown.column.isAge ? '' : row.cells[shown.index]}>
          {cell(shown)}
        </div>
      ))}
    </div>
  );
}

const age = ({ createdAt }: Row): string => (createdAt === 0 ? '' : humanDuration(Math.max(0, now.value - createdAt)));
