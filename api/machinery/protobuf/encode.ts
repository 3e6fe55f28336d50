/**
 * Encodes objects in Kubernetes' protobuf encoding. The shapes have the fields and their numbers. A writer is compiled once per
 * message, at its first use. What JSON omits is omitted here, too: absent and zero are the same to who decodes a message, except
 * where the field is a pointer upstream, and those are never omitted when they are set.
 */
import { compareText } from '../compare-text.ts';
import { own } from '../own.ts';
import type { Choices, Field, Shape } from '../schema.ts';
import { MAGIC } from './decode.ts';
import { writeDuration, writeIntOrString, writeJson, writeQuantity, writeTime } from './values.ts';
import { WireBuilder } from './wire-builder.ts';

type Json = Readonly<Record<string, unknown>>;
/** Writes a value as the field of this number. */
type Put = (to: WireBuilder, field: number, value: unknown) => void;
interface Member {
  readonly name: string;
  readonly number: number;
  readonly put: Put;
}
/** A struct whose fields are inlined into its parent in JSON. */
interface Embedded {
  readonly number: number;
  readonly embedded: Message;
}
/** In descending order of the numbers. */
type Message = readonly (Member | Embedded)[];

/** Fields of `runtime.Unknown`, the envelope; contentType and contentEncoding are empty. */
const TYPE_META = 1;
const RAW = 2;
const ENVELOPE_TAIL = Buffer.from([0x1a, 0, 0x22, 0]);

/** What the envelope says of the message. */
export interface TypeMeta {
  readonly apiVersion: string;
  readonly kind: string;
}

/** Whether the objects of a kind can be encoded and decoded: custom resources have no numbers. */
export const hasProtobuf = (shape: Shape | undefined): boolean => shape?.properties?.['metadata']?.number !== undefined;

export class ProtobufEncoder {
  readonly #messages = new Map<Shape['properties'], Message>();
  readonly #builder = new WireBuilder();

