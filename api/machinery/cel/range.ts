/** Estimated sizes and costs, from the least to the most. */

export interface Range {
  readonly min: number;
  readonly max: number;
}

/** The largest size and cost: upstream's are 64 bits wide. */
export const MAX = 2 ** 64;
export const UNKNOWN: Range = { min: 0, max: MAX };

const capped = (value: number): number => Math.min(MAX, value);

export const fixed = (value: number): Range => ({ min: value, max: value });
export const add = (left: Range, right: Range): Range => ({
  min: capped(left.min + right.min),
  max: capped(left.max + right.max),
});
export const times = (left: Range, right: Range): Range => ({
  min: capped(left.min * right.min),
  max: capped(left.max * right.max),
});
/** Multiplies, rounded up. */
export const scale = (range: Range, factor: number): Range => ({
  min: capped(Math.ceil(range.min * factor)),
  max: capped(Math.ceil(range.max * factor)),
});
export const union = (left: Range, right: Range): Range => ({
  min: Math.min(left.min, right.min),
  max: Math.max(left.max, right.max),
});
