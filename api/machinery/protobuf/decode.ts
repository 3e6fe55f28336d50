/**
 * Decodes objects in Kubernetes' protobuf encoding, which client-go and kubectl send from 1.32 on, into the equivalent of parsed
 * JSON. The schemas have the fields and their numbers. A reader is compiled once per message, at its first use.
 */
import { Extent } from '../extent.ts';
import type { Choices, Field, Shape } from '../schema.ts';
import { badRequest } from '../status-error.ts';
import { readDuration, readIntOrString, readJson, readMicroTime, readQuantity, readTime } from './values.ts';
import { WireError, WireReader } from './wire.ts';
import { own, setOwn } from '../own.ts';

type Json = Record<string, unknown>;
/** Reads the value of the current field. */
type Read = (wire: WireReader) => unknown;
/** Reads the current field into the object of its message. */
type Put = (out: Json, wire: WireReader) => void;
/** The reader of each field, by number; unknown numbers are holes. */
type Fields = (Put | undefined)[];
type Message = Readonly<Fields>;

/** The magic bytes of every body: `k8s` and a zero. */
export const MAGIC = Buffer.from([0x6b, 0x38, 0x73, 0x00]);

/** The list in which the values of a repeated field are collected. */
function listIn(out: Json, name: string): unknown[] {
  const list = own(out, name) ?? [];
  setOwn(out, name, list);
  return list as unknown[];
}

/** The object in which the entries of a map field are collected. */
function mapIn(out: Json, name: string): Json {
  const map = own(out, name) ?? {};
  setOwn(out, name, map);
  return map as Json;
}

/** Finds the schema of the apiVersion and kind of a message. */
export type SchemaLookup = (apiVersion: string, kind: string) => Shape | undefined;

export class ProtobufDecoder {
  readonly #messages = new Map<string, Message>();

  /** Throws a 400 StatusError for a malformed message, or one of an unknown kind. */
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
    const name = shape.definition ?? '';
    let message = this.#messages.get(name);
    if (!message) {
      message = this.#compile(shape.properties ?? {});
      this.#messages.set(name, message);
    }
    return message;
  }

  #compile(properties: Readonly<Record<string, Field>>): Message {
    const message: Fields = [];
    const embedded = new Map<string, Fields>();
    for (const [name, field] of Object.entries(properties)) {
      // The envelope has apiVersion and kind.
      if (field.number === undefined) continue;
      const numbers = [field.number].flat();
      const last = numbers.pop() ?? 0;
      let fields = message;
      for (const [depth, number] of numbers.entries()) {
        const path = numbers.slice(0, depth + 1).join('.');
        const inner: Fields = embedded.get(path) ?? [];
        embedded.set(path, inner);
        fields[number] ??= putEmbedded(inner);
        fields = inner;
      }
      fields[last] = this.#put(name, field);
    }
    return message;
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

  /** A map is a repeated message of key and value. */
  #putEntry(name: string, shape: Shape): Put {
    const read = shape.items ? wrappedList(this.#read(shape.items)) : this.#read(shape);
    const absent = absentValue(shape);
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
    if (shape.choices) return this.#readChoice(shape.choices);
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
      case 'duration':
        return readDuration;
      case 'quantity':
        return readQuantity;
      case 'int-or-string':
        return readIntOrString;
      default:
        return plainReader(shape);
    }
  }

  #readChoice(choices: Choices): Read {
    const message = this.#compile(choices);
    return (wire) => {
      const out: Json = {};
      const end = wire.enter();
      readFields(out, message, wire);
      wire.leave(end);
      return own(out, 'array') ?? own(out, 'object') ?? own(out, 'boolean') ?? (choices.boolean ? false : null);
    };
  }

  #readStruct(shape: Shape): Read {
    // Compiled at the first such message: most volume sources of a pod never occur.
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

/** The value of a map's entry that has none. */
function absentValue(shape: Shape): () => unknown {
  if (shape.items) return () => [];
  if (shape.properties) return () => ({});
  if (shape.choices) return () => null;
  return () => (shape.format === 'quantity' ? '0' : shape.format === 'duration' ? '0s' : '');
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

/** A struct whose fields are inlined into its parent in JSON. */
function putEmbedded(message: Message): Put {
  return (out, wire) => {
    const end = wire.enter();
    readFields(out, message, wire);
    wire.leave(end);
  };
}

/** Lists as values of a map are messages whose first field is the list. */
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

/** `runtime.Unknown`: apiVersion, kind, and the message. Throws a 400 StatusError. */
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
