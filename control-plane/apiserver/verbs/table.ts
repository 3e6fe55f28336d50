/** Tables: what `kubectl get` shows, made by the server from the kind's columns. */
import type { Query } from '../../../api/machinery/query-values.ts';
import type { Column, Kind, KubeObject } from '../../../api/machinery/kind.ts';
import { badRequest } from '../../../api/machinery/status-error.ts';
import type { MetaVersion } from '../http/negotiate.ts';

export type IncludeObject = 'None' | 'Metadata' | 'Object';

const DEFAULT_COLUMNS: readonly Column<KubeObject>[] = [
  { name: 'Name', type: 'string', format: 'name', priority: 0, cell: (object) => object.metadata?.name },
  {
    name: 'Created At',
    type: 'date',
    format: '',
    priority: 0,
    cell: (object) => object.metadata?.creationTimestamp,
  },
];

const columnsOf = (kind: Kind): readonly Column<KubeObject>[] =>
  kind.columns.length > 0 ? kind.columns : DEFAULT_COLUMNS;

export const columnDefinitions = (kind: Kind) =>
  columnsOf(kind).map(({ name, type, format, priority, description = '' }) => ({
    name,
    type,
    format,
    description,
    priority,
  }));

export function parseIncludeObject(query: Query): IncludeObject {
  const value = query.get('includeObject') || 'Metadata';
  if (value === 'None' || value === 'Metadata' || value === 'Object') return value;
  throw badRequest(`unrecognized includeObject value: ${JSON.stringify(value)}`);
}

export function tableRow(
  kind: Kind,
  object: KubeObject,
  include: IncludeObject,
  now: number,
  apiVersion: MetaVersion,
): object {
  const cells = columnsOf(kind).map((column) => column.cell(object, now) ?? null);
  switch (include) {
    case 'None':
      return { cells };
    case 'Object':
      return { cells, object };
    case 'Metadata':
      return { cells, object: { kind: 'PartialObjectMetadata', apiVersion, metadata: object.metadata } };
  }
}
