/**
 * Objects in Kubernetes' protobuf, as client-go and kubectl send them from 1.32 on, to the values that JSON would have been.
 * What the fields are is told by the schemas; only their numbers are protobuf's own. A reader is compiled once a message, at
 * its first use.
 */
import { Extent } from '../machinery/extent.ts';
import type { Shape, TSchema } from '../machinery/schema.ts';
import { badRequest } from '../machinery/status-error.ts';
import { FIELD_NUMBERS } from './field-numbers.ts';
import { readIntOrString, readJson, readMicroTime, readQuantity, readTime } from './values.ts';
import { WireError, WireReader } from './wire.ts';
import { own, setOwn } from '../machinery/own.ts';

type Json = Record<string, unknown>;
/** Reads the value of the field that the reader is at. */
type Read = (wire: WireReader) => unknown;
/** Reads the field that the reader is at into the object of its message. */
type Put = (out: Json, wire: WireReader) => void;
/** What to do for each field, by number; numbers that nobody knows are holes. */
type Message = readonly (Put | undefined)[];

/** The first bytes of every body: `k8s` and a zero. */
const MAGIC = Buffer.from([0x6b, 0x38, 0x73, 0x00]);
const PACKAGE = /^io\.k8s\.(api|apimachinery\.pkg\.apis)\./;

/** The list that a field which may come several times is gathered in. */
function listIn(out: Json, name: string): unknown[] {
  const list = own(out, name) ?? [];
  setOwn(out, name, list);
  return list as unknown[];
}

/** The same of a map. */
function mapIn(out: Json, name: string): Json {
  const map = own(out, name) ?? {};
  setOwn(out, name, map);
  return map as Json;
}

/** Finds the schema of what a message says that it is. */
export type SchemaLookup = (apiVersion: string, kind: string) => TSchema | undefined;

export class ProtobufDecoder {
  readonly #numbers = fieldNumbers();
  readonly #messages = new Map<string, Message>();

