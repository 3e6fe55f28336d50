/**
 * What a table is wanted to have, beside what the kernel is known to have: the difference is what has to be written. Pure state:
 * nothing here accesses the kernel.
 */
import {
  signatureOf,
  type Chains,
  type Declarations,
  type Objects,
  type TableUnit,
  type TableUnits,
} from './table-unit.ts';

/** Elements of a set or map: key -> what follows it. */
export type Elements = ReadonlyMap<string, string>;

/** What was read of a table. */
export interface TableState {
  /** By name; whether each is a set or a map. */
  readonly sets: ReadonlyMap<string, 'set' | 'map'>;
  /** By name; the comments of the rules, one per line. */
  readonly chains: ReadonlyMap<string, string>;
  /** By set or map. */
  readonly elements: ReadonlyMap<string, Elements>;
}

export interface TableChange {
  readonly addSets: Declarations;
  readonly removeSets: ReadonlyMap<string, 'set' | 'map'>;
  readonly addChains: readonly string[];
  /** Chains that exist and get other rules, if any. */
  readonly flushChains: readonly string[];
  readonly removeChains: readonly string[];
  /** Rules of chains that are empty by then. */
  readonly rules: Chains;
  readonly addElements: ReadonlyMap<string, Elements>;
  /** Keys by set or map. */
  readonly removeElements: ReadonlyMap<string, readonly string[]>;
}

export interface LedgerOptions {
  /** What is always there. The chains are computed for each change. */
  readonly sets: Declarations;
  readonly chains: () => Chains;
  /** What is there as long as a set or map has elements. */
  readonly objectsOf: (container: string) => Objects;
  /** How long nothing must have led to a chain before the kernel lets it go, in milliseconds. */
  readonly chainReleaseMs: number;
  /** Milliseconds that never go back. */
  readonly now: () => number;
}

/** An element that a unit wants. */
interface Claim {
  readonly unit: string;
  readonly tail: string;
}

