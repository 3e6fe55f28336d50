/** What an applied configuration makes of the live value: structured-merge-diff's `typed.Merge`. */
import { isJsonObject, own, setOwn } from '../own.ts';
import { formOf, isEmptyValue, typeOfKey, type FieldType, type ListType, type MapType } from './field-type.ts';

/** Returns `live` with all that `config` states; undefined stands for absent. The result may share parts with both. */
export function merge(type: FieldType, live: unknown, config: unknown): unknown {
  if (config === undefined) return live;
  if (live === undefined) return config;
  const form = formOf(type, config === null ? live : config);
  if (form === 'scalar' || type[form]?.atomic || (isEmptyValue(live) && isEmptyValue(config))) return config;
  if (form === 'map') return type.map && mergeMaps(type.map, asMap(live), asMap(config));
  return type.list && mergeLists(type.list, asList(live), asList(config));
}

const asMap = (value: unknown): Readonly<Record<string, unknown>> => (isJsonObject(value) ? value : {});
const asList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

function mergeMaps(
  type: MapType,
  live: Readonly<Record<string, unknown>>,
  config: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const key in live) setOwn(out, key, merge(typeOfKey(type, key), own(live, key), own(config, key)));
  for (const key in config) if (own(live, key) === undefined) setOwn(out, key, own(config, key));
  return out;
}

/**
 * The items of both lists: shared ones in the order of the configuration, and those of one list alone where their neighbours are.
 * Of items that are repeated in the live list the configuration's item takes the place of the first.
 */
function mergeLists({ items, elementOf }: ListType, live: readonly unknown[], config: readonly unknown[]): unknown[] {
  const keyOf = (item: unknown): string => elementOf?.(item) ?? '';
  const liveKeys = live.map(keyOf);
  const configKeys = config.map(keyOf);
  const wanted = new Map(configKeys.map((key, index) => [key, config[index]]));
  const counterparts = new Map<string, unknown>();
  for (const [index, key] of liveKeys.entries()) counterparts.set(key, counterparts.has(key) ? undefined : live[index]);
  const shared = configKeys.filter((key) => counterparts.has(key));
  const done = new Set<string>();
  const out: unknown[] = [];
  let nextShared = 0;
  const take = (key: string): void => {
    done.add(key);
    out.push(merge(items, counterparts.get(key), wanted.get(key)));
  };
  for (let at = 0, of = 0; at < live.length || of < config.length;) {
    const [liveKey, configKey] = [liveKeys[at], configKeys[of]];
    if (liveKey !== undefined && liveKey === configKey) {
      take(liveKey);
      at++;
      of++;
      nextShared++;
      continue;
    }
    if (liveKey !== undefined && configKey !== undefined && wanted.has(liveKey)) {
      const next = shared[nextShared];
      if (next !== undefined && next !== liveKey) {
        at++;
        continue;
      }
    }
    if (liveKey !== undefined) {
      if (!wanted.has(liveKey)) {
        out.push(live[at]);
        at++;
        continue;
      }
      if (done.has(liveKey)) at++;
    }
    if (configKey !== undefined) {
      take(configKey);
      of++;
      if (shared[nextShared] === configKey) nextShared++;
    }
  }
  return out;
}