  /** Throws a 400 StatusError for what is no such message, or is of a kind that nobody knows. */
  decode(bytes: Buffer, schemaOf: SchemaLookup): Json {
    if (bytes.length === 0) throw badRequest('empty data');
    if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
      const prefix = MAGIC.join(' ');
      throw badRequest(`provided data does not appear to be a protobuf message, expected prefix [${prefix}]`);
    }
    if (bytes.length === MAGIC.length) throw badRequest('empty body');
    const { apiVersion, kind, raw } = readEnvelope(bytes);
    const schema = schemaOf(apiVersion, kind);
    if (!schema) {
      throw badRequest(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)}`);
    }
    const out: Json = { apiVersion, kind };
    try {
      readFields(out, this.#message(schema), new WireReader(raw));
      Extent.of(out);
    } catch (error) {
      if (!(error instanceof WireError || error instanceof RangeError)) throw error;
      const version = apiVersion.slice(apiVersion.indexOf('/') + 1);
      throw badRequest(
        `${kind} in version ${JSON.stringify(version)} cannot be handled as a ${kind}: ${error.message}`,
      );
    }
    return out;
  }

  #message(shape: Shape): Message {
    const name = messageName(shape);
    let message = this.#messages.get(name);
    if (!message) {
      message = this.#compile(name, shape);
      this.#messages.set(name, message);
    }
    return message;
  }

  /** `shape` has the message's fields; that of an embedded message is its parent's. */
  #compile(name: string, shape: Shape): Message {
    const fields = this.#numbers.get(name);
    // A kind that is served and has no numbers would lose its content without a word.
    if (fields === undefined) throw new Error(`the fields of ${name} have no numbers in protobuf`);
    return ['-', ...fields.split(' ')].map((field) => {
      if (field.startsWith('*')) return embedded(this.#compile(field.slice(1), shape));
      const property = own(shape.properties, field);
      return property && this.#put(field, property);
    });
  }

  #put(name: string, shape: Shape): Put {
    if (shape.items) return this.#putItem(name, shape.items);
    if (shape.additionalProperties) return this.#putEntry(name, shape.additionalProperties);
    const read = this.#read(shape);
    return (out, wire) => {
      setOwn(out, name, read(wire));
    };
  }

  #putItem(name: string, item: Shape): Put {
    if (item.format === 'int32' || item.format === 'int64') {
      return (out, wire) => wire.integers(listIn(out, name));
    }
    const read = this.#read(item);
    return (out, wire) => {
      const list = listIn(out, name);
      list.push(read(wire));
    };
  }

  /** A map is a list of messages of key and value. */
  #putEntry(name: string, shape: Shape): Put {
    const read = shape.items ? wrappedList(this.#read(shape.items)) : this.#read(shape);
    const absent = shape.items ? () => [] : () => (shape.format === 'quantity' ? '0' : '');
    return (out, wire) => {
      const map = mapIn(out, name);
      let key = '';
      let value: unknown = absent();
      const end = wire.enter();
      while (wire.next()) {
        if (wire.field === 1) key = wire.text();
        else if (wire.field === 2) value = read(wire);
        else wire.skip();
      }
      wire.leave(end);
      setOwn(map, key, value);
    };
  }

  #read(shape: Shape): Read {
    if (shape.properties) return this.#readStruct(shape);
    switch (shape.format) {
      case 'int32':
      case 'int64':
        return (wire) => wire.integer();
      case 'double':
        return (wire) => wire.double();
      case 'byte':
        return (wire) => wire.text('base64');
      case 'date-time':
        return readTime;
      case 'micro-time':
        return readMicroTime;
      case 'quantity':
        return readQuantity;
      case 'int-or-string':
        return readIntOrString;
      default:
        return plainReader(shape);
    }
  }

  #readStruct(shape: Shape): Read {
    // Compiled when the first such message comes: most of a pod's volume sources never do.
    let message: Message | undefined;
    return (wire) => {
      message ??= this.#message(shape);
      const out: Json = {};
      const end = wire.enter();
      readFields(out, message, wire);
      wire.leave(end);
      return out;
    };
  }
}

/** The name that a struct's message has in `FIELD_NUMBERS`. */
export const messageName = (shape: Shape): string => (shape.definition ?? '').replace(PACKAGE, '');

/** The fields of each message, as `FIELD_NUMBERS` says them. */
export function fieldNumbers(): ReadonlyMap<string, string> {
  const lines = FIELD_NUMBERS.trim().split('\n');
  return new Map(
    lines.map((line) => {
      const space = line.indexOf(' ');
      return [line.slice(0, space), line.slice(space + 1)];
    }),
  );
}

function plainReader(shape: Shape): Read {
  if (shape.type === 'string') return (wire) => wire.text();
  if (shape.type === 'boolean') return (wire) => wire.integer() !== 0;
  return readJson;
}

function readFields(out: Json, message: Message, wire: WireReader): void {
  while (wire.next()) {
    const put = message[wire.field];
    if (put) put(out, wire);
    else wire.skip();
  }
}

/** A struct whose fields JSON has in its parent. */
function embedded(message: Message): Put {
  return (out, wire) => {
    const end = wire.enter();
    readFields(out, message, wire);
    wire.leave(end);
  };
}

/** A map's values that are lists are messages with the list as their first field. */
function wrappedList(read: Read): Read {
  return (wire) => {
    const list: unknown[] = [];
    const end = wire.enter();
    while (wire.next()) {
      if (wire.field === 1) list.push(read(wire));
      else wire.skip();
    }
    wire.leave(end);
    return list;
  };
}

/** `runtime.Unknown`: what the object is, and its message. Throws a 400 StatusError. */
function readEnvelope(bytes: Buffer): { apiVersion: string; kind: string; raw: Buffer } {
  let apiVersion = '';
  let kind = '';
  let raw = bytes.subarray(bytes.length);
  const wire = new WireReader(bytes, MAGIC.length);
  try {
    while (wire.next()) {
      if (wire.field === 1) {
        const end = wire.enter();
        while (wire.next()) {
          if (wire.field === 1) apiVersion = wire.text();
          else if (wire.field === 2) kind = wire.text();
          else wire.skip();
        }
        wire.leave(end);
      } else if (wire.field === 2) {
        raw = bytes.subarray(...wire.range());
      } else {
        wire.skip();
      }
    }
  } catch (error) {
    if (error instanceof WireError) throw badRequest(error.message);
    throw error;
  }
  return { apiVersion, kind, raw };
}
