/** Values that are an integer or a percentage, such as `maxSurge`. */

import { MAX_INT32 } from './schema.ts';

const PERCENT = /^(\d+)%$/;

/** The percentage, or undefined when `value` is none. As many digits as a client likes are still a number to calculate with. */
export function percentOf(value: number | string): number | undefined {
  const match = typeof value === 'string' ? PERCENT.exec(value) : undefined;
  return match ? Math.min(Number(match[1]), MAX_INT32) : undefined;
}

/** The integer itself, or the percentage of `total`, rounded. Throws RangeError for a string that is no percentage. */
export function scaledValue(value: number | string, total: number, round: 'up' | 'down'): number {
  if (typeof value === 'number') return value;
  const percent = percentOf(value);
  if (percent === undefined)
    throw new RangeError(`invalid value for IntOrString: ${JSON.stringify(value)} is not a percentage`);
  const exact = (percent * total) / 100;
  return round === 'up' ? Math.ceil(exact) : Math.floor(exact);
}
