/**
 * Keeps the compiled rules of all Services and answers, for each change of some Services, which chains come, change and go.
 * Pure state: nothing here touches the kernel.
 */
import { baseChains, compileService, dispatchChains, type CompiledService, type Table } from './iptables-rules.ts';
import type { ServiceEntry } from './service-table.ts';

/** What to do to one table: chains to (re)write with their rules, and chains to remove. */
export interface TableChange {
  readonly write: ReadonlyMap<string, readonly string[]>;
  readonly remove: ReadonlySet<string>;
}
export type Change = Readonly<Record<Table, TableChange>>;

const TABLES: readonly Table[] = ['nat', 'filter'];

export class RuleBook {
  readonly #clusterCidr: string;
  readonly #compiled = new Map<string, CompiledService>();
  /** Shared chains: table -> chain -> Service -> its rules there. */
  readonly #shared: Readonly<Record<Table, Map<string, Map<string, string[]>>>> = { nat: new Map(), filter: new Map() };
  /** What was last handed out. */
  readonly #written: Readonly<Record<Table, Map<string, string>>> = { nat: new Map(), filter: new Map() };

  constructor(clusterCidr: string) {
    this.#clusterCidr = clusterCidr;
  }

  /** Puts Services in (an entry) or takes them out (undefined), and answers what has to be written for it. */
  update(services: ReadonlyMap<string, ServiceEntry | undefined>): Change {
    const touched: Record<Table, Set<string>> = { nat: new Set(), filter: new Set() };
    for (const [key, service] of services) {
      const old = this.#compiled.get(key);
      const next = service && compileService(service, this.#clusterCidr);
      if (next) this.#compiled.set(key, next);
      else this.#compiled.delete(key);
      for (const compiled of [old, next]) {
        for (const chain of compiled?.nat.keys() ?? []) touched.nat.add(chain);
        for (const { table, chain } of compiled?.dispatch ?? []) touched[table].add(chain);
      }
      for (const { table, chain } of old?.dispatch ?? []) {
        const rules = this.#shared[table].get(chain);
        rules?.delete(key);
        if (rules?.size === 0) this.#shared[table].delete(chain);
      }
      for (const { table, chain, rule } of next?.dispatch ?? []) {
        const byService = this.#shared[table].get(chain) ?? new Map<string, string[]>();
        this.#shared[table].set(chain, byService);
        byService.set(key, [...(byService.get(key) ?? []), rule]);
      }
    }
    const own = new Map([...services.keys()].flatMap((key) => [...(this.#compiled.get(key)?.nat ?? [])]));
    return {
      nat: this.#difference('nat', touched.nat, own),
      filter: this.#difference('filter', touched.filter, new Map()),
    };
  }

  /** Everything, as after nothing has been written yet: for a kernel whose rules are not known. */
  everything(): Change {
    const own = new Map([...this.#compiled.values()].flatMap((compiled) => [...compiled.nat]));
    for (const table of TABLES) this.#written[table].clear();
    const all = (table: Table) => [...this.#shared[table].keys(), ...(table === 'nat' ? own.keys() : [])];
    return {
      nat: this.#difference('nat', all('nat'), own),
      filter: this.#difference('filter', all('filter'), new Map()),
    };
  }

  #difference(table: Table, touched: Iterable<string>, own: ReadonlyMap<string, readonly string[]>): TableChange {
    const shared = this.#shared[table];
    const wanted = new Map<string, readonly string[] | undefined>();
    for (const chain of touched) {
      const rules = shared.get(chain);
      wanted.set(chain, rules ? [...rules.values()].flat() : own.get(chain));
    }
    for (const [chain, rules] of dispatchChains(table, shared.keys())) wanted.set(chain, rules);
    for (const [chain, rules] of baseChains(this.#clusterCidr)[table]) wanted.set(chain, rules);

    const written = this.#written[table];
    const write = new Map<string, readonly string[]>();
    const remove = new Set<string>();
    for (const [chain, rules] of wanted) {
      const text = rules?.join('\n');
      if (text === undefined) {
        if (written.delete(chain)) remove.add(chain);
      } else if (written.get(chain) !== text) {
        written.set(chain, text);
        write.set(chain, rules ?? []);
      }
    }
    return { write, remove };
  }
}

export const isEmpty = (change: Change): boolean =>
  TABLES.every((table) => change[table].write.size + change[table].remove.size === 0);
