/** Columns that many kinds share, and helpers to define others. */
import { ageOf } from './duration.ts';
import type { Column, KubeObject } from './kind.ts';

type Cell<T> = Column<T>['cell'];

export const text = <T>(name: string, cell: Cell<T>): Column<T> => ({
  name,
  type: 'string',
  format: '',
  priority: 0,
  cell,
});
export const integer = <T>(name: string, cell: (object: T) => number): Column<T> => ({
  name,
  type: 'integer',
  format: '',
  priority: 0,
  cell,
});
/** Shown with `-o wide` only. */
export const wide = <T>(name: string, cell: Cell<T>): Column<T> => ({ ...text(name, cell), priority: 1 });

export const nameColumn = <T extends KubeObject>(): Column<T> => ({
  name: 'Name',
  type: 'string',
  format: 'name',
  priority: 0,
  description: 'The name of the object, unique among its kind in its namespace.',
  cell: ({ metadata }) => metadata?.name ?? '',
});
export const ageColumn = <T extends KubeObject>(): Column<T> => ({
  ...text('Age', ({ metadata }: T, now: number) => ageOf(metadata?.creationTimestamp, now)),
  description: 'How long ago the object was created.',
});
/** For kinds that upstream prints with its default columns: the time itself. */
export const createdColumn = <T extends KubeObject>(): Column<T> => ({
  name: 'Created At',
  type: 'date',
  format: '',
  priority: 0,
  cell: ({ metadata }) => metadata?.creationTimestamp ?? '<unknown>',
});
