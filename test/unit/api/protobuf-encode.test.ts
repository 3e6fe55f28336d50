import t from 'tap';
import { apiVersionOf } from '../../../api/machinery/define-kind.ts';
import { ProtobufDecoder } from '../../../api/machinery/protobuf/decode.ts';
import { hasProtobuf, ProtobufEncoder } from '../../../api/machinery/protobuf/encode.ts';
import type { Shape } from '../../../api/machinery/schema.ts';
import { kinds, bodyKinds } from '../../../api/registry.ts';
import { randomOf } from '../../support/random-objects.ts';

const encoder = new ProtobufEncoder();
const decoder = new ProtobufDecoder();
const roundTrip = (object: { apiVersion: string; kind: string }, shape: Shape) =>
  decoder.decode(encoder.encode(object, shape), () => shape);

t.test('random objects of every kind come back as they were', async (t) => {
  for (const kind of [...kinds, ...bodyKinds].filter(({ schema }) => hasProtobuf(schema))) {
    const { schema } = kind;
    for (let seed = 1; seed <= 30; seed++) {
      const object = {
        apiVersion: apiVersionOf(kind),
        kind: kind.kind,
        ...(randomOf(schema, seed) as Record<string, unknown>),
      };
      t.strictSame(roundTrip(object, schema), object, `${kind.kind}, seed ${seed}`);
    }
  }
});
