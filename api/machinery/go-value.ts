/**
 * A value as upstream shows it in errors: its internal types have no JSON names, so that errors about a whole struct have the names of Go
 * (`APIGroup`), in the order of the declaration, and what is not set is there as null or zero.
 */
import { compareFields } from './error-order.ts';
import { isJsonObject, own, setOwn } from './own.ts';
import type { Field, Shape } from './schema.ts';

/** Types of these are used as they are in all versions. */
const SHARED = 'io.k8s.apimachinery.';

const goName = (name: string): string => {
  const capital = `${name.slice(0, 1).toUpperCase()}${name.slice(1)}`;
  return capital.replace(/^(Api|Uid|Ip)(?=[A-Z]|$)/, (word) => word.toUpperCase());
};

function zeroOf(field: Field): unknown {
  if (field.pointer === true) return null;
  if (field.type === 'boolean') return false;
  if (field.type === 'integer' || field.type === 'number') return 0;
  return field.type === 'string' ? '' : null;
}

/** @param shape the schema of the value */
export function goValue(shape: Shape, value: unknown): unknown {
  if (value === undefined || value === null) return null;
  if (Array.isArray(value)) return shape.items ? value.map((entry) => goValue(shape.items ?? {}, entry)) : value;
  if (!shape.properties || !isJsonObject(value) || shape.definition?.startsWith(SHARED)) return value;
  const shown: Record<string, unknown> = {};
  const fields = Object.entries(shape.properties).sort(([, one], [, other]) => compareFields(one.number, other.number));
  for (const [name, field] of fields) {
    const entry = own(value, name);
    setOwn(shown, goName(name), entry === undefined ? zeroOf(field) : goValue(field, entry));
  }
  return shown;
}
