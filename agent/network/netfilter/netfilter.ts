/**
 * The one owner of the host's netfilter tables of one IP family. Whoever has rules (Services, policy) registers as an owner of
 * chains and hands in units; what all of them have changed goes to the kernel in one transaction, as the difference from what it
 * has. No owner and no unit can keep the rules of another out: a rejected transaction is bisected until the unit at fault is
 * alone. Open connections are not affected by any of it.
 */
import type { IpFamily } from '../../../api/domain/address.ts';
import { compareText } from '../../../api/machinery/compare-text.ts';
import { ProgramError } from '../../host/run.ts';
import { report, since, wordsOf, type WrittenRules } from '../../recorder/report.ts';
import { admitAll } from './bisect.ts';
import {
  isMissing,
  isRejection,
  readSaved,
  removalInput,
  restoreInput,
  type Iptables,
  type OwnerChange,
} from './iptables.ts';
import { isEmpty, Ledger } from './ledger.ts';
import type { WatchedChain } from './rule-watch.ts';
import { TABLES, type OwnerSpec, type Rule, type RuleUnit, type RuleUnits, type Table } from './rules.ts';

export interface ApplyResult {
  /** Whether the kernel's rules of this owner had to be changed. */
  readonly wrote: boolean;
  /** Units that are left out because their rules are rejected, with the program's words. All others are in force. */
  readonly rejected: ReadonlyMap<string, ProgramError>;
}

interface Item {
  readonly owner: Owner;
  /** Undefined for an owner without units: its frame alone. */
  readonly key: string | undefined;
  readonly unit: RuleUnit | undefined;
}

/** One transaction and what became of it, whole or in halves. */
interface Outcome {
  readonly wrote: Set<Owner>;
  readonly rejected: Map<Owner, Map<string, ProgramError>>;
  /** Owners whose rules are rejected with no unit at fault. */
  readonly failed: Map<Owner, Error>;
}

interface Queued {
  readonly units: Map<string, RuleUnit | undefined>;
  readonly result: PromiseWithResolvers<ApplyResult>;
}

export class Netfilter {
  readonly #iptables: Iptables;
  readonly #owners: Owner[] = [];
  readonly #queue = new Map<Owner, Queued>();
  /** Settles when the last access that was asked for is over: accesses follow each other. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(iptables: Iptables) {
    this.#iptables = iptables;
  }

  get family(): IpFamily {
    return this.#iptables.family;
  }

  /** Throws when chains of the owner could be taken for those of another. */
  register(spec: OwnerSpec): NetfilterOwner {
    for (const { spec: other } of this.#owners) {
      if (other.prefix.startsWith(spec.prefix) || spec.prefix.startsWith(other.prefix))
        throw new Error(`chains ${spec.prefix}* of ${spec.name} overlap with ${other.prefix}* of ${other.name}`);
    }
    const owner = new Owner(spec);
    this.#owners.push(owner);
    return {
      watched: spec.jumps.map(({ table, chain }) => ({ family: NFT_FAMILIES[this.family], table, chain })),
      apply: (units) => this.#apply(owner, units),
      ruleCounts: () => ({ total: ownedBy(owner), last: owner.lastWritten }),
      verify: () => this.#exclusive(() => this.#verify(owner)),
      remove: () => this.#exclusive(() => this.#remove(owner)),
    };
  }

