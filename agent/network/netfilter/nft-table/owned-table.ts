/** A table of nftables that one part of the agent owns as a whole: each change is written as the difference, in one transaction. */
import { release } from 'node:os';
import type { ProgramError } from '../../../host/run.ts';
import { isNftRejection, type Nft, type NftTable } from '../nft.ts';
import { reportedRules } from '../../../recorder/reported-rules.ts';
import type { UnitDriver } from '../owned-units.ts';
import { TableLedger, type LedgerOptions, type TableChange, type TableState } from './table-ledger.ts';
import { changeCommands, emptyTableCommands, readTable, tableCommands, usesKnownMaps } from './table-text.ts';
import type { Chains, TableUnit, TableUnits } from './table-unit.ts';

export interface TableLayout extends Pick<LedgerOptions, 'sets' | 'chains' | 'objectsOf'> {
  readonly table: NftTable;
  /** Of the chains that the kernel itself leads to: name -> hook. */
  readonly hooks: Chains;
  /**
   * The name of a chain that leads nowhere and says how the table is laid out: a table without it is another program's, or that of
   * another version. It is replaced as a whole, in the transaction that fills it.
   */
  readonly mark: string;
}

/** From Linux 6.2 on, chains can be removed in the transaction that removes the elements which led to them; before, a moment later. */
const RELEASES_AT_ONCE = [6, 2] as const;
const LATE_RELEASE_MS = 1_000;

/** @param kernel as `uname -r` prints it */
function chainReleaseOf(kernel: string): number {
  const [major = 0, minor = 0] = kernel.split(/\D/, 2).map(Number);
  const [sinceMajor, sinceMinor] = RELEASES_AT_ONCE;
  return major > sinceMajor || (major === sinceMajor && minor >= sinceMinor) ? 0 : LATE_RELEASE_MS;
}

const NOTHING: TableState = { sets: new Map(), chains: new Map(), elements: new Map() };

/** All methods that access the kernel throw ProgramError. */
export class OwnedTable implements UnitDriver<TableUnit> {
  readonly #nft: Nft;
  readonly #layout: TableLayout;
  readonly #ledger: TableLedger;
  /** Whether there is no table of this layout. */
  #isMissing = true;

  /** @param chainReleaseMs how long the kernel keeps chains that elements of a map have led to */
  constructor(nft: Nft, layout: TableLayout, chainReleaseMs: number = chainReleaseOf(release())) {
    this.#nft = nft;
    this.#layout = layout;
    this.#ledger = new TableLedger({ ...layout, chainReleaseMs, now: () => performance.now() });
  }

  put(units: TableUnits): TableUnits {
    return this.#ledger.put(units);
  }

  async read(): Promise<TableUnits> {
    const { table, mark } = this.#layout;
    const objects = await this.#nft.list(table);
    const state = objects && readTable(objects);
    this.#isMissing = !state?.chains.has(mark);
    return this.#ledger.adopt(state && !this.#isMissing ? state : NOTHING);
  }

  isPending(): boolean {
    return this.#ledger.pending() !== undefined;
  }

  /** One transaction with all that is pending, or none of it. */
  async write(): Promise<boolean> {
    let change = this.#ledger.pending();
    if (change && !this.#isMissing && usesKnownMaps(change)) {
      this.#isMissing = true;
      this.#ledger.adopt(NOTHING);
      change = this.#ledger.pending();
    }
    if (!change) return false;
    const { table, hooks } = this.#layout;
    await reportedRules(`${table.family} ${table.name}`, changeText(change), () =>
      this.#nft.applyCommands([
        ...(this.#isMissing ? emptyTableCommands(table) : []),
        ...changeCommands(table, hooks, change),
      ]),
    );
    this.#isMissing = false;
    this.#ledger.written(change);
    return true;
  }

  async probe(): Promise<void> {
    await this.#nft.applyCommands(tableCommands(this.#layout.table));
  }

  isRejection(error: unknown): error is ProgramError {
    return isNftRejection(error);
  }

  /** Removes the table, that of an earlier process, too. The units are kept. */
  async remove(): Promise<void> {
    await this.#nft.removeTable(this.#layout.table);
  }
}

/** How much a change has of what. */
function changeText(change: TableChange): string {
  const sum = (parts: Iterable<{ readonly size: number } | { readonly length: number }>): number => {
    let count = 0;
    for (const part of parts) count += 'size' in part ? part.size : part.length;
    return count;
  };
  const chains = `${change.rules.size} chains written, ${change.removeChains.length} removed`;
  return `${chains}; ${sum(change.addElements.values())} elements added, ${sum(change.removeElements.values())} removed`;
}

/** Throws ProgramError when this host has no nft(8), or its kernel or nft(8) would not accept the table with the unit. */
export async function checkTable(nft: Nft, layout: TableLayout, probe: TableUnit): Promise<void> {
  const ledger = new TableLedger({ ...layout, chainReleaseMs: 0, now: () => 0 });
  ledger.put(new Map([['probe', probe]]));
  const change = ledger.pending();
  const { table, hooks } = layout;
  const commands = [...emptyTableCommands(table), ...(change ? changeCommands(table, hooks, change) : [])];
  await nft.check(commands.map((line) => `${line}\n`).join(''));
}
