/**
 * Decoding of parsed JSON by a schema, for which a walker is compiled once. It checks types, drops unknown fields and nulls, makes
 * quantities and times canonical, and omits or adds empty fields as upstream's serializer does (`pointer` and `always` in the schema),
 * so that the result is what is stored and served.
 */
import { formatDuration, parseDuration } from './duration.ts';
import { unknownField } from './json-text.ts';
import type { Decoder } from './kind.ts';
import { MAX_PROBLEMS } from './limits.ts';
import { Messages } from './messages.ts';
import { MAX_INT32, type Shape } from './schema.ts';
import { QuantityError, canonicalQuantity, roundUpToMilli } from './quantity.ts';
import { TimeError } from './time-layout.ts';
import { canonicalMicroTime, canonicalTime } from './time.ts';
import { isJsonObject, own, setOwn } from './own.ts';

/** A value has the wrong type. The message is that of upstream's JSON decoder. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';
  /** The message where upstream converts from a map instead of JSON, as for the result of a strategic merge patch. */
  readonly ofMap: string;

  constructor(message: string, ofMap = message) {
    super(message);
    this.ofMap = ofMap;
  }
}

type Json = Record<string, unknown>;
/** Decodes one value; `owner` is the Go name of the struct that the field is in, for messages. */
type Walk = (value: unknown, state: State, owner: string) => unknown;

/** A field, with the Go structs that it is embedded in (`VolumeSource.nfs`), an index, or the key of a map. */
type PathPart = string | number | { readonly key: string };

/** Where the walk is. */
interface State {
  readonly path: PathPart[];
  readonly problems: Messages;
}

interface Compiled {
  readonly walk: Walk;
  /** Replaces null in a list, and a missing value in an `always` field. */
  readonly zero: () => unknown;
  /** Whether a value is omitted from an optional field; undefined: never. */
  readonly vanishes?: (value: unknown) => boolean;
  readonly goType: string;
  /** Whether there are structs in it. */
  readonly hasFields?: boolean;
}

interface Field {
  readonly name: string;
  /** Its name in the path of a message. */
  readonly place: string;
  readonly compiled: Compiled;
  readonly omitEmpty: boolean;
  readonly always: boolean;
  /** Of a field that is not set. */
  readonly zero: () => unknown;
}

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** What a value is called in JSON. */
export const jsonType = (value: unknown): string =>
  Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value;

/** @param ofMap undefined for types that unmarshal themselves from JSON in both cases */
function mismatch(what: string, goType: string, state: State, owner: string, ofMap?: string): DecodeError {
  const path = state.path.filter((part) => typeof part === 'string').join('.');
  const place = path ? `Go struct field ${owner}.${path}` : 'Go value';
  return new DecodeError(`json: cannot unmarshal ${what} into ${place} of type ${goType}`, ofMap);
}

/** Go's name for the type of a parsed value. */
function goKind(value: unknown): string {
  if (typeof value === 'number') return Number.isInteger(value) ? 'int64' : 'float64';
  if (typeof value === 'object') return Array.isArray(value) ? 'slice' : 'map';
  return typeof value === 'boolean' ? 'bool' : 'string';
}

const noMap = (value: unknown): string => `cannot restore map from ${goKind(value)}`;
const noSlice = (value: unknown): string => `cannot restore slice from ${goKind(value)}`;

/** @param kind the kind of `goType`, which differs from it where the type has a name of its own */
function unconvertible(value: unknown, kind: string, goType = kind): string {
  const given = goKind(value);
  // Go can convert an integer to a string of one letter.
  const toString = given === 'int64' && kind === 'string';
  const toNumber = typeof value === 'number' && /^(int|float)/.test(kind);
  return toString || toNumber ? `cannot convert ${given} to ${goType}` : `unrecognized type: ${kind}`;
}

function writtenPath(path: readonly PathPart[], last: string): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') {
      text += `[${part}]`;
      continue;
    }
    const name = typeof part === 'string' ? part.slice(part.lastIndexOf('.') + 1) : part.key;
    text += text ? `.${name}` : name;
  }
  return text ? `${text}.${last}` : last;
}

const scalar = (goType: string, zero: unknown, walk: Walk, vanishes?: (value: unknown) => boolean): Compiled => ({
  walk,
  zero: () => zero,
  vanishes,
  goType,
});

const textOf = (goType: string): Compiled =>
  scalar(
    goType,
    '',
    (value, state, owner) => {
      if (typeof value === 'string') return value;
      throw mismatch(jsonType(value), goType, state, owner, unconvertible(value, 'string', goType));
    },
    (value) => value === '',
  );
const text = textOf('string');

const truth: Compiled = scalar(
  'bool',
  false,
  (value, state, owner) => {
    if (typeof value === 'boolean') return value;
    throw mismatch(jsonType(value), 'bool', state, owner, unconvertible(value, 'bool'));
  },
  (value) => value === false,
);