  /** An object of a kind, in its envelope. `shape` is that of the kind. Linear in the size of the object. */
  encode(object: Json & TypeMeta, shape: Shape): Buffer {
    const message = this.field(RAW, object, shape);
    return Buffer.concat([this.#envelopeHead(object), message, ENVELOPE_TAIL]);
  }

  /** The message of an object as a field of the message around it. */
  field(number: number, object: Json, shape: Shape): Buffer {
    this.#put(shape)(this.#builder, number, object);
    return this.#builder.take();
  }

  /** What precedes and what follows the message of an object, given its length in bytes. */
  envelope(type: TypeMeta, length: number): { readonly head: Buffer; readonly tail: Buffer } {
    this.#builder.header(RAW, length);
    const header = this.#builder.take();
    return { head: Buffer.concat([this.#envelopeHead(type), header]), tail: ENVELOPE_TAIL };
  }

  #envelopeHead({ apiVersion, kind }: TypeMeta): Buffer {
    const to = this.#builder;
    to.text(2, kind);
    to.text(1, apiVersion);
    to.message(TYPE_META, 0);
    return Buffer.concat([MAGIC, to.take()]);
  }

  #message(shape: Shape): Message {
    let message = this.#messages.get(shape.properties);
    if (!message) {
      message = this.#compile(shape);
      this.#messages.set(shape.properties, message);
    }
    return message;
  }

  #compile(shape: Shape): Message {
    const members: NumberedMember[] = [];
    for (const [name, field] of Object.entries(shape.properties ?? {})) {
      if (field.number === undefined) continue;
      members.push({ numbers: [field.number].flat(), name, put: this.#putField(field) });
    }
    return inOrder(members);
  }

  #putField(shape: Field): Put {
    if (shape.items) return this.#putList(shape.items);
    if (shape.additionalProperties) return this.#putMap(shape.additionalProperties);
    return this.#put(shape);
  }

  #putList(item: Shape): Put {
    const put = this.#put(item);
    return (to, field, value) => {
      const list = value as readonly unknown[];
      for (let index = list.length - 1; index >= 0; index--) put(to, field, list[index]);
    };
  }

  /** A map is a repeated message of key and value. */
  #putMap(shape: Shape): Put {
    const put = shape.items ? wrapped(this.#putList(shape.items)) : this.#put(shape);
    return (to, field, value) => {
      const map = value as Json;
      for (const key of Object.keys(map).toSorted((a, b) => compareText(b, a))) {
        const end = to.length;
        put(to, 2, own(map, key));
        to.text(1, key);
        to.message(field, end);
      }
    };
  }

  #put(shape: Shape): Put {
    if (shape.properties) return this.#putStruct(shape);
    if (shape.choices) return this.#putChoice(shape.choices);
    switch (shape.format) {
      case 'int32':
      case 'int64':
        return (to, field, value) => to.integer(field, value as number);
      case 'double':
        return (to, field, value) => to.double(field, value as number);
      case 'byte':
        return (to, field, value) => to.text(field, value as string, 'base64');
      case 'date-time':
      case 'micro-time':
        return writeTime;
      case 'duration':
        return writeDuration;
      case 'quantity':
        return writeQuantity;
      case 'int-or-string':
        return writeIntOrString;
      default:
        return plainWriter(shape);
    }
  }

  /** A value of a type that has no field is an empty message. */
  #putChoice(choices: Choices): Put {
    const puts = new Map(
      Object.entries(choices).map(([type, field]) => [type, numbered(field, this.#putField(field))]),
    );
    return (to, field, value) => {
      const end = to.length;
      const type = Array.isArray(value) ? 'array' : typeof value;
      puts.get(type)?.(to, value);
      // Upstream's choice of a boolean and an object is true with an object.
      if (type === 'object') puts.get('boolean')?.(to, true);
      to.message(field, end);
    };
  }

  #putStruct(shape: Shape): Put {
    // Compiled at the first such message: most volume sources of a pod never occur.
    let message: Message | undefined;
    return (to, field, value) => {
      message ??= this.#message(shape);
      const end = to.length;
      putMembers(to, message, value as Json);
      to.message(field, end);
    };
  }
}

/** A member, with the numbers of the embedded messages around it before its own. */
interface NumberedMember {
  readonly numbers: readonly number[];
  readonly name: string;
  readonly put: Put;
}

function inOrder(members: readonly NumberedMember[]): Message {
  const message: (Member | Embedded)[] = [];
  for (const [number = 0, same] of Map.groupBy(members, ({ numbers }) => numbers[0])) {
    const inner = same.filter(({ numbers }) => numbers.length > 1);
    for (const { name, put, numbers } of same) if (numbers.length === 1) message.push({ name, number, put });
    if (inner.length > 0)
      message.push({
        number,
        embedded: inOrder(inner.map((member) => ({ ...member, numbers: member.numbers.slice(1) }))),
      });
  }
  return message.toSorted(descending);
}

const descending = (a: { readonly number: number }, b: { readonly number: number }): number => b.number - a.number;

function putMember(to: WireBuilder, { name, number, put }: Member, object: Json): boolean {
  const value = own(object, name);
  if (value === undefined || value === null) return false;
  put(to, number, value);
  return true;
}

/** Returns whether one of them is set. */
function putMembers(to: WireBuilder, message: Message, object: Json): boolean {
  let found = false;
  for (const member of message)
    found = ('embedded' in member ? putEmbedded(to, member, object) : putMember(to, member, object)) || found;
  return found;
}

function putEmbedded(to: WireBuilder, { number, embedded }: Embedded, object: Json): boolean {
  const end = to.length;
  const found = putMembers(to, embedded, object);
  if (found) to.message(number, end);
  return found;
}

function plainWriter(shape: Shape): Put {
  if (shape.type === 'string') return (to, field, value) => to.text(field, value as string);
  if (shape.type === 'boolean') return (to, field, value) => to.integer(field, value === true ? 1 : 0);
  return writeJson;
}

const numbered =
  ({ number }: Field, put: Put) =>
  (to: WireBuilder, value: unknown): void => {
    if (typeof number === 'number') put(to, number, value);
  };

/** Lists as values of a map are messages whose first field is the list. */
const wrapped =
  (put: Put): Put =>
  (to, field, value) => {
    const end = to.length;
    put(to, 1, value);
    to.message(field, end);
  };
