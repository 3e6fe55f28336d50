/**
 * What owners hand to netfilter. Rules are written the way iptables-save prints them, so that what the kernel has can be compared
 * with what is wanted as text; a rule written otherwise is correct, but is rewritten each time that the kernel is read.
 */
export type Table = 'nat' | 'filter';
export const TABLES: readonly Table[] = ['nat', 'filter'];

/** Chains of one table: name -> rules without their `-A CHAIN`. */
export type Chains = ReadonlyMap<string, readonly string[]>;
export type RuleSet = Readonly<Record<Table, Chains>>;

/** One rule and the chain that it is in. */
export interface Rule {
  readonly table: Table;
  readonly chain: string;
  readonly rule: string;
}

/**
 * The rules of one object (a Service): chains of its own, and rules in chains that it shares with other units of its owner. A
 * transaction that the kernel rejects is bisected by units.
 */
export interface RuleUnit {
  readonly chains: RuleSet;
  readonly shared: readonly Rule[];
}

/** By the object's key; undefined for one that has no rules. */
export type RuleUnits = ReadonlyMap<string, RuleUnit | undefined>;

export interface OwnerSpec {
  /** In errors. */
  readonly name: string;
  /** Of its chains' names. Every chain with this prefix is the owner's, whoever made it: what is not wanted is removed. */
  readonly prefix: string;
  /** Rules in the kernel's own chains that lead to the owner's; each is inserted first where it is missing. */
  readonly jumps: readonly Rule[];
  /**
   * The owner's chains of one table that belong to no unit. Called for each transaction.
   * @param shared the shared chains that units have rules in.
   */
  readonly frame: (table: Table, shared: Iterable<string>) => Chains;
}

/** Comments of ours need no escaping: they are made of DNS names and fixed text. */
export const comment = (text: string): string => `-m comment --comment "${text}"`;