const number = (goType: 'int32' | 'int64' | 'float64'): Compiled =>
  scalar(
    goType,
    0,
    (value, state, owner) => {
      if (typeof value !== 'number')
        throw mismatch(jsonType(value), goType, state, owner, unconvertible(value, goType));
      const fits =
        goType === 'float64' ||
        (Number.isInteger(value) &&
          (goType === 'int64' ? Math.abs(value) < 2 ** 63 : value <= MAX_INT32 && value >= -MAX_INT32 - 1));
      if (!fits) throw mismatch(`number ${value}`, goType, state, owner, unconvertible(value, goType));
      return value;
    },
    (value) => value === 0,
  );

/** Upstream's times and durations unmarshal a string first: that is the type they miss. */
const time = (canonical: (text: string) => string, goType: string): Compiled =>
  scalar(goType, null, (value, state, owner) => {
    if (typeof value !== 'string') throw mismatch(jsonType(value), 'string', state, owner);
    try {
      return canonical(value);
    } catch (error) {
      if (error instanceof TimeError) throw new DecodeError(error.message);
      throw error;
    }
  });

/** More than any duration needs. */
const MAX_DURATION_CHARS = 256;
const duration: Compiled = scalar('v1.Duration', '0s', (value, state, owner) => {
  if (typeof value !== 'string') throw mismatch(jsonType(value), 'string', state, owner);
  const ms = value.length > MAX_DURATION_CHARS ? undefined : parseDuration(value);
  if (ms === undefined) throw new DecodeError(`time: invalid duration ${JSON.stringify(value)}`);
  return formatDuration(ms);
});

const quantityOf = (canonical: (text: string) => string): Compiled =>
  scalar('resource.Quantity', '0', (value) => {
    try {
      // Other values are no quantity in upstream's words, either.
      return canonical(typeof value === 'number' ? String(value) : typeof value === 'string' ? value.trim() : '');
    } catch (error) {
      if (error instanceof QuantityError) throw new DecodeError(error.message);
      throw error;
    }
  });
const quantity = quantityOf(canonicalQuantity);
/** In a ResourceList: upstream's defaulting rounds its quantities. */
const resource = quantityOf(roundUpToMilli);

const base64: Compiled = scalar(
  '[]uint8',
  null,
  (value, state, owner) => {
    if (typeof value !== 'string') throw mismatch(jsonType(value), '[]uint8', state, owner, noSlice(value));
    const packed = /[\r\n]/.test(value) ? value.replace(/[\r\n]/g, '') : value;
    if (packed.length % 4 === 0 && BASE64.test(packed)) return packed;
    const bad = packed.search(/[^A-Za-z0-9+/]/);
    // Go tells where the group begins that is not complete.
    const at = bad < 0 ? packed.length - (packed.length % 4) : bad;
    throw new DecodeError(`illegal base64 data at input byte ${at}`);
  },
  (value) => value === '',
);

const intOrString: Compiled = scalar('intstr.IntOrString', 0, (value, state, owner) => {
  if (typeof value === 'string') return value;
  if (typeof value !== 'number') throw mismatch(jsonType(value), 'int32', state, owner);
  if (!Number.isInteger(value) || Math.abs(value) > MAX_INT32) {
    throw mismatch(`number ${value}`, 'int32', state, owner);
  }
  return value;
});

const anything: Compiled = scalar('interface {}', null, (value) => value);
const anyStruct: Compiled = scalar('map[string]interface {}', null, (value, state, owner) => {
  if (isJsonObject(value)) return value;
  throw mismatch(jsonType(value), 'map[string]interface {}', state, owner, noMap(value));
});

const FORMATS: ReadonlyMap<string, Compiled> = new Map([
  ['int32', number('int32')],
  ['int64', number('int64')],
  ['double', number('float64')],
  ['byte', base64],
  ['date-time', time(canonicalTime, 'v1.Time')],
  ['micro-time', time(canonicalMicroTime, 'v1.MicroTime')],
  ['duration', duration],
  ['quantity', quantity],
  ['int-or-string', intOrString],
]);

function listOf(item: Compiled, goType = `[]${item.goType}`): Compiled {
  return {
    goType,
    hasFields: item.hasFields,
    zero: () => null,
    vanishes: (value) => (value as unknown[]).length === 0,
    walk: (value, state, owner) => {
      if (!Array.isArray(value)) throw mismatch(jsonType(value), goType, state, owner, noSlice(value));
      const out = new Array<unknown>(value.length);
      const { path } = state;
      const depth = path.length;
      for (let index = 0; index < value.length; index++) {
        const entry: unknown = value[index];
        path[depth] = index;
        out[index] = entry === null ? item.zero() : item.walk(entry, state, owner);
        path.length = depth;
      }
      return out;
    },
  };
}

