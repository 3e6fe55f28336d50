/** Quantities of several resources, by their names, and the arithmetic of quotas on them. */
import {
  addQuantities,
  compareQuantities,
  formatQuantity,
  parseQuantity,
  subtractQuantities,
} from '../machinery/quantity.ts';
import { setOwn } from '../machinery/own.ts';

export type Amounts = ReadonlyMap<string, string>;

export const NOTHING: Amounts = new Map();

/** From the form in which a spec or status has them. */
export const amountsOf = (quantities: Readonly<Record<string, string>> | undefined): Amounts =>
  new Map(Object.entries(quantities ?? {}));

export function quantitiesOf(amounts: Amounts): Record<string, string> {
  const quantities: Record<string, string> = {};
  for (const [name, amount] of amounts) setOwn(quantities, name, amount);
  return quantities;
}

export function addAmounts(a: Amounts, b: Amounts): Amounts {
  const sum = new Map(a);
  for (const [name, amount] of b) {
    const other = sum.get(name);
    sum.set(name, other === undefined ? amount : addQuantities(other, amount));
  }
  return sum;
}

/** The sum of amounts that occur as often as the tally says, written in the format of the first that is not zero. */
export function sumOf(tally: ReadonlyMap<string, number>): string {
  let sum = parseQuantity('0');
  for (const [amount, count] of tally) {
    const { nano, format } = parseQuantity(amount);
    sum = { nano: sum.nano + nano * BigInt(count), format: sum.nano === 0n ? format : sum.format };
  }
  return formatQuantity(sum);
}

/** By how much each amount in `a` exceeds that in `b`; those that do not are left out. */
export function excess(a: Amounts, b: Amounts): Amounts {
  const more = new Map<string, string>();
  for (const [name, amount] of a) {
    const other = b.get(name) ?? '0';
    if (compareQuantities(amount, other) > 0) more.set(name, subtractQuantities(amount, other));
  }
  return more;
}

export const filterAmounts = (amounts: Amounts, isWanted: (name: string) => boolean): Amounts =>
  new Map([...amounts].filter(([name]) => isWanted(name)));

export function areEqual(a: Amounts, b: Amounts): boolean {
  if (a.size !== b.size) return false;
  for (const [name, amount] of a) {
    const other = b.get(name);
    if (other === undefined || compareQuantities(amount, other) !== 0) return false;
  }
  return true;
}
