/** Random objects of a shape, the same for the same seed. */
import type { Shape } from '../../api/machinery/schema.ts';

type Random = () => number;

/** Mulberry32: a uniform distribution over [0, 1). */
function generator(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Nested messages below this depth are left out: schemas may contain themselves. */
const MAX_DEPTH = 7;

export const randomOf = (shape: Shape, seed: number): unknown => valueOf(shape, generator(seed), 0);

function valueOf(shape: Shape, random: Random, depth: number): unknown {
  const pick = <T>(...values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
  const { items, additionalProperties, properties } = shape;
  const some = () => Array.from({ length: 1 + Math.floor(random() * 2) });
  if (items) return some().map(() => valueOf(items, random, depth + 1));
  if (additionalProperties)
    return Object.fromEntries(
      some().map((_, index) => [pick('a', 'b/c', 'é', '😀') + index, valueOf(additionalProperties, random, depth + 1)]),
    );
  if (properties) {
    const fields = Object.entries(properties).filter(([name]) => name !== 'apiVersion' && name !== 'kind');
    const kept = depth < MAX_DEPTH ? fields.filter(([, field]) => field.isRequired || random() < 0.5) : [];
    return Object.fromEntries(kept.map(([name, field]) => [name, valueOf(field, random, depth + 1)]));
  }
  if (shape.choices) return valueOf(pick(...Object.values(shape.choices)), random, depth);
  switch (shape.format) {
    case 'int32':
      return pick(0, 1, 127, 128, 300, -1, 2 ** 31 - 1, -(2 ** 31));
    case 'int64':
      return pick(0, 1, 2 ** 32, 2 ** 40 + 1, -5, Number.MAX_SAFE_INTEGER);
    case 'double':
      return pick(0, 0.5, -1e300);
    case 'byte':
      return pick('', 'QQ==', 'QUI=', 'QUJD');
    case 'date-time':
      return pick('2026-01-02T03:04:05Z', '1969-12-31T23:59:59Z', '0001-01-02T00:00:00Z');
    case 'micro-time':
      return pick('2026-01-02T03:04:05.000006Z', '1969-12-31T23:59:59.999999Z');
    case 'duration':
      return pick('0s', '15.023s', '1m30s');
    case 'quantity':
      return pick('1', '500m', '1Gi', '0');
    case 'int-or-string':
      return pick<number | string>(0, 80, -1, 'http', '');
    default:
  }
  if (shape.enum) return pick(...shape.enum);
  if (shape.type === 'string') return pick('', 'x', 'ünïcödé', 'a'.repeat(200));
  if (shape.type === 'boolean') return random() < 0.5;
  return pick<unknown>({ a: [1, 'é', null] }, 'text', 7, [], {});
}
