/** Ranges of addresses of which none overlaps with another. */
import type { Cidr } from '../../../api/domain/address.ts';

/** Two ranges are apart, or one is in the other: so few steps tell, however many there are. */
export class ClaimedRanges {
  readonly #ranges = new Set<string>();
  /** All that have one of the ranges in them. */
  readonly #around = new Set<string>();

  /** Adds the range, unless it overlaps with one that was added before; returns whether it did. */
  add(range: Cidr): boolean {
    const around = [...prefixesOf(range)];
    const isTaken = this.#around.has(around[0] ?? '') || around.some((prefix) => this.#ranges.has(prefix));
    if (isTaken) return false;
    this.#ranges.add(around[0] ?? '');
    for (const prefix of around) this.#around.add(prefix);
    return true;
  }
}

/** Of the range itself, and of all that it is in. */
function* prefixesOf({ family, network, length, size }: Cidr): Iterable<string> {
  let prefix = network.value / size;
  for (let bits = length; bits >= 0; bits--, prefix >>= 1n) yield `${family} ${prefix}/${bits}`;
}
