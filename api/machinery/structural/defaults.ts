/** Defaulting of custom resources. Upstream's `apiextensions-apiserver/pkg/apiserver/schema/defaulting`. */
import { MAX_OBJECT_CHARS } from '../limits.ts';
import { isJsonObject, own, setOwn } from '../own.ts';
import { tooLarge } from '../status-error.ts';
import type { Structural } from './structural.ts';

/**
 * Changes the value: sets the defaults of properties that are missing, or null where null is not allowed; drops other nulls that are
 * not allowed. Throws a 413 StatusError when the defaults are more than any object may have: items of a list have them, too.
 */
export function applyStructuralDefaults(value: unknown, schema: Structural): void {
  const defaulting = new Defaulting();
  defaulting.apply(value, schema);
  if (defaulting.isExhausted)
    throw tooLarge(`Request entity too large: defaults have more than ${MAX_OBJECT_CHARS} characters`);
}

/** As `applyStructuralDefaults`, for what was stored before the schema had its defaults: those that are too many are left out. */
export const completeStored = (value: unknown, schema: Structural): void => new Defaulting().apply(value, schema);

class Defaulting {
  #remaining = MAX_OBJECT_CHARS;

  get isExhausted(): boolean {
    return this.#remaining < 0;
  }

  apply(value: unknown, schema: Structural | true): void {
    if (schema === true || this.isExhausted) return;
    if (Array.isArray(value)) {
      if (schema.items) for (const item of value) this.apply(item, schema.items);
      return;
    }
    if (!isJsonObject(value)) return;
    if (schema.hasDefaults) this.#add(value, schema);
    for (const [name, entry] of Object.entries(value)) {
      const known = schema.properties.get(name) ?? schema.additional;
      if (known === undefined) continue;
      if (entry !== null) this.apply(entry, known);
      else if (known !== true && known.props.nullable !== true) Reflect.deleteProperty(value, name);
    }
  }

  #add(value: Record<string, unknown>, { properties }: Structural): void {
    for (const [name, { props, defaultChars }] of properties) {
      if (props.default === undefined) continue;
      const given = own(value, name);
      if (given !== undefined && (given !== null || props.nullable === true)) continue;
      this.#remaining -= name.length + defaultChars;
      if (this.isExhausted) return;
      setOwn(value, name, structuredClone(props.default));
    }
  }
}
