/** Quantities against a model in whole fractions. */
import {
  addQuantities,
  canonicalQuantity,
  compareQuantities,
  formatQuantity,
  NANO,
  parseQuantity,
  QuantityError,
  quantityMilliValue,
  quantityValue,
  roundUpToMilli,
  subtractQuantities,
} from '../../api/machinery/quantity.ts';
import { check, only, type Fuzzer } from './fuzzer.ts';
import type { Random } from './random.ts';

const SUFFIXES = new Map<string, readonly [base: bigint, power: number]>([
  ...['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'].map((suffix, index) => [suffix, [10n, 3 * index - 9]] as const),
  ...['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'].map((suffix, index) => [suffix, [2n, 10 * (index + 1)]] as const),
]);
const MAX = (2n ** 63n - 1n) * NANO;

interface Written {
  readonly text: string;
  readonly nano: bigint;
}

/** A quantity and its value in billionths, rounded away from zero and limited. */
function written(random: Random): Written {
  const whole = random.text('0123456789', random.chance(5) ? 30 : 6);
  const fraction = random.chance(2) ? random.text('0123456789', random.chance(5) ? 30 : 5) : undefined;
  const digits = whole + (fraction ?? '');
  const isNegative = random.chance(3);
  const sign = isNegative ? '-' : random.chance(4) ? '+' : '';
  const byPower = random.chance(4);
  const exponent = random.below(40) - 20;
  const suffix = byPower ? `${random.pick(['e', 'E'])}${exponent}` : random.pick([...SUFFIXES.keys()]);
  const [base, power] = byPower ? [10n, exponent] : (SUFFIXES.get(suffix) ?? [10n, 0]);
  const text = `${sign}${whole}${fraction === undefined ? '' : `.${fraction}`}${suffix}`;
  let numerator = BigInt(digits || '0') * NANO;
  let denominator = 10n ** BigInt(fraction?.length ?? 0);
  if (power >= 0) numerator *= base ** BigInt(power);
  else denominator *= base ** BigInt(-power);
  const magnitude = numerator / denominator + (numerator % denominator === 0n ? 0n : 1n);
  const limited = magnitude > MAX ? MAX : magnitude;
  return { text: digits === '' ? '' : text, nano: isNegative ? -limited : limited };
}

const ceil = (nano: bigint, unit: bigint): bigint => nano / unit + (nano % unit > 0n ? 1n : 0n);

function runValue({ text, nano }: Written): void {
  const quantity = parseQuantity(text);
  check(quantity.nano === nano, 'the value of a quantity', text, String(quantity.nano), String(nano));
  const canonical = canonicalQuantity(text);
  check(parseQuantity(canonical).nano === nano, 'the value of the canonical form', text, canonical);
  // A binary quantity without a suffix is a decimal one when it is read again, as upstream.
  const again = canonicalQuantity(canonical);
  check(canonicalQuantity(again) === again, 'the canonical form of itself', text, canonical, again);
  check(formatQuantity(quantity) === canonical, 'the canonical form', text, canonical);
  check(quantityValue(text) === Number(ceil(nano, NANO)), 'the value as an integer', text, quantityValue(text));
  check(
    quantityMilliValue(text) === Number(ceil(nano, 1_000_000n)),
    'the value in thousandths',
    text,
    quantityMilliValue(text),
  );
  const milli = parseQuantity(roundUpToMilli(text)).nano;
  const expected = nano % 1_000_000n === 0n ? nano : (nano / 1_000_000n + (nano > 0n ? 1n : -1n)) * 1_000_000n;
  check(milli === expected, 'the value rounded to thousandths', text, String(milli), String(expected));
}

const GARBAGE = '0123456789.+-eEinumkKMGTP _';

export const quantities: Fuzzer = {
  name: 'quantities',
  cases: 1500,
  run(random) {
    const [one, other] = [written(random), written(random)];
    for (const { text } of [one, other]) if (text === '') only([QuantityError], () => parseQuantity(text));
    if (one.text !== '') runValue(one);
    if (one.text !== '' && other.text !== '') {
      const order = one.nano < other.nano ? -1 : one.nano > other.nano ? 1 : 0;
      check(compareQuantities(one.text, other.text) === order, 'the order of quantities', one.text, other.text);
      // Sums past what a quantity holds are limited when they are parsed.
      const limited = (nano: bigint): bigint => (nano > MAX ? MAX : nano < -MAX ? -MAX : nano);
      const sum = parseQuantity(addQuantities(one.text, other.text)).nano;
      check(sum === limited(one.nano + other.nano), 'a sum', one.text, other.text, String(sum));
      const rest = parseQuantity(subtractQuantities(one.text, other.text)).nano;
      check(rest === limited(one.nano - other.nano), 'a difference', one.text, other.text, String(rest));
    }
    const garbage = random.text(GARBAGE, random.chance(50) ? 3000 : 12);
    const parsed = only([QuantityError], () => canonicalQuantity(garbage));
    if (parsed !== undefined && garbage !== '') runValue({ text: garbage, nano: parseQuantity(garbage).nano });
  },
};
