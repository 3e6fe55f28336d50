/** Addresses that units want the host to have, beside those that it has: the difference is what has to be written. Pure state. */
import type { Units } from '../../../netfilter/owned-units.ts';

export type Addresses = ReadonlySet<string>;

export interface AddressChange {
  readonly add: readonly string[];
  readonly remove: readonly string[];
}

const NONE: Addresses = new Set();

export class AddressLedger {
  readonly #units = new Map<string, Addresses>();
  /** By address, the units that want it. */
  readonly #claims = new Map<string, Set<string>>();
  readonly #inForce = new Set<string>();
  readonly #touched = new Set<string>();

  put(units: Units<Addresses>): void {
    for (const [key, next] of units) {
      for (const address of this.#units.get(key) ?? NONE) {
        const claims = this.#claims.get(address);
        claims?.delete(key);
        if (claims?.size === 0) this.#claims.delete(address);
        this.#touched.add(address);
      }
      if (next) this.#units.set(key, next);
      else this.#units.delete(key);
      for (const address of next ?? NONE) {
        this.#claims.set(address, (this.#claims.get(address) ?? new Set()).add(key));
        this.#touched.add(address);
      }
    }
  }

  pending(): AddressChange {
    const touched = [...this.#touched];
    return {
      add: touched.filter((address) => this.#claims.has(address) && !this.#inForce.has(address)),
      remove: touched.filter((address) => !this.#claims.has(address) && this.#inForce.has(address)),
    };
  }

  /** The host has made the change. */
  written({ add, remove }: AddressChange): void {
    for (const address of add) this.#inForce.add(address);
    for (const address of remove) this.#inForce.delete(address);
    this.#touched.clear();
  }

  /** Learns what the host has. Returns the keys of units that it lacks something of. */
  adopt(addresses: Addresses): Set<string> {
    this.#inForce.clear();
    for (const address of addresses) this.#inForce.add(address);
    for (const address of [...addresses, ...this.#claims.keys()]) this.#touched.add(address);
    const missing = new Set<string>();
    for (const [address, units] of this.#claims)
      if (!this.#inForce.has(address)) for (const unit of units) missing.add(unit);
    return missing;
  }
}
