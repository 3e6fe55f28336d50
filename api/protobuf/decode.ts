/**
 * Objects in Kubernetes' protobuf, as kubectl 1.32 and other clients of that age send them, to the values that JSON would
 * have been. What the fields are is told by the schemas; only their numbers are protobuf's own.
 */
import type { Shape, TSchema } from '../machinery/schema.ts';
import { badRequest } from '../machinery/status-error.ts';
import { microTimeOf, timeOf } from '../machinery/time.ts';
import { FIELD_NUMBERS } from './field-numbers.ts';
import { readFields, WireError, type WireValue } from './wire.ts';

type Json = Record<string, unknown>;

/** The first bytes of every message: `k8s` and a zero. */
const MAGIC = Buffer.from([0x6b, 0x38, 0x73, 0x00]);
const PACKAGE = /^io\.k8s\.(api|apimachinery\.pkg\.apis)\./;

/** Finds the schema of what a message says that it is. */
export type SchemaLookup = (apiVersion: string, kind: string) => TSchema | undefined;

export class ProtobufDecoder {
  readonly #messages: ReadonlyMap<string, readonly string[]>;

  constructor() {
    const lines = FIELD_NUMBERS.trim().split('\n');
    this.#messages = new Map(
      lines.map((line) => {
        const [message = '', ...fields] = line.split(' ');
        return [message, fields];
      }),
    );
  }

  /** Throws a 400 StatusError for what is no such message, or is of a kind that nobody knows. */
  decode(bytes: Buffer, schemaOf: SchemaLookup): Json {
    if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
      throw badRequest('the body of the request is no protobuf message of Kubernetes: it does not begin with k8s\\0');
    }
    try {
      const { apiVersion, kind, raw } = envelope(bytes.subarray(MAGIC.length));
      const schema = schemaOf(apiVersion, kind);
      if (!schema)
        throw badRequest(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)}`);
      return { ...this.#struct(schema, raw), apiVersion, kind };
    } catch (error) {
      if (error instanceof WireError) throw badRequest(`the protobuf message cannot be read: ${error.message}`);
      throw error;
    }
  }

  #struct(shape: Shape, bytes: Uint8Array): Json {
    const out: Json = {};
    this.#readInto(out, shape, (shape.definition ?? '').replace(PACKAGE, ''), bytes);
    return out;
  }

  #readInto(out: Json, shape: Shape, message: string, bytes: Uint8Array): void {
    const names = this.#messages.get(message) ?? [];
    for (const { number, value } of readFields(bytes)) {
      const name = names[number - 1];
      if (name === undefined) continue;
      if (name.startsWith('*')) {
        this.#readInto(out, shape, name.slice(1), bytesOf(value));
        continue;
      }
      const property = shape.properties?.[name];
      if (!property) continue;
      if (property.items) {
        const list = (out[name] ??= []) as unknown[];
        list.push(this.#value(property.items, value));
      } else if (property.additionalProperties) {
        const map = (out[name] ??= {}) as Json;
        this.#readEntry(map, property.additionalProperties, bytesOf(value));
      } else {
        out[name] = this.#value(property, value);
      }
    }
  }

  /** A map is a list of messages of key and value. */
  #readEntry(map: Json, shape: Shape, bytes: Uint8Array): void {
    let key = '';
    let value: unknown = shape.items ? [] : shape.format === 'quantity' ? '0' : '';
    for (const field of readFields(bytes)) {
      if (field.number === 1) key = textOf(field.value);
      else if (field.number === 2)
        value = shape.items ? this.#wrappedList(shape.items, field.value) : this.#value(shape, field.value);
    }
    Object.defineProperty(map, key, { value, enumerable: true, writable: true, configurable: true });
  }

  /** A map's values that are lists are messages with the list as their first field. */
  #wrappedList(items: Shape, value: WireValue): unknown[] {
    const list: unknown[] = [];
    for (const field of readFields(bytesOf(value))) if (field.number === 1) list.push(this.#value(items, field.value));
    return list;
  }

  #value(shape: Shape, value: WireValue): unknown {
    if (shape.properties) return this.#struct(shape, bytesOf(value));
    switch (shape.format) {
      case 'int32':
      case 'int64':
      case 'double':
        return numberOf(value);
      case 'byte':
        return Buffer.from(bytesOf(value)).toString('base64');
      case 'date-time':
        return timeFrom(bytesOf(value), false);
      case 'micro-time':
        return timeFrom(bytesOf(value), true);
      case 'quantity':
        return firstText(bytesOf(value));
      case 'int-or-string':
        return intOrString(bytesOf(value));
      default:
        return this.#plain(shape, value);
    }
  }

  #plain(shape: Shape, value: WireValue): unknown {
    if (shape.type === 'string') return textOf(value);
    if (shape.type === 'boolean') return numberOf(value) !== 0;
    // Any JSON, which travels as text in the first field of a message.
    const text = firstText(bytesOf(value));
    return text === '' ? undefined : (JSON.parse(text) as unknown);
  }
}

function envelope(bytes: Uint8Array): { apiVersion: string; kind: string; raw: Uint8Array } {
  let apiVersion = '';
  let kind = '';
  let raw: Uint8Array = new Uint8Array();
  for (const { number, value } of readFields(bytes)) {
    if (number === 2) raw = bytesOf(value);
    if (number !== 1) continue;
    for (const field of readFields(bytesOf(value))) {
      if (field.number === 1) apiVersion = textOf(field.value);
      else if (field.number === 2) kind = textOf(field.value);
    }
  }
  return { apiVersion, kind, raw };
}

function bytesOf(value: WireValue): Uint8Array {
  if (typeof value === 'number') throw new WireError('a number where a message should be');
  return value;
}

function numberOf(value: WireValue): number {
  if (typeof value !== 'number') throw new WireError('a message where a number should be');
  return value;
}

const textOf = (value: WireValue): string => Buffer.from(bytesOf(value)).toString();

function firstText(bytes: Uint8Array): string {
  let text = '';
  for (const { number, value } of readFields(bytes)) if (number === 1) text = textOf(value);
  return text;
}

/** Seconds and nanoseconds since the epoch; an empty message is no time at all. */
function timeFrom(bytes: Uint8Array, micro: boolean): string | null {
  if (bytes.length === 0) return null;
  let seconds = 0;
  let nanoseconds = 0;
  for (const { number, value } of readFields(bytes)) {
    if (number === 1) seconds = numberOf(value);
    else if (number === 2) nanoseconds = numberOf(value);
  }
  if (!micro) return timeOf(seconds * 1000);
  const micros = String(Math.floor(nanoseconds / 1000)).padStart(6, '0');
  return microTimeOf(seconds * 1000).replace(/\.\d{6}Z$/, `.${micros}Z`);
}

function intOrString(bytes: Uint8Array): number | string {
  let isText = false;
  let number = 0;
  let text = '';
  for (const field of readFields(bytes)) {
    if (field.number === 1) isText = field.value === 1;
    else if (field.number === 2) number = numberOf(field.value);
    else if (field.number === 3) text = textOf(field.value);
  }
  return isText ? text : number;
}
