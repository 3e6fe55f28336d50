/**
 * The rules that one owner wants, beside what the kernel is known to have: the difference is what has to be written. Pure state:
 * nothing here accesses the kernel.
 */
import { TABLES, type Chains, type OwnerSpec, type Rule, type RuleUnit, type RuleUnits, type Table } from './rules.ts';

/** What to do to one table: chains to (re)write with their rules, and chains to remove. */
export interface TableChange {
  readonly write: Chains;
  readonly remove: ReadonlySet<string>;
}
export type Change = Readonly<Record<Table, TableChange>>;

export const isEmpty = (change: Change): boolean =>
  TABLES.every((table) => change[table].write.size + change[table].remove.size === 0);

class TableLedger {
  /** Chains of one unit alone. */
  readonly own = new Map<string, readonly string[]>();
  /** Chains in which several units have rules: chain -> unit -> its rules there. */
  readonly shared = new Map<string, Map<string, string[]>>();
  /** What the kernel has: chain -> rules, one per line. */
  readonly inForce = new Map<string, string>();
  /** Chains of which it is not known what the kernel has. */
  readonly doubtful = new Set<string>();
  /** Chains to compare. */
  readonly touched = new Set<string>();

  /** Units in a shared chain are sorted by key, so that the text does not depend on the order in which they came. */
  rules(chain: string): readonly string[] | undefined {
    const shared = this.shared.get(chain);
    if (!shared) return this.own.get(chain);
    return [...shared.keys()].sort().flatMap((key) => shared.get(key) ?? []);
  }
}

export class Ledger {
  readonly #frame: OwnerSpec['frame'];
  #units = new Map<string, RuleUnit>();
  readonly #tables: Readonly<Record<Table, TableLedger>> = { nat: new TableLedger(), filter: new TableLedger() };

  constructor(frame: OwnerSpec['frame']) {
    this.#frame = frame;
  }

  /** Replaces, adds or removes units; returns their state before, which undoes this when it is put. */
  put(units: RuleUnits): RuleUnits {
    const before = new Map<string, RuleUnit | undefined>();
    for (const [key, next] of units) {
      const old = this.#units.get(key);
      before.set(key, old);
      if (old) this.#remove(key, old);
      if (next) this.#add(key, next);
    }
    return before;
  }

  #remove(key: string, unit: RuleUnit): void {
    this.#units.delete(key);
    for (const table of TABLES) {
      const { own, touched } = this.#tables[table];
      for (const chain of unit.chains[table].keys()) {
        own.delete(chain);
        touched.add(chain);
      }
    }
    for (const { table, chain } of unit.shared) {
      const { shared, touched } = this.#tables[table];
      const rules = shared.get(chain);
      rules?.delete(key);
      if (rules?.size === 0) shared.delete(chain);
      touched.add(chain);
    }
  }

  #add(key: string, unit: RuleUnit): void {
    this.#units.set(key, unit);
    for (const table of TABLES) {
      const { own, touched } = this.#tables[table];
      for (const [chain, rules] of unit.chains[table]) {
        own.set(chain, rules);
        touched.add(chain);
      }
    }
    for (const { table, chain, rule } of unit.shared) {
      const { shared, touched } = this.#tables[table];
      const byUnit = shared.get(chain) ?? new Map<string, string[]>();
      shared.set(chain, byUnit);
      byUnit.set(key, [...(byUnit.get(key) ?? []), rule]);
      touched.add(chain);
    }
  }

  /** What has to be written for the kernel to have what is wanted. */
  pending(): Change {
    return { nat: this.#pendingIn('nat'), filter: this.#pendingIn('filter') };
  }

  #pendingIn(table: Table): TableChange {
    const ledger = this.#tables[table];
    const wanted = new Map([...ledger.touched].map((chain) => [chain, ledger.rules(chain)]));
    for (const [chain, rules] of this.#frame(table, ledger.shared.keys())) wanted.set(chain, rules);
    const write = new Map<string, readonly string[]>();
    const remove = new Set<string>();
    for (const [chain, rules] of wanted) {
      if (rules === undefined) {
        if (ledger.inForce.has(chain) || ledger.doubtful.has(chain)) remove.add(chain);
      } else if (ledger.inForce.get(chain) !== rules.join('\n')) write.set(chain, rules);
    }
    return { write, remove };
  }

  /** Whether the kernel has chains of the owner otherwise than the units have them, or that no unit has. */
  get hasDoubtful(): boolean {
    return TABLES.some((table) => this.#tables[table].doubtful.size > 0);
  }

  /** How many rules the kernel has of the owner, as far as is known. */
  ruleCount(table: Table): number {
    let count = 0;
    for (const rules of this.#tables[table].inForce.values()) if (rules !== '') count += rules.split('\n').length;
    return count;
  }

  /** The kernel has accepted what `pending` returned. */
  written(change: Change): void {
    for (const table of TABLES) {
      const { inForce, doubtful, touched } = this.#tables[table];
      for (const [chain, rules] of change[table].write) inForce.set(chain, rules.join('\n'));
      for (const chain of change[table].remove) inForce.delete(chain);
      touched.clear();
      doubtful.clear();
    }
  }

  /** The transaction has failed. One of its tables may have been written all the same: the chains concerned are in doubt. */
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

  /**
   * Learns what the kernel has: what differs from it is pending.
   * @param saved the owner's chains as they were read, each as one text.
   * @returns the units that the kernel does not have, or has otherwise.
   */
  adopt(saved: Readonly<Record<Table, ReadonlyMap<string, string>>>): RuleUnits {
    for (const table of TABLES) this.#adoptTable(table, saved[table]);
    const lines = new Map<string, ReadonlySet<string>>();
    const isSaved = ({ table, chain, rule }: Rule): boolean => {
      const key = `${table} ${chain}`;
      const known = lines.get(key) ?? new Set(saved[table].get(chain)?.split('\n'));
      lines.set(key, known);
      return known.has(rule);
    };
    const isInForce = ({ chains, shared }: RuleUnit): boolean =>
      TABLES.every((table) => [...chains[table].keys()].every((chain) => this.#tables[table].inForce.has(chain))) &&
      shared.every(isSaved);
    return new Map([...this.#units].filter(([, unit]) => !isInForce(unit)));
  }

  #adoptTable(table: Table, saved: ReadonlyMap<string, string>): void {
    const ledger = this.#tables[table];
    const { inForce, doubtful, touched, own, shared } = ledger;
    inForce.clear();
    doubtful.clear();
    for (const chain of saved.keys()) doubtful.add(chain);
    const frame = this.#frame(table, shared.keys());
    for (const chain of [...own.keys(), ...shared.keys(), ...frame.keys()]) {
      const text = (frame.get(chain) ?? ledger.rules(chain))?.join('\n');
      // The text of our own is kept: that of the kernel would keep all that was read in memory.
      if (text !== undefined && saved.get(chain) === text) {
        inForce.set(chain, text);
        doubtful.delete(chain);
      } else touched.add(chain);
    }
    for (const chain of doubtful) touched.add(chain);
  }
}
