/** Encodes objects in Kubernetes' protobuf encoding, with the field numbers that the decoder uses. */
import { parseDuration } from '../../api/machinery/duration.ts';
import type { Choices, Shape } from '../../api/machinery/schema.ts';

type Json = Record<string, unknown>;

function unsigned(value: bigint): Buffer {
  const out: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest > 0x7fn; rest >>= 7n) out.push(Number(rest & 0x7fn) | 0x80);
  return Buffer.from([...out, Number(rest)]);
}

const key = (field: number, wireType: number) => unsigned((BigInt(field) << 3n) | BigInt(wireType));
export const varint = (field: number, value: bigint) => Buffer.concat([key(field, 0), unsigned(value)]);
export const bytes = (field: number, value: Buffer) =>
  Buffer.concat([key(field, 2), unsigned(BigInt(value.length)), value]);
export const text = (field: number, value: string) => bytes(field, Buffer.from(value));

/** A whole body: the prefix, the envelope and the object. */
export function encodeObject(shape: Shape, object: Json): Buffer {
  const type = Buffer.concat([text(1, String(object.apiVersion)), text(2, String(object.kind))]);
  return Buffer.concat([Buffer.from('k8s\0'), bytes(1, type), bytes(2, struct(shape, object))]);
}

function struct(shape: Shape, object: Json): Buffer {
  const root: Message = { parts: [], embedded: new Map() };
  for (const [name, property] of Object.entries(shape.properties ?? {})) {
    const { number } = property;
    const value = object[name];
    if (number === undefined || value === undefined) continue;
    const numbers = [number].flat();
    let message = root;
    for (const outer of numbers.slice(0, -1)) {
      const inner: Message = message.embedded.get(outer) ?? { parts: [], embedded: new Map() };
      message.embedded.set(outer, inner);
      message = inner;
    }
    message.parts.push(field(numbers.at(-1) ?? 0, property, value));
  }
  return written(root);
}

interface Message {
  readonly parts: Buffer[];
  /** Those whose fields are inlined in JSON, by number. */
  readonly embedded: Map<number, Message>;
}

const written = ({ parts, embedded }: Message): Buffer =>
  Buffer.concat([...parts, ...[...embedded].map(([number, inner]) => bytes(number, written(inner)))]);

function field(number: number, shape: Shape, value: unknown): Buffer {
  const { items, additionalProperties } = shape;
  if (items) return Buffer.concat((value as unknown[]).map((item) => field(number, items, item)));
  if (additionalProperties) {
    const entries = Object.entries(value as Json).map(([name, entry]) => {
      const list = additionalProperties.items;
      const second = list ? bytes(2, field(1, additionalProperties, entry)) : field(2, additionalProperties, entry);
      return bytes(number, Buffer.concat([text(1, name), second]));
    });
    return Buffer.concat(entries);
  }
  if (shape.properties) return bytes(number, struct(shape, value as Json));
  if (shape.choices) return bytes(number, chosen(shape.choices, value));
  return scalar(number, shape, value);
}

function chosen(choices: Choices, value: unknown): Buffer {
  const type = Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'boolean' : 'object';
  const choice = choices[type];
  return choice ? field(Number(choice.number), choice, value) : Buffer.alloc(0);
}

function scalar(number: number, shape: Shape, value: unknown): Buffer {
  switch (shape.format) {
    case 'int32':
    case 'int64':
      return varint(number, BigInt(value as number));
    case 'double': {
      const eight = Buffer.alloc(8);
      eight.writeDoubleLE(value as number);
      return Buffer.concat([key(number, 1), eight]);
    }
    case 'byte':
      return bytes(number, Buffer.from(value as string, 'base64'));
    case 'date-time':
    case 'micro-time': {
      const nanos = BigInt(/\.(\d{6})Z/.exec(value as string)?.[1] ?? 0) * 1000n;
      const seconds = BigInt(Math.floor(Date.parse(value as string) / 1000));
      return bytes(number, Buffer.concat([varint(1, seconds), varint(2, nanos)]));
    }
    case 'duration':
      return bytes(number, varint(1, BigInt(Math.round((parseDuration(value as string) ?? 0) * 1e6))));
    case 'quantity':
      return bytes(number, text(1, value as string));
    case 'int-or-string': {
      const isText = typeof value === 'string';
      const parts = [varint(1, isText ? 1n : 0n), varint(2, BigInt(isText ? 0 : (value as number)))];
      return bytes(number, Buffer.concat([...parts, text(3, isText ? value : '')]));
    }
    default:
      if (shape.type === 'string') return text(number, value as string);
      if (shape.type === 'boolean') return varint(number, value === true ? 1n : 0n);
      return bytes(number, text(1, JSON.stringify(value)));
  }
}
