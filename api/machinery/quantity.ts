/**
 * Quantities: fixed-point numbers with a suffix (`100m`, `2Gi`, `1e3`), as apimachinery's `resource.Quantity` parses and
 * formats them. Objects have them as strings.
 */

export type QuantityFormat = 'DecimalSI' | 'BinarySI' | 'DecimalExponent';

export interface Quantity {
  /** The value times 10^9: the smallest unit is a billionth. */
  readonly nano: bigint;
  /** The family of suffixes that it is formatted with. */
  readonly format: QuantityFormat;
}

/** Upstream's message for an invalid quantity. */
const QUANTITY_SYNTAX = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
export class QuantityError extends Error {
  override readonly name = 'QuantityError';
}

const SYNTAX = /^([+-]?)(\d*)(?:\.(\d*))?(?:([KMGTPE]i)|([numkMGTPE]?)|[eE]([+-]?\d+))$/;
/** What most quantities look like: they are canonical, positive, and can be computed with numbers. */
const PLAIN = /^([1-9]\d{0,2})(m|k|M|G|T|Ki|Mi|Gi|Ti|)$/;

/** One, in the unit of `nano`. */
export const NANO = 1_000_000_000n;
/** 2^63-1, the largest value: larger ones are capped. */
const MAX = 9_223_372_036_854_775_807n * NANO;
const DECIMAL_SUFFIXES = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'] as const;
const BINARY_SUFFIXES = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'] as const;
const MULTIPLIERS: ReadonlyMap<string, number> = new Map<string, number>([
  ['m', 1e-3],
  ['', 1],
  ['k', 1e3],
  ['M', 1e6],
  ['G', 1e9],
  ['T', 1e12],
  ['Ki', 2 ** 10],
  ['Mi', 2 ** 20],
  ['Gi', 2 ** 30],
  ['Ti', 2 ** 40],
]);

/** The time to parse digits is quadratic in their number. */
const MAX_TEXT = 1_000;

/** Throws QuantityError. */
export function parseQuantity(text: string): Quantity {
  if (text.length > MAX_TEXT) throw new QuantityError(QUANTITY_SYNTAX);
  const match = SYNTAX.exec(text);
  if (!match || (!match[2] && !match[3])) throw new QuantityError(QUANTITY_SYNTAX);
  const [, sign, whole = '', fraction = '', binary, decimal, exponent] = match;
  const digits = BigInt(whole + fraction);
  let numerator = digits * NANO;
  let denominator = 10n ** BigInt(fraction.length);
  let format: QuantityFormat = 'DecimalSI';
  if (binary) {
    format = 'BinarySI';
    numerator <<= 10n * BigInt(BINARY_SUFFIXES.indexOf(binary as 'Ki'));
  } else {
    let power: number;
    if (exponent !== undefined) {
      format = 'DecimalExponent';
      power = Math.max(-100, Math.min(100, Number(exponent)));
    } else {
      power = (DECIMAL_SUFFIXES.indexOf((decimal ?? '') as 'k') - 3) * 3;
    }
    if (power >= 0) numerator *= 10n ** BigInt(power);
    else denominator *= 10n ** BigInt(-power);
  }
  // Rounded away from zero to a billionth, so that only zero becomes zero.
  let nano = (numerator + denominator - 1n) / denominator;
  if (nano > MAX) nano = MAX;
  return { nano: sign === '-' ? -nano : nano, format };
}

