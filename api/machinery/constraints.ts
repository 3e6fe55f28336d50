/**
 * Validation of the constraints in a schema, each of which concerns a single field; kinds validate what depends on several. The
 * errors are those of upstream's declarative validation (KEP-5073), which has the same constraints as tags of its types
 * (`+k8s:minimum`, `+k8s:maxItems`, `+k8s:immutable`).
 *
 * A check is compiled once per schema, and only visits fields with constraints.
 */
import { deepEqual } from './deep-equal.ts';
import { compareFields } from './error-order.ts';
import { type FieldError, immutableField, invalid, notSupported, required, tooLong, tooMany } from './field-error.ts';
import { MAX_ERRORS } from './limits.ts';
import {
  validateCIDR,
  validateConfigKey,
  validateEnvName,
  validateIP,
  validateLabelName,
  validateLabelValue,
  validatePathSegmentName,
  validatePortName,
  validateQualifiedName,
  validateSubdomainName,
} from './names.ts';
import { isJsonObject, own } from './own.ts';
import type { Field, FieldNumber, Shape, TextFormat } from './schema.ts';

type Json = Readonly<Record<string, unknown>>;
type Fields = Readonly<Record<string, Field>>;

/** Into a field, an item of a list, or an entry of a map. */
type Step = string | number | { readonly key: string };

/** The errors so far, and the current position. */
interface State {
  /** Only the first `depth` steps are valid: truncating an array is slower than leaving the rest in it. */
  readonly path: Step[];
  depth: number;
  readonly errors: FieldError[];
  /**
   * Whether fields are visited in the order of the schema, so that the order of errors does not depend on the client's. Looking up
   * every field of a schema takes twice as long as visiting those that are set, so this is only done when there is an error.
   */
  readonly inOrder: boolean;
}

/** Checks a value that is not null. */
type Check = (value: unknown, state: State) => void;
type TextCheck = (text: string) => readonly string[];

const FORMATS: ReadonlyMap<string, TextCheck> = new Map<TextFormat, TextCheck>([
  ['k8s-short-name', (text) => validateLabelName(text)],
  ['k8s-long-name', (text) => validateSubdomainName(text)],
  ['k8s-path-segment-name', (text) => validatePathSegmentName(text)],
  ['k8s-label-key', validateQualifiedName],
  ['k8s-label-value', validateLabelValue],
  ['config-key', validateConfigKey],
  ['env-name', validateEnvName],
  ['port-name', validatePortName],
  ['ip', (text) => validateIP(text)],
  ['cidr', (text) => validateCIDR(text)],
]);

function written({ path, depth }: State, ...more: readonly Step[]): string {
  let text = '';
  for (const step of [...path.slice(0, depth), ...more]) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (typeof step === 'string') text += text ? `.${step}` : step;
    else text += `[${step.key}]`;
  }
  return text;
}

const isEmpty = (value: unknown): boolean =>
  value === undefined || value === null || value === '' || value === 0 || (Array.isArray(value) && value.length === 0);

function rangeRule({ minimum, exclusiveMinimum, maximum }: Shape): string {
  if (minimum === undefined) return `must be less than or equal to ${maximum}`;
  if (maximum !== undefined) return `must be between ${minimum} and ${maximum}, inclusive`;
  return exclusiveMinimum ? `must be greater than ${minimum}` : `must be greater than or equal to ${minimum}`;
}

function rangeCheck(shape: Shape): Check | undefined {
  const { minimum = -Infinity, exclusiveMinimum = false, maximum = Infinity } = shape;
  if (shape.minimum === undefined && shape.maximum === undefined) return undefined;
  const rule = rangeRule(shape);
  return (value, state) => {
    if (typeof value !== 'number') return;
    if (value > maximum || value < minimum || (exclusiveMinimum && value === minimum)) {
      state.errors.push(invalid(written(state), value, rule));
    }
  };
}

function textCheck({ format, maxBytes, supported }: Shape): Check | undefined {
  const validate = format === undefined ? undefined : FORMATS.get(format);
  if (!validate && !supported && maxBytes === undefined) return undefined;
  return (value, state) => {
    if (typeof value !== 'string') return;
    const { errors } = state;
    if (supported && !supported.includes(value)) errors.push(notSupported(written(state), value, supported));
    if (maxBytes !== undefined && Buffer.byteLength(value) > maxBytes) errors.push(tooLong(written(state), maxBytes));
    if (!validate) return;
    for (const problem of validate(value)) errors.push(invalid(written(state), value, problem));
  };
}

/** Compiles the checks of one schema; each struct once, however often it is used. */
class Compiler {
  /** By the object of their fields: each field has a shape of its own, which inherits from that of the struct. */
  readonly #structs = new Map<Fields, Check | undefined>();

  compile(shape: Shape): Check | undefined {
    if (shape.properties) return this.#struct(shape.properties);
    if (shape.items) return this.#list(shape, shape.items);
    if (shape.additionalProperties) return this.#map(shape.additionalProperties);
    return rangeCheck(shape) ?? textCheck(shape);
  }

