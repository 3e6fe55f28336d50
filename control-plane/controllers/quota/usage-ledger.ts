/**
 * Which part of a quota's usage may be lowered. Admission charges an object before it is written, so that what is used beyond what
 * the caches count is either a write that has not arrived there yet, or the rest of an object that is gone. Deletes that the caches
 * have shown are known amounts and free their part at once; the remainder is freed when every write it was charged for has ended.
 */
import { compareQuantities, subtractQuantities } from '../../../api/machinery/quantity.ts';
import { NOTHING, addAmounts, type Amounts } from '../../../api/domain/quota-amounts.ts';

/**
 * Within this time after its charge an object is written and in the caches, or will never be: the api-server gives up on a write
 * to the store after it.
 */
export const WRITE_LIMIT_MS = 10_000;

interface Entry {
  /** By name of the resource, when it was last charged, in ms of the monotonic clock; so is `now`. */
  readonly chargedAt: Map<string, number>;
  /** What the caches have shown to be used no longer, and is still in the status. */
  freed: Amounts;
}

export class UsageLedger {
  readonly #entries = new Map<string, Entry>();

  charge(quota: string, charged: Amounts, now: number): void {
    const { chargedAt } = this.#entry(quota);
    for (const name of charged.keys()) chargedAt.set(name, now);
  }

  free(quota: string, freed: Amounts): void {
    const entry = this.#entry(quota);
    entry.freed = addAmounts(entry.freed, freed);
  }

  /** Returns what has been freed since the last call. It is to be given back to `free` when it could not be applied. */
  takeFreed(quota: string): Amounts {
    const entry = this.#entries.get(quota);
    const freed = entry?.freed ?? NOTHING;
    if (entry) entry.freed = NOTHING;
    return freed;
  }

  /** Down to which amount the usage of a resource may be lowered; undefined when to whatever is counted. */
  floor(quota: string, name: string, used: string, freed: Amounts, now: number): string | undefined {
    const chargedAt = this.#entries.get(quota)?.chargedAt.get(name);
    if (chargedAt === undefined || now >= chargedAt + WRITE_LIMIT_MS) return undefined;
    const amount = freed.get(name) ?? '0';
    return compareQuantities(amount, used) < 0 ? subtractQuantities(used, amount) : '0';
  }

  forget(quota: string): void {
    this.#entries.delete(quota);
  }

  #entry(quota: string): Entry {
    let entry = this.#entries.get(quota);
    if (!entry) this.#entries.set(quota, (entry = { chargedAt: new Map(), freed: NOTHING }));
    return entry;
  }
}
