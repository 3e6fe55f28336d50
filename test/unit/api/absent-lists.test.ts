/** Whatever lists an object lacks: the hooks of its kind find errors and do not throw. Required lists that are absent are null. */
import t from 'tap';
import { decodeObject } from '../../../api/machinery/decode.ts';
import { isStoredSubresource, type Kind, type KubeObject } from '../../../api/machinery/kind.ts';
import { isJsonObject } from '../../../api/machinery/own.ts';
import { DecodeError } from '../../../api/machinery/schema-decoder.ts';
import { StatusError } from '../../../api/machinery/status-error.ts';
import { kinds } from '../../../api/registry.ts';
import { randomOf } from '../../support/random-objects.ts';
import { CONTEXT } from './updates.ts';

const SEEDS = 60;

/** Makes every third list null or empty, in an order that the seed decides. */
function without(value: unknown, seed: number): unknown {
  let count = seed;
  const visit = (one: unknown): unknown => {
    if (Array.isArray(one)) {
      count++;
      if (count % 3 === 0) return count % 2 === 0 ? null : [];
      return one.map(visit);
    }
    if (!isJsonObject(one)) return one;
    return Object.fromEntries(Object.entries(one).map(([key, item]) => [key, visit(item)]));
  };
  return visit(value);
}

function decoded(kind: Kind, seed: number): KubeObject | undefined {
  const random = without(randomOf(kind.schema, seed), seed) as KubeObject;
  try {
    return decodeObject(kind, { ...random, metadata: { ...random.metadata, name: 'a', resourceVersion: '1' } }).object;
  } catch (error) {
    // Any JSON is no schema, for one.
    if (error instanceof DecodeError || error instanceof StatusError) return undefined;
    throw error;
  }
}

t.test('objects without some of their lists', async (t) => {
  for (const kind of kinds)
    for (let seed = 1; seed <= SEEDS; seed++) {
      const [object, old] = [decoded(kind, seed), decoded(kind, seed + 1)];
      if (!object || !old) continue;
      t.doesNotThrow(() => {
        kind.applyDefaults(object);
        kind.applyDefaults(old);
        // There are warnings about valid objects only.
        if (kind.validate(object).length === 0) kind.warnings(object);
        kind.prepareForUpdate(object, old, CONTEXT);
        kind.validate(object, old);
        kind.validateUpdate(object, old);
        for (const part of kind.subresources.filter(isStoredSubresource)) {
          const merged = part.update.merge(structuredClone(object), old);
          part.update.prepare(merged, old, CONTEXT);
          if (part.update.validate(merged, old).length === 0) part.update.warnings?.(merged, old);
        }
        kind.prepareForCreate(object, CONTEXT);
        kind.validate(object);
      }, `${kind.plural}.${kind.group} ${seed}`);
    }
});
