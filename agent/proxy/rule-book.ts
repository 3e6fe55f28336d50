/**
 * Keeps the compiled rules of all Services, beside what of them the kernel is known to have: the difference is what has to be
 * written. Pure state: nothing here touches the kernel.
 */
import type { Cidr } from '../../api/domain/address.ts';
import { baseChains, dispatchChains, type CompiledService, type Ranges, type Table } from './iptables-rules.ts';

/** What to do to one table: chains to (re)write with their rules, and chains to remove. */
export interface TableChange {
  readonly write: ReadonlyMap<string, readonly string[]>;
  readonly remove: ReadonlySet<string>;
}
export type Change = Readonly<Record<Table, TableChange>>;

/** By key; undefined for a Service that has no rules. */
export type CompiledServices = ReadonlyMap<string, CompiledService | undefined>;

const TABLES: readonly Table[] = ['nat', 'filter'];

class TableBook {
  /** Chains of one Service alone. */
  readonly own = new Map<string, readonly string[]>();
  /** Chains in which several have rules: chain -> Service -> its rules there. */
  readonly shared = new Map<string, Map<string, string[]>>();
  /** What the kernel has: chain -> rules. */
  readonly inForce = new Map<string, string>();
  /** Chains of which the kernel may have anything. */
  readonly doubtful = new Set<string>();
  /** Chains to look at. */
  readonly touched = new Set<string>();

  rules(chain: string): readonly string[] | undefined {
    const shared = this.shared.get(chain);
    return shared ? [...shared.values()].flat() : this.own.get(chain);
  }
}

export class RuleBook {
  readonly #clusterCidr: Cidr;
  #serviceRange: Cidr | undefined;
  #services = new Map<string, CompiledService>();
  readonly #tables: Readonly<Record<Table, TableBook>> = { nat: new TableBook(), filter: new TableBook() };

  constructor(clusterCidr: Cidr) {
    this.#clusterCidr = clusterCidr;
  }

  get ranges(): Ranges {
    return { cluster: this.#clusterCidr, services: this.#serviceRange };
  }

  /** What is sent to an address of the range that no Service has is refused. */
  reserve(serviceRange: Cidr | undefined): void {
    this.#serviceRange = serviceRange;
  }

  /** Puts Services in or takes them out; returns what was there before, which undoes this when it is put in. */
  put(services: CompiledServices): CompiledServices {
    const before = new Map<string, CompiledService | undefined>();
    for (const [key, next] of services) {
      const old = this.#services.get(key);
      before.set(key, old);
      if (old) this.#takeOut(key, old);
      if (next) this.#putIn(key, next);
    }
    return before;
  }

  /** Takes all Services out and returns them. */
  clear(): CompiledServices {
    const all = this.#services;
    return this.put(new Map([...all.keys()].map((key) => [key, undefined])));
  }

  #takeOut(key: string, { nat, dispatch }: CompiledService): void {
    this.#services.delete(key);
    for (const chain of nat.keys()) {
      this.#tables.nat.own.delete(chain);
      this.#tables.nat.touched.add(chain);
    }
    for (const { table, chain } of dispatch) {
      const { shared, touched } = this.#tables[table];
      const rules = shared.get(chain);
      rules?.delete(key);
      if (rules?.size === 0) shared.delete(chain);
      touched.add(chain);
    }
  }

  #putIn(key: string, service: CompiledService): void {
    this.#services.set(key, service);
    for (const [chain, rules] of service.nat) {
      this.#tables.nat.own.set(chain, rules);
      this.#tables.nat.touched.add(chain);
    }
    for (const { table, chain, rule } of service.dispatch) {
      const { shared, touched } = this.#tables[table];
      const byService = shared.get(chain) ?? new Map<string, string[]>();
      shared.set(chain, byService);
      byService.set(key, [...(byService.get(key) ?? []), rule]);
      touched.add(chain);
    }
  }

  /** What has to be written for the kernel to have what is here. */
  pending(): Change {
    return { nat: this.#pendingIn('nat'), filter: this.#pendingIn('filter') };
  }

  #pendingIn(table: Table): TableChange {
    const book = this.#tables[table];
    const wanted = new Map([...book.touched].map((chain) => [chain, book.rules(chain)]));
    for (const [chain, rules] of dispatchChains(table, book.shared.keys(), this.#serviceRange))
      wanted.set(chain, rules);
    for (const [chain, rules] of baseChains(this.#clusterCidr)[table]) wanted.set(chain, rules);
    const write = new Map<string, readonly string[]>();
    const remove = new Set<string>();
    for (const [chain, rules] of wanted) {
      if (rules === undefined) {
        if (book.inForce.has(chain) || book.doubtful.has(chain)) remove.add(chain);
      } else if (book.inForce.get(chain) !== rules.join('\n')) write.set(chain, rules);
    }
    return { write, remove };
  }

  /** The kernel has taken what `pending` returned. */
  written(change: Change): void {
    for (const table of TABLES) {
      const { inForce, doubtful, touched } = this.#tables[table];
      for (const [chain, rules] of change[table].write) inForce.set(chain, rules.join('\n'));
      for (const chain of change[table].remove) inForce.delete(chain);
      touched.clear();
      doubtful.clear();
    }
  }

  /** The kernel has refused it. A table may have been written all the same: of the chains concerned nothing is known. */
  failed(change: Change): void {
    for (const table of TABLES) {
      const { inForce, doubtful, touched } = this.#tables[table];
      for (const chain of [...change[table].write.keys(), ...change[table].remove]) {
        inForce.delete(chain);
        doubtful.add(chain);
        touched.add(chain);
      }
    }
  }

  /** What the kernel has is not known any more: all of it is pending. */
  forget(): void {
    for (const table of TABLES) {
      const { inForce, touched, own, shared } = this.#tables[table];
      inForce.clear();
      for (const chain of [...own.keys(), ...shared.keys()]) touched.add(chain);
    }
  }
}

export const isEmpty = (change: Change): boolean =>
  TABLES.every((table) => change[table].write.size + change[table].remove.size === 0);