function mapOf(value: Compiled, named?: string): Compiled {
  const goType = named ?? (value === resource ? 'v1.ResourceList' : `map[string]${value.goType}`);
  const zero = value === base64 ? () => '' : value.zero;
  const { hasFields = false } = value;
  return {
    goType,
    hasFields,
    zero: () => null,
    vanishes: (map) => {
      for (const _ in map as Json) return false;
      return true;
    },
    walk: (map, state, owner) => {
      if (!isJsonObject(map)) throw mismatch(jsonType(map), goType, state, owner, noMap(map));
      const out: Json = {};
      const { path } = state;
      const depth = path.length;
      for (const key in map) {
        const entry = map[key];
        if (hasFields) path[depth] = { key };
        setOwn(out, key, entry === null ? zero() : value.walk(entry, state, owner));
        path.length = depth;
      }
      return out;
    },
  };
}

/** `v1.IPFamily` of `[]v1.IPFamily`; undefined when the Go type does not tell. */
const elementOf = (goType: string | undefined): string | undefined =>
  goType === undefined ? undefined : /^(?:\[\]|map\[[^\]]*\])(.+)$/.exec(goType)?.[1];

/** Compiles the structs of one schema; each struct once, however often it is used. */
class Compiler {
  readonly #structs = new Map<string, Compiled>();

  /** @param goType the name of its Go type, where it has one */
  compile(shape: Shape, goType = shape.goType): Compiled {
    if (shape.properties) return this.#struct(shape);
    if (shape.items) return listOf(this.compile(shape.items, elementOf(goType)), goType);
    if (shape.additionalProperties) {
      const { additionalProperties: values } = shape;
      return mapOf(values.format === 'quantity' ? resource : this.compile(values, elementOf(goType)), goType);
    }
    const formatted = shape.format === undefined ? undefined : FORMATS.get(shape.format);
    if (formatted) return formatted;
    switch (shape.type) {
      case 'string':
        return goType === undefined ? text : textOf(goType);
      case 'boolean':
        return truth;
      case 'object':
        return anyStruct;
      default:
        return anything;
    }
  }

  #struct(shape: Shape): Compiled {
    const definition = shape.definition ?? '';
    const known = this.#structs.get(definition);
    if (known) return known;
    const fields = new Map<string, Field>();
    const standing: Field[] = [];
    const compiled = structOf(definition, fields, standing);
    // Before its fields: a schema may contain itself.
    this.#structs.set(definition, compiled);
    for (const [name, property] of Object.entries(shape.properties ?? {})) {
      const required = shape.required?.includes(name) ?? false;
      const { nullable = false } = property;
      const always = required || nullable || property.always === true;
      const omitEmpty = !always && property.pointer !== true;
      const known = this.compile(property);
      const { embeddedIn } = property;
      const place = embeddedIn === undefined ? name : `${embeddedIn}.${name}`;
      const field = { name, place, compiled: known, omitEmpty, always, zero: nullable ? () => null : known.zero };
      fields.set(name, field);
      if (always) standing.push(field);
    }
    return compiled;
  }
}

function structOf(definition: string, fields: ReadonlyMap<string, Field>, standing: readonly Field[]): Compiled {
  const [version = '', name = ''] = definition.split('.').slice(-2);
  const goType = `${version}.${name}`;
  const complete = (out: Json): Json => {
    for (const field of standing) {
      if (own(out, field.name) === undefined) setOwn(out, field.name, field.zero());
    }
    return out;
  };
  return {
    goType,
    hasFields: true,
    zero: () => complete({}),
    walk: (value, state, owner) => {
      if (!isJsonObject(value)) {
        throw mismatch(jsonType(value), goType, state, owner, `cannot restore struct from: ${goKind(value)}`);
      }
      const out: Json = {};
      const { path } = state;
      const depth = path.length;
      for (const key in value) {
        const entry = value[key];
        const field = fields.get(key);
        if (field === undefined) {
          if (!state.problems.isFull) state.problems.add(unknownField(writtenPath(path, key)));
          continue;
        }
        if (entry === null || entry === undefined) {
          if (field.always) setOwn(out, key, field.zero());
          continue;
        }
        path[depth] = field.place;
        const { compiled } = field;
        const known = compiled.walk(entry, state, name);
        path.length = depth;
        if (field.omitEmpty && compiled.vanishes?.(known)) continue;
        // Upstream stores protobuf, in which an empty list is none.
        if (field.always && Array.isArray(known) && known.length === 0) {
          setOwn(out, key, field.zero());
          continue;
        }
        // eslint-disable-next-line kedge/own-keys -- the names of fields are a schema's, and this is the hottest line of all
        out[field.name] = known;
      }
      return complete(out);
    },
  };
}

/** Returns a decoder for a schema, which is compiled at its first use and throws DecodeError. */
export function decoderOf<T>(schema: Shape): Decoder<T> {
  let compiled: Compiled | undefined;
  return (value) => {
    compiled ??= new Compiler().compile(schema);
    const state: State = { path: [], problems: new Messages(MAX_PROBLEMS) };
    const object = compiled.walk(value, state, '') as T;
    return { object, problems: state.problems.list };
  };
}
