/**
 * The order of errors about one object. Upstream validates the constraints of a field and what depends on others side by side, mostly in
 * the order of the fields; here they are two passes, whose errors are merged.
 */
import type { FieldError } from './field-error.ts';
import { own } from './own.ts';
import type { FieldNumber, Shape } from './schema.ts';

type Part = { readonly field: string } | { readonly index: number } | { readonly key: string };

/** Of a path; keys of maps, of which some are as long as a body may be, lie behind it. */
const MAX_COMPARED = 1024;

/** `spec`, `ports`, `[0]`, `name`; keys of maps are in brackets, too. */
function partsOf(path: string): Part[] {
  return [...path.slice(0, MAX_COMPARED).matchAll(/\[(\d+)\]|\[([^\]]*)\]|([^.[\]]+)/g)].map(([, index, key, field]) =>
    index !== undefined ? { index: Number(index) } : key !== undefined ? { key } : { field: field ?? '' },
  );
}

const numbersOf = (number: FieldNumber | undefined): readonly number[] =>
  number === undefined ? [] : typeof number === 'number' ? [number] : number;

/** By the numbers of two fields in protobuf, which is the order in which upstream declares them. */
export function compareFields(one: FieldNumber | undefined, other: FieldNumber | undefined): number {
  const [ours, theirs] = [numbersOf(one), numbersOf(other)];
  for (let place = 0; place < Math.min(ours.length, theirs.length); place++) {
    const difference = (ours[place] ?? 0) - (theirs[place] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Less than 0 when `one` comes first; 0 when the schema does not tell. What is within a value comes before what is said of all of it. */
function comparePaths(schema: Shape, one: readonly Part[], other: readonly Part[]): number {
  let shape: Shape | undefined = schema;
  for (const [place, ours] of one.entries()) {
    const theirs = other[place];
    if (theirs === undefined) return -1;
    if ('field' in ours && 'field' in theirs) {
      const [mine, its]: ((Shape & { number?: FieldNumber }) | undefined)[] = [
        own(shape?.properties ?? {}, ours.field),
        own(shape?.properties ?? {}, theirs.field),
      ];
      if (ours.field !== theirs.field) return mine && its ? compareFields(mine.number, its.number) : 0;
      shape = mine;
    } else if ('index' in ours && 'index' in theirs) {
      if (ours.index !== theirs.index) return ours.index - theirs.index;
      shape = shape?.items;
    } else if ('key' in ours && 'key' in theirs && ours.key === theirs.key) {
      shape = shape?.additionalProperties;
    } else {
      return 0;
    }
  }
  return other.length - one.length;
}

/** Merges errors of constraints with a kind's own; each of the two stays in its order. */
export function mergeErrors(
  schema: Shape,
  constraints: readonly FieldError[],
  others: readonly FieldError[],
): FieldError[] {
  if (constraints.length === 0 || others.length === 0) return [...constraints, ...others];
  const merged: FieldError[] = [];
  const paths = constraints.map(({ field }) => partsOf(field));
  let next = 0;
  for (const error of others) {
    const path = partsOf(error.field);
    for (; next < constraints.length; next++) {
      const [constraint, at] = [constraints[next], paths[next]];
      if (!constraint || !at || comparePaths(schema, at, path) > 0) break;
      merged.push(constraint);
    }
    merged.push(error);
  }
  return [...merged, ...constraints.slice(next)];
}
