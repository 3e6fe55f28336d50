/** Values of CEL as plain values, as they are in JSON. */
import { setOwn } from '../own.ts';
import { JsonList, JsonMap } from './from-json.ts';
import { unescapeName } from './escaping.ts';
import { formatDuration, formatTimestamp } from './library/time-text.ts';
import type { Meter } from './meter.ts';
import { shown } from './operations.ts';
import {
  CelList,
  CelMap,
  type CelValue,
  Duration,
  Extension,
  Failure,
  Optional,
  Timestamp,
  TypeValue,
  Uint,
} from './values.ts';

/** Converts a result. Each value counts a step: what an expression repeats is written once each time. Throws LimitExceeded. */
export function toPlain(value: CelValue, meter: Meter): unknown {
  meter.step();
  if (value === null || typeof value !== 'object') return typeof value === 'bigint' ? Number(value) : value;
  if (value instanceof JsonList) return value.items;
  if (value instanceof JsonMap) return value.object;
  if (value instanceof CelList) return Array.from(value, (item) => toPlain(item, meter));
  if (value instanceof CelMap) {
    const object: Record<string, unknown> = {};
    for (const key of value.keys())
      setOwn(object, unescapeName(shown(key)) ?? shown(key), toPlain(value.find(key) ?? null, meter));
    return object;
  }
  if (value instanceof Uint) return Number(value.value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (value instanceof Timestamp) return formatTimestamp(value);
  if (value instanceof Duration) return formatDuration(value);
  if (value instanceof Optional) return value.value === undefined ? null : toPlain(value.value, meter);
  if (value instanceof TypeValue) return value.type.name;
  return value instanceof Extension ? value.toPlain() : value instanceof Failure ? undefined : null;
}