  #list({ maxItems = Infinity, supported }: Shape, items: Shape): Check | undefined {
    const check = supported ? textCheck({ ...items, supported }) : this.compile(items);
    if (!check && maxItems === Infinity) return undefined;
    return (value, state) => {
      if (!Array.isArray(value)) return;
      const { path, errors } = state;
      // The items of a list that is too long are not checked.
      if (value.length > maxItems) errors.push(tooMany(written(state), value.length, maxItems));
      else if (check) {
        const depth = state.depth++;
        for (let index = 0; index < value.length && errors.length < MAX_ERRORS; index++) {
          path[depth] = index;
          check(value[index], state);
        }
        state.depth = depth;
      }
    };
  }

  #map(values: Shape): Check | undefined {
    const check = this.compile(values);
    if (!check) return undefined;
    return (value, state) => {
      if (!isJsonObject(value)) return;
      const { path, errors } = state;
      const depth = state.depth++;
      for (const key in value) {
        if (errors.length >= MAX_ERRORS) break;
        path[depth] = { key };
        check(own(value, key), state);
      }
      state.depth = depth;
    };
  }

  #struct(fields: Fields): Check | undefined {
    if (this.#structs.has(fields)) return this.#structs.get(fields);
    // For structs that contain themselves.
    this.#structs.set(fields, (value, state) => compiled?.(value, state));
    const compiled = this.fields(fields);
    this.#structs.set(fields, compiled);
    return compiled;
  }

  /** Compiles the wanted fields of a struct. */
  fields(fields: Fields, isWanted: (name: string) => boolean = () => true): Check | undefined {
    const checks = new Map<string, { readonly name: string; readonly nonEmpty: boolean; readonly check?: Check }>();
    for (const [name, field] of Object.entries(fields)) {
      if (!isWanted(name)) continue;
      const { nonEmpty = false } = field;
      const check = this.compile(field);
      if (check || nonEmpty) checks.set(name, { name, nonEmpty, check });
    }
    if (checks.size === 0) return undefined;
    const numberOf = (name: string): FieldNumber | undefined => own(fields, name)?.number;
    const inOrder = [...checks.values()].sort((one, other) => compareFields(numberOf(one.name), numberOf(other.name)));
    const needed = inOrder.filter(({ nonEmpty }) => nonEmpty).length;
    return (value, state) => {
      if (!isJsonObject(value)) return;
      const depth = state.depth++;
      if (state.inOrder) {
        for (const { name, nonEmpty, check } of inOrder) {
          const entry = own(value, name);
          state.path[depth] = name;
          if (nonEmpty && isEmpty(entry)) state.errors.push(required(written(state)));
          else if (entry !== undefined && entry !== null) check?.(entry, state);
        }
      } else {
        let found = 0;
        for (const name in value) {
          const field = checks.get(name);
          if (field === undefined) continue;
          const entry = value[name];
          if (field.nonEmpty ? isEmpty(entry) : entry === undefined || entry === null) continue;
          if (field.nonEmpty) found++;
          if (field.check === undefined) continue;
          state.path[depth] = name;
          field.check(entry, state);
        }
        if (found < needed) state.errors.push(required(written(state)));
      }
      state.depth = depth;
    };
  }
}

/** Returns the check of the wanted top-level fields of decoded objects; undefined when they have no constraints. */
export function constraintsOf(
  schema: Shape,
  isWanted: (field: string) => boolean,
): ((object: object) => FieldError[]) | undefined {
  const check = new Compiler().fields(schema.properties ?? {}, isWanted);
  return (
    check &&
    ((object) => {
      const quick: State = { path: [], depth: 0, errors: [], inOrder: false };
      check(object, quick);
      if (quick.errors.length === 0) return quick.errors;
      const careful: State = { path: [], depth: 0, errors: [], inOrder: true };
      check(object, careful);
      return careful.errors;
    })
  );
}

type UpdateCheck = (value: Json, old: Json, path: string, errors: FieldError[]) => void;

/** Follows structs within structs; items of lists have no counterpart in the old list. */
function updateCheck(fields: Fields, outer: readonly Fields[]): UpdateCheck | undefined {
  const immutable: string[] = [];
  const inner: [string, UpdateCheck][] = [];
  for (const [name, field] of Object.entries(fields)) {
    if (field.immutable) immutable.push(name);
    if (!field.properties || outer.includes(field.properties)) continue;
    const check = updateCheck(field.properties, [...outer, fields]);
    if (check) inner.push([name, check]);
  }
  if (immutable.length === 0 && inner.length === 0) return undefined;
  return (value, old, path, errors) => {
    for (const name of immutable) {
      const [now, before] = [own(value, name), own(old, name)];
      if (!deepEqual(now ?? '', before ?? '')) errors.push(immutableField(path + name, now));
    }
    for (const [name, check] of inner) {
      const [now, before] = [own(value, name), own(old, name)];
      if (isJsonObject(now) && isJsonObject(before)) check(now, before, `${path}${name}.`, errors);
    }
  };
}

/** Returns the check that an update does not change immutable fields; undefined when the schema has none. */
export function immutabilityOf(schema: Shape): ((object: object, old: object) => FieldError[]) | undefined {
  const check = updateCheck(schema.properties ?? {}, []);
  return (
    check &&
    ((object, old) => {
      const errors: FieldError[] = [];
      check(object as Json, old as Json, '', errors);
      return errors;
    })
  );
}
