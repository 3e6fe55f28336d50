/** The table of policies in this host's kernel: written as the difference from what it had, or whole when that is not known. */
import type { Nft, NftTable } from '../netfilter/nft.ts';
import { reportedRules } from '../../recorder/reported-rules.ts';
import type { WatchedChain } from '../netfilter/rule-watch.ts';
import { wholeTable } from './frame.ts';
import { changes, NO_CONTENT, type TableContent } from './table-content.ts';

const TABLE: NftTable = { family: 'inet', name: 'kedge-policy' };
export const POLICY_TABLE = `${TABLE.family} ${TABLE.name}`;
/** One that leads to all others: whoever flushes the table, or all tables, has emptied it. */
const PROBED_CHAIN = 'forward';
/** Others come and go with policies. */
const WATCHED_CHAINS = ['forward', 'input'];

/** All methods throw ProgramError when nft(8) fails; then what was in force before still is. */
export class PolicyTable {
  readonly watched: readonly WatchedChain[] = WATCHED_CHAINS.map((chain) => ({
    ...{ family: TABLE.family, table: TABLE.name, chain },
  }));
  readonly #nft: Nft;
  readonly #bridge: string;
  /** What the kernel has; undefined when that is not known. */
  #content: TableContent | undefined;

  /** @param bridge the pods', a name without quotes */
  constructor(nft: Nft, bridge: string) {
    this.#nft = nft;
    this.#bridge = bridge;
  }

  /** Resolves to whether the kernel's rules had to be changed. A node whose pods no policy selects has no table. */
  async apply(content: TableContent): Promise<boolean> {
    const before = this.#content;
    if (before === content) return false;
    this.#content = undefined;
    let input = '';
    if (content === NO_CONTENT) await reportedRules(POLICY_TABLE, 'removed', () => this.#nft.removeTable(TABLE));
    else {
      const isWhole = before === undefined || before === NO_CONTENT;
      input = isWhole ? wholeTable(POLICY_TABLE, this.#bridge, content) : changes(POLICY_TABLE, before, content);
      const changed = `${isWhole ? 'the whole table, ' : ''}${input.split('\n').length - 1} lines`;
      if (input !== '') await reportedRules(POLICY_TABLE, changed, () => this.#nft.apply(input));
    }
    this.#content = content;
    return content === NO_CONTENT || input !== '';
  }

  /** Whether the kernel still leads packets through the table; otherwise the next `apply` writes all of it. */
  async verify(): Promise<boolean> {
    if (this.#content === undefined) return false;
    if (this.#content === NO_CONTENT) return true;
    const isThere = await this.#nft.hasRules(TABLE, PROBED_CHAIN);
    if (!isThere) this.#content = undefined;
    return isThere;
  }

  /** The next `apply` writes the whole table. */
  forget(): void {
    this.#content = undefined;
  }
}

/** Removes the table of any agent from this host. */
export const removePolicyTable = (nft: Nft): Promise<void> => nft.removeTable(TABLE);
