/** Sets of fields that were written under another schema: structured-merge-diff's `ReconcileFieldSetWithSchema`. */
import { FieldSet, LEAF } from './field-set.ts';
import { DEDUCED, type FieldType } from './field-type.ts';

/**
 * Returns the set as it is under a schema: who owned fields of what is atomic now owns the whole of it. Returns `set` itself when that
 * changes nothing; what has become granular stays as it is owned.
 */
export function reconciled(type: FieldType, set: FieldSet): FieldSet {
  if (set.children.size === 0 || type === DEDUCED) return set;
  if (!type.map) return type.list && !type.scalar ? ofList(type.list, set) : set;
  const { map } = type;
  if (map.atomic) return LEAF;
  return withChildren(set, (element) =>
    element.startsWith('f:') ? (map.field(element.slice(2)) ?? map.values) : undefined,
  );
}

const ofList = ({ atomic, items }: NonNullable<FieldType['list']>, set: FieldSet): FieldSet =>
  atomic ? LEAF : withChildren(set, () => items);

function withChildren(set: FieldSet, typeOf: (element: string) => FieldType | undefined): FieldSet {
  let changed: Map<string, FieldSet> | undefined;
  for (const [element, child] of set.children) {
    const type = typeOf(element);
    const next = type ? reconciled(type, child) : child;
    if (next !== child) (changed ??= new Map(set.children)).set(element, next);
  }
  return changed ? new FieldSet(set.member, changed) : set;
}