export class TableLedger {
  readonly #options: LedgerOptions;
  readonly #units = new Map<string, TableUnit>();
  /** Set or map -> key -> those who want the element, in the order of the units' keys: the first decides. */
  readonly #claims = new Map<string, Map<string, readonly Claim[]>>();
  readonly #sets: Map<string, string>;
  readonly #chains = new Map<string, readonly string[]>();
  readonly #inForce = {
    sets: new Map<string, 'set' | 'map'>(),
    chains: new Map<string, string>(),
    elements: new Map<string, Map<string, string>>(),
  };
  readonly #touched = { sets: new Set<string>(), chains: new Set<string>(), elements: new Map<string, Set<string>>() };
  /** Chains in the kernel that nobody wants, and that nothing leads to: since when. */
  readonly #stale = new Map<string, number>();

  constructor(options: LedgerOptions) {
    this.#options = options;
    this.#sets = new Map(options.sets);
    for (const name of this.#sets.keys()) this.#touched.sets.add(name);
  }

  /** Replaces, adds or removes units; returns their state before, which undoes this when it is put. */
  put(units: TableUnits): TableUnits {
    const before = new Map<string, TableUnit | undefined>();
    for (const [key, next] of units) {
      const old = this.#units.get(key);
      before.set(key, old);
      if (old) this.#remove(key, old);
      if (next) this.#add(key, next);
    }
    return before;
  }

  #add(key: string, unit: TableUnit): void {
    this.#units.set(key, unit);
    this.#addObjects(unit);
    for (const { container, key: element, tail } of unit.elements) {
      let claims = this.#claims.get(container);
      if (!claims) {
        claims = new Map<string, readonly Claim[]>();
        this.#claims.set(container, claims);
        this.#addObjects(this.#options.objectsOf(container));
      }
      const others = claims.get(element) ?? [];
      const index = others.findIndex(({ unit: other }) => other > key);
      claims.set(element, others.toSpliced(index < 0 ? others.length : index, 0, { unit: key, tail }));
      this.#touch(container, element);
    }
  }

  #remove(key: string, unit: TableUnit): void {
    this.#units.delete(key);
    this.#removeObjects(unit);
    for (const { container, key: element } of unit.elements) {
      const claims = this.#claims.get(container);
      const others = claims?.get(element)?.filter(({ unit: other }) => other !== key) ?? [];
      if (others.length > 0) claims?.set(element, others);
      else claims?.delete(element);
      this.#touch(container, element);
      if (claims?.size !== 0) continue;
      this.#claims.delete(container);
      this.#removeObjects(this.#options.objectsOf(container));
    }
  }

  #addObjects({ sets, chains }: Objects): void {
    for (const [name, declaration] of sets) {
      this.#sets.set(name, declaration);
      this.#touched.sets.add(name);
    }
    for (const [name, rules] of chains) {
      this.#chains.set(name, rules);
      this.#touched.chains.add(name);
    }
  }

  #removeObjects({ sets, chains }: Objects): void {
    for (const name of sets.keys()) {
      this.#sets.delete(name);
      this.#touched.sets.add(name);
    }
    for (const name of chains.keys()) {
      this.#chains.delete(name);
      this.#touched.chains.add(name);
    }
  }

  #touch(container: string, element: string): void {
    const touched = this.#touched.elements.get(container) ?? new Set();
    this.#touched.elements.set(container, touched.add(element));
  }

  #wanted(container: string, element: string): string | undefined {
    return this.#claims.get(container)?.get(element)?.[0]?.tail;
  }

  /** What has to be written for the kernel to have what is wanted; undefined for nothing. */
  pending(): TableChange | undefined {
    this.#addObjects({ sets: new Map(), chains: this.#options.chains() });
    const change = { ...this.#pendingSets(), ...this.#pendingChains(), ...this.#pendingElements() };
    const isEmpty = Object.values(change).every((part) => ('size' in part ? part.size : part.length) === 0);
    return isEmpty ? undefined : change;
  }

  #pendingSets(): Pick<TableChange, 'addSets' | 'removeSets'> {
    const addSets = new Map<string, string>();
    const removeSets = new Map<string, 'set' | 'map'>();
    for (const name of this.#touched.sets) {
      const [wanted, kind] = [this.#sets.get(name), this.#inForce.sets.get(name)];
      if (wanted !== undefined && kind === undefined) addSets.set(name, wanted);
      if (wanted === undefined && kind !== undefined) removeSets.set(name, kind);
    }
    return { addSets, removeSets };
  }

  #pendingChains(): Pick<TableChange, 'addChains' | 'flushChains' | 'removeChains' | 'rules'> {
    const addChains: string[] = [];
    const flushChains: string[] = [];
    const rules = new Map<string, readonly string[]>();
    for (const name of this.#touched.chains) {
      const [wanted, current] = [this.#chains.get(name), this.#inForce.chains.get(name)];
      if (current === undefined && wanted) addChains.push(name);
      if (signatureOf(wanted ?? []) === (current ?? '')) continue;
      if (current) flushChains.push(name);
      if (wanted?.length) rules.set(name, wanted);
    }
    return { addChains, flushChains, removeChains: [...this.#removableChains()], rules };
  }

  /** They are empty by then. */
  *#removableChains(): Generator<string> {
    const { now, chainReleaseMs } = this.#options;
    if (chainReleaseMs > 0) {
      const before = now() - chainReleaseMs;
      for (const [name, since] of this.#stale) if (since <= before) yield name;
    } else {
      for (const name of this.#touched.chains)
        if (!this.#chains.has(name) && this.#inForce.chains.has(name)) yield name;
    }
  }

  #pendingElements(): Pick<TableChange, 'addElements' | 'removeElements'> {
    const addElements = new Map<string, Map<string, string>>();
    const removeElements = new Map<string, string[]>();
    for (const [container, touched] of this.#touched.elements) {
      const current = this.#inForce.elements.get(container);
      const add = new Map<string, string>();
      const remove: string[] = [];
      for (const key of touched) {
        const [wanted, tail] = [this.#wanted(container, key), current?.get(key)];
        if (wanted === tail) continue;
        if (tail !== undefined) remove.push(key);
        if (wanted !== undefined) add.set(key, wanted);
      }
      if (add.size > 0) addElements.set(container, add);
      // Elements go with the set that they are in.
      if (remove.length > 0 && this.#sets.has(container)) removeElements.set(container, remove);
    }
    return { addElements, removeElements };
  }

  /** The kernel has accepted what `pending` returned. */
  written(change: TableChange): void {
    const { sets, chains, elements } = this.#inForce;
    for (const [name, declaration] of change.addSets) sets.set(name, declaration.startsWith('map') ? 'map' : 'set');
    for (const name of change.removeSets.keys()) {
      sets.delete(name);
      elements.delete(name);
    }
    for (const name of [...change.addChains, ...change.flushChains]) chains.set(name, '');
    for (const [name, rules] of change.rules) chains.set(name, signatureOf(rules));
    for (const name of change.removeChains) {
      chains.delete(name);
      this.#stale.delete(name);
    }
    for (const [container, keys] of change.removeElements) for (const key of keys) elements.get(container)?.delete(key);
    for (const [container, added] of change.addElements) {
      const current = elements.get(container) ?? new Map<string, string>();
      elements.set(container, current);
      for (const [key, tail] of added) current.set(key, tail);
    }
    this.#noteStale(this.#touched.chains);
    for (const touched of Object.values(this.#touched)) touched.clear();
  }

  #noteStale(names: Iterable<string>): void {
    for (const name of names) {
      if (this.#chains.has(name) || !this.#inForce.chains.has(name)) this.#stale.delete(name);
      else if (!this.#stale.has(name)) this.#stale.set(name, this.#options.now());
    }
  }

  /**
   * Learns what the kernel has: what differs from it is pending.
   * @returns the units that the kernel does not have, or has otherwise.
   */
  adopt({ sets, chains, elements }: TableState): TableUnits {
    this.#addObjects({ sets: new Map(), chains: this.#options.chains() });
    const { sets: setsInForce, chains: chainsInForce } = this.#inForce;
    setsInForce.clear();
    chainsInForce.clear();
    for (const [name, kind] of sets) setsInForce.set(name, kind);
    for (const [name, signature] of chains) chainsInForce.set(name, signature);
    this.#touched.sets = new Set([...sets.keys(), ...this.#sets.keys()]);
    this.#touched.chains = new Set([...chains.keys(), ...this.#chains.keys()]);
    this.#noteStale([...this.#stale.keys(), ...chains.keys()]);
    this.#adoptElements(elements);
    return new Map([...this.#units].filter(([key, unit]) => !this.#isInForce(key, unit)));
  }

  #adoptElements(read: TableState['elements']): void {
    const { elements: inForce } = this.#inForce;
    inForce.clear();
    this.#touched.elements.clear();
    for (const container of new Set([...read.keys(), ...this.#claims.keys()])) {
      const [found, claims] = [read.get(container), this.#claims.get(container)];
      const current = new Map<string, string>();
      inForce.set(container, current);
      for (const [key, claim] of claims ?? []) {
        const tail = found?.get(key);
        const wanted = claim[0]?.tail;
        // The text of our own is kept: that of the kernel would keep all that was read in memory.
        if (wanted !== undefined && tail === wanted) current.set(key, wanted);
        else {
          if (tail !== undefined) current.set(key, tail);
          this.#touch(container, key);
        }
      }
      for (const [key, tail] of found ?? []) {
        if (claims?.has(key)) continue;
        current.set(key, tail);
        this.#touch(container, key);
      }
    }
  }

  #isInForce(unit: string, { sets, chains, elements }: TableUnit): boolean {
    const inForce = this.#inForce;
    return (
      [...sets.keys()].every((name) => inForce.sets.has(name)) &&
      [...chains].every(([name, rules]) => inForce.chains.get(name) === signatureOf(rules)) &&
      elements.every(({ container, key }) => {
        const [first] = this.#claims.get(container)?.get(key) ?? [];
        return first?.unit !== unit || inForce.elements.get(container)?.get(key) === first.tail;
      })
    );
  }
}
