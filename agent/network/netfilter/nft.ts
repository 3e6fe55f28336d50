/**
 * Tables of nftables by way of nft(8). Nothing else in the agent runs this program. A table belongs to one part of the agent as a
 * whole, so that its transactions touch nothing of others.
 */
import { ProgramError, run } from '../../host/run.ts';

export type NftFamily = 'ip' | 'ip6' | 'inet';

export interface NftTable {
  readonly family: NftFamily;
  readonly name: string;
}

/** 5,000 Services written at once take several seconds; a hung program is to be noticed all the same. */
const TIME_LIMIT_MS = 60_000;

/** All methods throw ProgramError with the program's own words when it fails. */
export class Nft {
  readonly #signal: AbortSignal;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** One transaction: all commands of `input`, in the language of nft(8), or none of them. */
  async apply(input: string): Promise<void> {
    await run('nft', ['-f', '-'], { input, timeoutMs: TIME_LIMIT_MS, signal: this.#signal });
  }

  /** What the table has, as the objects of libnftables-json(5); undefined when there is no such table. */
  async list({ family, name }: NftTable): Promise<readonly unknown[] | undefined> {
    const options = { timeoutMs: TIME_LIMIT_MS, signal: this.#signal };
    try {
      const { stdout } = await run('nft', ['-j', 'list', 'table', family, name], options);
      return (JSON.parse(stdout) as { nftables: readonly unknown[] }).nftables;
    } catch (error) {
      if (error instanceof ProgramError && error.stderr.includes('No such file or directory')) return undefined;
      throw error;
    }
  }
}
