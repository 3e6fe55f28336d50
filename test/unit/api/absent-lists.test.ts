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

/** Of the lists that an object has, how many are removed, one by one. */
const REMOVED = 12;
const WHOLE_SEEDS = 20;

/** Copies of an object that lack one of its lists each. */
function* lackingOne(whole: unknown, seed: number): Generator<unknown> {
  const count = (value: unknown): number =>
    (Array.isArray(value) ? 1 : 0) +
    (value !== null && typeof value === 'object'
      ? Object.values(value).reduce((sum: number, one) => sum + count(one), 0)
      : 0);
  const all = count(whole);
  for (let place = seed % Math.ceil(all / REMOVED || 1); place < all; place += Math.ceil(all / REMOVED)) {
    let passed = 0;
    const visit = (value: unknown): unknown => {
      if (Array.isArray(value)) return passed++ === place ? null : value.map(visit);
      if (!isJsonObject(value)) return value;
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, visit(item)]));
    };
    yield visit(whole);
  }
}

function decoded(kind: Kind, random: unknown): KubeObject | undefined {
  const { metadata, ...others } = random as KubeObject;
  try {
    return decodeObject(kind, { ...others, metadata: { ...metadata, name: 'a', resourceVersion: '1' } }).object;
  } catch (error) {
    // Any JSON is no schema, for one.
    if (error instanceof DecodeError || error instanceof StatusError) return undefined;
    throw error;
  }
}

/** Runs all hooks of a kind. */
function check(kind: Kind, object: KubeObject, old: KubeObject): void {
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
}

t.test('objects without some of their lists', async (t) => {
  for (const kind of kinds)
    for (let seed = 1; seed <= SEEDS; seed++) {
      const some = (one: number) => decoded(kind, without(randomOf(kind.schema, one), one));
      const [object, old] = [some(seed), some(seed + 1)];
      if (!object || !old) continue;
      t.doesNotThrow(() => check(kind, object, old), `${kind.plural}.${kind.group} ${seed}`);
    }
});

t.test('updates that remove a list', async (t) => {
  for (const kind of kinds)
    for (let seed = 1; seed <= WHOLE_SEEDS; seed++) {
      const whole = randomOf(kind.schema, seed);
      for (const lacking of lackingOne(whole, seed)) {
        const [object, old] = [decoded(kind, lacking), decoded(kind, whole)];
        if (!object || !old) continue;
        try {
          check(kind, object, old);
        } catch (error) {
          t.fail(`${kind.plural}.${kind.group} ${seed}`, { error });
        }
      }
      t.pass(`${kind.plural}.${kind.group} ${seed}`);
    }
});