/** The canonical form: no fraction, and the largest suffix without loss of precision. */
export function formatQuantity({ nano, format }: Quantity): string {
  if (nano === 0n) return '0';
  const sign = nano < 0n ? '-' : '';
  let amount = nano < 0n ? -nano : nano;
  if (format === 'BinarySI' && amount >= 1024n * NANO && amount % NANO === 0n) {
    amount /= NANO;
    let power = 0;
    while (amount % 1024n === 0n && power < BINARY_SUFFIXES.length - 1) {
      amount /= 1024n;
      power++;
    }
    return `${sign}${amount}${BINARY_SUFFIXES[power]}`;
  }
  let power = 0;
  while (amount % 1000n === 0n && power < DECIMAL_SUFFIXES.length - 1) {
    amount /= 1000n;
    power++;
  }
  if (format !== 'DecimalExponent') return `${sign}${amount}${DECIMAL_SUFFIXES[power]}`;
  const exponent = (power - 3) * 3;
  return exponent === 0 ? `${sign}${amount}` : `${sign}${amount}e${exponent}`;
}

/** Returns the canonical form of a quantity. Throws QuantityError. */
export const canonicalQuantity = (text: string): string =>
  PLAIN.test(text) || text === '0' ? text : formatQuantity(parseQuantity(text));

/** Rounds up to thousandths, as upstream does in every ResourceList. */
export function roundUpToMilli(text: string): string {
  if (PLAIN.test(text)) return text;
  const { nano, format } = parseQuantity(text);
  const rest = nano % 1_000_000n;
  if (rest === 0n) return formatQuantity({ nano, format });
  return formatQuantity({ nano: nano - rest + (nano > 0n ? 1_000_000n : -1_000_000n), format });
}

export function compareQuantities(a: string, b: string): -1 | 0 | 1 {
  if (a === b) return 0;
  const plainA = PLAIN.exec(a);
  const plainB = plainA && PLAIN.exec(b);
  const areAlike = plainB && plainA[2] === plainB[2];
  const left = areAlike ? Number(plainA[1]) : parseQuantity(a).nano;
  const right = areAlike ? Number(plainB[1]) : parseQuantity(b).nano;
  return left < right ? -1 : left > right ? 1 : 0;
}

/** The sum, in the format of the first operand that is not zero. */
export function addQuantities(a: string, b: string): string {
  const left = parseQuantity(a);
  const right = parseQuantity(b);
  return formatQuantity({ nano: left.nano + right.nano, format: left.nano === 0n ? right.format : left.format });
}

export function subtractQuantities(a: string, b: string): string {
  const left = parseQuantity(a);
  const right = parseQuantity(b);
  return formatQuantity({ nano: left.nano - right.nano, format: left.nano === 0n ? right.format : left.format });
}

const ceilDivide = (value: bigint, unit: bigint): bigint => {
  const quotient = value / unit;
  return value > 0n && value % unit !== 0n ? quotient + 1n : quotient;
};

/** The value as an integer, rounded up (bytes, counts). Exact up to 2^53. */
export function quantityValue(text: string): number {
  const plain = PLAIN.exec(text);
  if (plain) return Math.ceil(Number(plain[1]) * (MULTIPLIERS.get(plain[2] ?? '') ?? 1));
  return Number(ceilDivide(parseQuantity(text).nano, NANO));
}

/** The value in thousandths, rounded up (CPU). Exact up to 2^53. */
export function quantityMilliValue(text: string): number {
  const plain = PLAIN.exec(text);
  if (plain) {
    const count = Number(plain[1]);
    return plain[2] === 'm' ? count : count * 1000 * (MULTIPLIERS.get(plain[2] ?? '') ?? 1);
  }
  return Number(ceilDivide(parseQuantity(text).nano, 1_000_000n));
}

/** Whether it counts whole units, as bytes have to be. What is less than a thousandth counts as one. */
export const isWholeQuantity = (text: string): boolean =>
  (PLAIN.test(text) && !text.endsWith('m')) || quantityMilliValue(text) % 1000 === 0;

export const isPositiveQuantity = (text: string): boolean => PLAIN.test(text) || parseQuantity(text).nano > 0n;
export const isNegativeQuantity = (text: string): boolean => text.startsWith('-') && parseQuantity(text).nano < 0n;

export function isQuantity(text: string): boolean {
  try {
    parseQuantity(text);
    return true;
  } catch (error) {
    if (error instanceof QuantityError) return false;
    throw error;
  }
}
