/** Defaulting of custom resources. Upstream's `apiextensions-apiserver/pkg/apiserver/schema/defaulting`. */
import { isJsonObject, own, setOwn } from '../own.ts';
import type { Structural } from './structural.ts';

/**
 * Changes the value: sets the defaults of properties that are missing, or null where null is not allowed; drops other nulls that are
 * not allowed.
 */
export function applyStructuralDefaults(value: unknown, schema: Structural | true | undefined): void {
  if (schema === true || schema === undefined) return;
  if (Array.isArray(value)) {
    if (schema.items) for (const item of value) applyStructuralDefaults(item, schema.items);
    return;
  }
  if (!isJsonObject(value)) return;
  if (schema.hasDefaults) {
    for (const [name, { props }] of schema.properties) {
      if (props.default === undefined) continue;
      const given = own(value, name);
      if (given === undefined || (given === null && props.nullable !== true))
        setOwn(value, name, structuredClone(props.default));
    }
  }
  for (const [name, entry] of Object.entries(value)) {
    const known = schema.properties.get(name) ?? schema.additional;
    if (known === undefined) continue;
    if (entry !== null) applyStructuralDefaults(entry, known);
    else if (known !== true && known.props.nullable !== true) Reflect.deleteProperty(value, name);
  }
}