  #exclusive<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#last.then(action);
    this.#last = result.catch(() => undefined);
    return result;
  }

  #apply(owner: Owner, units: RuleUnits): Promise<ApplyResult> {
    const queued = this.#queue.get(owner) ?? { units: new Map(), result: Promise.withResolvers<ApplyResult>() };
    for (const [key, unit] of units) queued.units.set(key, unit);
    // What comes while a transaction is under way shares the next one.
    if (this.#queue.size === 0) void this.#exclusive(() => this.#commitQueue());
    this.#queue.set(owner, queued);
    return queued.result.promise;
  }

  async #commitQueue(): Promise<void> {
    const queue = new Map(this.#queue);
    this.#queue.clear();
    const outcome: Outcome = { wrote: new Set(), rejected: new Map(), failed: new Map() };
    const items: Item[] = [];
    const unknown: Owner[] = [];
    for (const [owner, { units }] of queue) {
      if (owner.isKnown) for (const item of itemsOf(owner, units)) items.push(item);
      else {
        owner.ledger.put(units);
        unknown.push(owner);
      }
    }
    try {
      // All units are on trial of which the kernel may not have the rules; those that it has stay in force meanwhile.
      for (const [owner, missing] of await this.#read(unknown)) {
        for (const key of missing.keys()) owner.ledger.put(new Map([[key, undefined]]));
        for (const item of itemsOf(owner, missing)) items.push(item);
      }
      const isReplaced = unknown.some(({ ledger }) => ledger.hasDoubtful);
      for (const some of isReplaced ? [items] : transactionsOf(items))
        await admitAll(some, {
          admit: (part) => this.#admit(part, outcome),
          leaveOut: (item, error) => this.#leaveOut(item, error, outcome),
          isRejection,
          isTooMuch: () => this.#answers(),
        });
    } catch (error) {
      for (const owner of queue.keys()) outcome.failed.set(owner, error as Error);
    }
    // The next transaction begins with all units of an owner that has failed.
    put(items.filter(({ owner }) => outcome.failed.has(owner)));
    for (const [owner, { result }] of queue) {
      const error = outcome.failed.get(owner);
      if (error) owner.isKnown = false;
      if (error) result.reject(error);
      else result.resolve({ wrote: outcome.wrote.has(owner), rejected: outcome.rejected.get(owner) ?? new Map() });
    }
  }

  /** Whether the program works at all. */
  async #answers(): Promise<boolean> {
    const [jump] = this.#owners.flatMap(({ spec }) => spec.jumps);
    if (jump) await this.#iptables.has(jump);
    return jump !== undefined;
  }

  /** Puts the items in force; what was in force before is when this throws. */
  async #admit(all: readonly Item[], outcome: Outcome): Promise<void> {
    const items = all.filter(({ owner }) => !outcome.failed.has(owner));
    if (items.length === 0) return;
    const before = put(items);
    try {
      await this.#write(new Set(items.map(({ owner }) => owner)), outcome);
    } catch (error) {
      put(before);
      throw error;
    }
  }

  /** Writes the owner's rules without the item; where these are rejected as well, it was not the item's fault. */
  async #leaveOut({ owner, key }: Item, error: ProgramError, outcome: Outcome): Promise<void> {
    if (key === undefined) {
      outcome.failed.set(owner, error);
      return;
    }
    put([{ owner, key, unit: undefined }]);
    try {
      await this.#write(new Set([owner]), outcome);
    } catch (second) {
      if (!isRejection(second)) throw second;
      outcome.failed.set(owner, second);
      return;
    }
    const rejected = outcome.rejected.get(owner) ?? new Map<string, ProgramError>();
    outcome.rejected.set(owner, rejected.set(key, error));
  }

  /** One transaction with all that is pending of the owners. Throws ProgramError. */
  async #write(owners: ReadonlySet<Owner>, outcome: Outcome): Promise<void> {
    await this.#read([...owners].filter(({ isKnown }) => !isKnown));
    const startedAt = performance.now();
    const changes = new Map<Owner, OwnerChange>();
    for (const owner of owners) changes.set(owner, { change: owner.ledger.pending(), jumps: owner.missingJumps });
    try {
      const input = restoreInput([...changes.values()]);
      if (input !== '') await this.#iptables.restore(input);
      if (input !== '') report({ kind: 'rules', rules: writtenRules(changes), ms: since(startedAt) }, null);
    } catch (error) {
      report({ kind: 'rules', rules: writtenRules(changes), ms: since(startedAt), error: wordsOf(error) }, null);
      for (const [owner, { change, jumps }] of changes) {
        owner.ledger.failed(change);
        // One table may have been written all the same: no jump must be there twice, and no doubt be a reason to write more.
        if (jumps.length > 0 || (error instanceof ProgramError && error.wasKilled)) owner.isKnown = false;
      }
      throw error;
    }
    for (const [owner, { change, jumps }] of changes) {
      owner.ledger.written(change);
      owner.missingJumps = [];
      if (jumps.length === 0 && isEmpty(change)) continue;
      outcome.wrote.add(owner);
      owner.lastWritten = { nat: rulesIn(change, 'nat'), filter: rulesIn(change, 'filter') };
    }
  }

  /** Learns what the kernel has of the owners' chains. Returns the units of each that the kernel lacks. */
  async #read(owners: readonly Owner[]): Promise<ReadonlyMap<Owner, RuleUnits>> {
    const missing = new Map<Owner, RuleUnits>();
    if (owners.length === 0) return missing;
    const [nat, filter] = [await this.#iptables.save('nat'), await this.#iptables.save('filter')];
    for (const owner of owners) {
      const { spec, ledger } = owner;
      const saved = { nat: readSaved(nat, spec.prefix), filter: readSaved(filter, spec.prefix) };
      missing.set(owner, ledger.adopt({ nat: saved.nat.chains, filter: saved.filter.chains }));
      owner.missingJumps = spec.jumps.filter((jump) => isMissing(jump, saved[jump.table]));
      owner.isKnown = true;
    }
    return missing;
  }

  async #verify(owner: Owner): Promise<boolean> {
    if (!owner.isKnown) return false;
    for (const table of TABLES) {
      const probe = owner.spec.jumps.find((jump) => jump.table === table);
      if (probe && !(await this.#iptables.has(probe))) return (owner.isKnown = false);
    }
    return true;
  }

  async #remove(owner: Owner): Promise<void> {
    owner.isKnown = false;
    let input = '';
    for (const table of TABLES)
      input += removalInput(table, readSaved(await this.#iptables.save(table), owner.spec.prefix));
    if (input !== '') await this.#iptables.restore(input);
  }
}

/** As nftables calls the families, whose tables iptables-nft uses. */
const NFT_FAMILIES: Readonly<Record<IpFamily, WatchedChain['family']>> = { IPv4: 'ip', IPv6: 'ip6' };

export interface RuleCounts {
  readonly total: Readonly<Record<Table, number>>;
  /** By the transaction that was the last. */
  readonly last: Readonly<Record<Table, number>>;
}

/** What an owner does with its rules. All methods throw ProgramError when the kernel cannot be accessed. */
export interface NetfilterOwner {
  /** The chains that have its jumps. */
  readonly watched: readonly WatchedChain[];
  /**
   * Adds, changes and removes units, together with what other owners ask for meanwhile. When this throws, the units are kept,
   * and the next call compares all of them with what the kernel has.
   */
  apply(units: RuleUnits): Promise<ApplyResult>;
  /** The rules that the kernel has of the owner, and those that were written last. */
  ruleCounts(): RuleCounts;
  /**
   * Whether the kernel still leads to the owner's chains: a firewall that was reloaded has removed them. Otherwise the next
   * `apply` restores what is missing.
   */
  verify(): Promise<boolean>;
  /** Removes the owner's chains and jumps from the kernel, those of earlier processes, too. The units are kept. */
  remove(): Promise<void>;
}

class Owner {
  readonly spec: OwnerSpec;
  readonly ledger: Ledger;
  /** Whether the ledger knows what the kernel has. */
  isKnown = false;
  lastWritten: RuleCounts['last'] = { nat: 0, filter: 0 };
  /** Those that the kernel does not have. */
  missingJumps: readonly Rule[] = [];

  constructor(spec: OwnerSpec) {
    this.spec = spec;
    this.ledger = new Ledger(spec.frame);
  }
}

const rulesIn = (change: OwnerChange['change'], table: Table): number =>
  change[table].write.values().reduce((sum, rules) => sum + rules.length, 0);

/** What was written of each owner that had something to write. */
const writtenRules = (changes: ReadonlyMap<Owner, OwnerChange>): WrittenRules[] =>
  [...changes].flatMap(([{ spec }, { change, jumps }]) => {
    if (jumps.length === 0 && isEmpty(change)) return [];
    const chains = TABLES.reduce((sum, table) => sum + change[table].write.size, 0);
    const gone = TABLES.reduce((sum, table) => sum + [...change[table].remove].length, 0);
    const rules = TABLES.reduce((sum, table) => sum + rulesIn(change, table), jumps.length);
    return [{ owner: spec.name, changed: `${rules} rules in ${chains} chains written, ${gone} chains removed` }];
  });

const ownedBy = ({ ledger }: Owner): RuleCounts['total'] => ({
  nat: ledger.ruleCount('nat'),
  filter: ledger.ruleCount('filter'),
});

/** Never empty: the frame of an owner is written, too. */
function itemsOf(owner: Owner, units: RuleUnits): Item[] {
  if (units.size === 0) return [{ owner, key: undefined, unit: undefined }];
  return Array.from(units, ([key, unit]) => ({ owner, key, unit }));
}

/**
 * iptables-restore of nftables takes a time that grows with the square of what it is given: 0.1 s of CPU for 5,000 lines, and 2.2 s for
 * 20,000. Units are whole in a transaction, and those with rules in one chain are together, as the chain is written each time.
 * Not for rules that take the place of others which the ledger has not made: they would be removed with the first transaction already.
 */
function transactionsOf(items: readonly Item[]): Item[][] {
  if (items.reduce((sum, item) => sum + linesOf(item), 0) <= MAX_LINES) return [[...items]];
  const placeOf = ({ unit }: Item): string => unit?.shared[0]?.chain ?? '';
  const sorted = items.map((item) => ({ item, place: placeOf(item) })).sort((a, b) => compareText(a.place, b.place));
  const transactions: Item[][] = [];
  let lines = MAX_LINES;
  for (const { item } of sorted) {
    if (lines >= MAX_LINES) {
      transactions.push([]);
      lines = 0;
    }
    transactions.at(-1)?.push(item);
    lines += linesOf(item);
  }
  return transactions;
}

/** Of one transaction: some 400 Services of two endpoints. */
const MAX_LINES = 4_500;

function linesOf({ unit }: Item): number {
  if (!unit) return 1;
  let lines = unit.shared.length;
  for (const table of TABLES) for (const rules of unit.chains[table].values()) lines += 1 + rules.length;
  return lines;
}

/** Returns the items as they were before, in the same order. */
function put(items: readonly Item[]): Item[] {
  return items.map((item) => {
    const { owner, key, unit } = item;
    if (key === undefined) return item;
    return { owner, key, unit: owner.ledger.put(new Map([[key, unit]])).get(key) };
  });
}
