/** Protobuf bodies: objects of every kind both ways, and their bytes with any of them changed. */
import { apiVersionOf } from '../../api/machinery/define-kind.ts';
import { hasProtobuf } from '../../api/machinery/protobuf/encode.ts';
import type { Shape } from '../../api/machinery/schema.ts';
import { setOwn } from '../../api/machinery/own.ts';
import { DecodeError } from '../../api/machinery/schema-decoder.ts';
import { StatusError } from '../../api/machinery/status-error.ts';
import { kinds } from '../../api/registry.ts';
import { ProtobufBodies } from '../../control-plane/apiserver/http/protobuf-bodies.ts';
import { check, only, same, type Fuzzer } from './fuzzer.ts';
import type { Random } from './random.ts';

const KINDS = kinds.filter(({ schema }) => hasProtobuf(schema));
const bodies = new ProtobufBodies(kinds);
const MAGIC = Buffer.from('k8s\0');

/** A value of a shape, of which nothing is left out that the encoding would leave out. */
function valueOf(random: Random, shape: Shape, depth: number): unknown {
  if (shape.properties) return structOf(random, shape, depth);
  if (shape.items) {
    const { items } = shape;
    return Array.from({ length: 1 + random.below(2) }, () => valueOf(random, items, depth - 1));
  }
  if (shape.additionalProperties) {
    const map: Record<string, unknown> = {};
    setOwn(map, random.key() || 'k', valueOf(random, shape.additionalProperties, depth - 1));
    return map;
  }
  if (shape.choices) return valueOf(random, random.pick(Object.values(shape.choices)), depth);
  switch (shape.format) {
    case 'int32':
    case 'int64':
      return 1 + random.below(1000);
    case 'double':
      return 1.5;
    case 'byte':
      return Buffer.from('bytes').toString('base64');
    case 'date-time':
      return '2026-01-02T03:04:05Z';
    case 'micro-time':
      return '2026-01-02T03:04:05.000006Z';
    case 'duration':
      return random.pick(['1s', '15.25s', '1h0m0s']);
    case 'quantity':
      return random.pick(['1', '100m', '2Gi']);
    case 'int-or-string':
      return random.pick([80, 'http']);
    default:
      return shape.type === 'boolean'
        ? true
        : shape.type === 'string'
          ? random.pick(['x', 'é', 'a b'])
          : { any: 'json' };
  }
}

function structOf(random: Random, shape: Shape, depth: number): Record<string, unknown> {
  const struct: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(shape.properties ?? {})) {
    if (field.number === undefined || depth <= 0 || !random.chance(3)) continue;
    setOwn(struct, name, valueOf(random, field, depth - 1));
  }
  return struct;
}

/** Any bytes, at any places. */
function mutated(random: Random, bytes: Buffer): Buffer {
  let result = Buffer.from(bytes);
  for (let count = 1 + random.below(4); count > 0; count--) {
    const at = random.below(result.length + 1);
    switch (random.below(5)) {
      case 0:
        if (at < result.length) result[at] = random.below(256);
        break;
      case 1:
        result = Buffer.concat([result.subarray(0, at), random.bytes(8), result.subarray(at)]);
        break;
      case 2:
        result = Buffer.concat([result.subarray(0, at), result.subarray(at + random.below(8))]);
        break;
      case 3:
        result = result.subarray(0, at);
        break;
      default:
        // Longer than anything, and deeper.
        result = Buffer.concat([
          result.subarray(0, at),
          Buffer.from(random.pick(['ffffffffff7f', '0a0a0a0a0a0a', '0b0b0b0c0c']), 'hex'),
          result.subarray(at),
        ]);
    }
  }
  return random.chance(3) ? Buffer.concat([MAGIC, result.subarray(Math.min(4, result.length))]) : result;
}

export const protobuf: Fuzzer = {
  name: 'protobuf',
  cases: 500,
  run(random) {
    const kind = random.pick(KINDS);
    const object = { ...structOf(random, kind.schema, 6), apiVersion: apiVersionOf(kind), kind: kind.kind };
    const bytes = bodies.encode(object);
    const decoded = bodies.decode(bytes);
    const again = bodies.encode(decoded);
    check(same(bodies.decode(again), decoded), 'an object that is encoded twice', object, decoded);
    for (let count = 0; count < 4; count++) {
      const hostile = mutated(random, bytes);
      const read = only([StatusError], () => bodies.decode(hostile));
      if (!read) continue;
      // What is decoded is JSON, and can be validated as such.
      check(same(JSON.parse(JSON.stringify(read)), read), 'what hostile bytes are decoded as', hostile.toString('hex'));
      only([StatusError, DecodeError], () => kind.decode(read));
    }
  },
};
