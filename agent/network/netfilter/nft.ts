/**
 * Tables of nftables by way of nft(8). Nothing else runs this program, save what listens to it (`rule-watch.ts`, `packet-trace.ts`). A table belongs to one part of the agent as a
 * whole, so that its transactions touch nothing of others.
 */
import { isProgramMissing, ProgramError, run } from '../../host/run.ts';
import { NftSession } from './nft-session.ts';

export type NftFamily = 'ip' | 'ip6' | 'inet';

export interface NftTable {
  readonly family: NftFamily;
  readonly name: string;
}

/** 5,000 Services written at once take several seconds; a hung program is to be noticed all the same. */
const TIME_LIMIT_MS = 60_000;

/** Longer transactions take long enough by themselves to start a program for. */
const SESSION_LIMIT_CHARACTERS = 16_384;
/** Of a program's words, as it repeats the whole command that is wrong, of whatever length. */
const MAX_ERROR_LINES = 6;
const MAX_ERROR_LINE = 200;

/** The first line of a chain that the kernel itself leads to. */
const HOOK = /^\t\ttype \w+ hook /;

/** All methods throw ProgramError with the program's own words when it fails. */
export class Nft {
  readonly #signal: AbortSignal;
  readonly #session: NftSession;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    this.#session = new NftSession(TIME_LIMIT_MS, signal);
  }

  /** One transaction: all of the commands or none of them. Each is one line. */
  async applyCommands(commands: readonly string[]): Promise<void> {
    const line = commands.join('; ');
    const isDone = line.length <= SESSION_LIMIT_CHARACTERS && (await withShortErrors(() => this.#session.run(line)));
    if (!isDone) await this.apply(commands.map((command) => `${command}\n`).join(''));
  }

  /** One transaction: all commands of `input`, in the language of nft(8), or none of them. */
  async apply(input: string): Promise<void> {
    await this.#run(['-f', '-'], input);
  }

  /** The chains of all tables, of whoever they are, as nft(8) prints them: their hooks and policies, without rules. */
  allChains(): Promise<string> {
    return this.#run(['list', 'chains']);
  }

  /** Whether this program and this kernel would accept the transaction. Nothing is changed. */
  async check(input: string): Promise<void> {
    await this.#run(['-c', '-f', '-'], input);
  }

  /** What the table has, as the objects of libnftables-json(5); undefined when there is no such table. */
  async list({ family, name }: NftTable): Promise<readonly unknown[] | undefined> {
    try {
      const stdout = await this.#run(['-j', 'list', 'table', family, name]);
      return (JSON.parse(stdout) as { nftables: readonly unknown[] }).nftables;
    } catch (error) {
      if (error instanceof ProgramError && error.stderr.includes('No such file or directory')) return undefined;
      throw error;
    }
  }

  /** The rules of each chain of the table, as the program prints them for people. */
  async listChains({ family, name }: NftTable): Promise<Map<string, string[]>> {
    const chains = new Map<string, string[]>();
    let rules: string[] | undefined;
    // Terse: without the elements of sets and maps.
    for (const line of (await this.#run(['-t', 'list', 'table', family, name])).split('\n')) {
      const chain = /^\tchain (\S+) \{$/.exec(line)?.[1];
      if (chain !== undefined) chains.set(chain, (rules = []));
      else if (line === '\t}') rules = undefined;
      else if (line.startsWith('\t\t') && !HOOK.test(line)) rules?.push(line.trim());
    }
    return chains;
  }

  /** Whether the chain is there and has rules. */
  async hasRules({ family, name }: NftTable, chain: string): Promise<boolean> {
    try {
      const stdout = await this.#run(['-j', 'list', 'chain', family, name, chain]);
      const { nftables } = JSON.parse(stdout) as { nftables: readonly object[] };
      return nftables.some((entry) => 'rule' in entry);
    } catch (error) {
      if (error instanceof ProgramError && error.stderr.includes('No such file or directory')) return false;
      throw error;
    }
  }

  /** A table that is not there is no error, and neither is a host without nftables, which has none. */
  async removeTable({ family, name }: NftTable): Promise<void> {
    try {
      await this.applyCommands([`add table ${family} ${name}`, `delete table ${family} ${name}`]);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }

  async #run(args: readonly string[], input?: string): Promise<string> {
    const options = { timeoutMs: TIME_LIMIT_MS, signal: this.#signal };
    return withShortErrors(
      async () => (await run('nft', args, input === undefined ? options : { ...options, input })).stdout,
    );
  }
}

async function withShortErrors<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof ProgramError) || error.stderr.length <= MAX_ERROR_LINE) throw error;
    const words = error.stderr.split('\n').filter((line) => /[^\s^~]/.test(line));
    const stderr = words
      .slice(0, MAX_ERROR_LINES)
      .map((line) => line.slice(0, MAX_ERROR_LINE))
      .join('\n');
    const { exitCode, cause, wasKilled } = error;
    throw new ProgramError('nft', [], exitCode, wasKilled ? 'killed' : `exit code ${exitCode}`, stderr, {
      cause,
      wasKilled,
    });
  }
}

/** Whether the host has no nft(8), or its kernel no nftables. */
const isMissing = (error: unknown): boolean =>
  isProgramMissing(error) ||
  (error instanceof ProgramError && /Operation not supported|Protocol not supported/.test(error.stderr));

/** Other programs' transactions and want of memory: the next attempt may pass, whatever it writes. */
const TRANSIENT = /Interrupted system call|Try again|temporarily unavailable|Cannot allocate memory|No buffer space/;
/** Whether the program or the kernel has judged the transaction, of which a part may pass. */
export const isNftRejection = (error: unknown): error is ProgramError =>
  error instanceof ProgramError && error.exitCode !== null && !TRANSIENT.test(error.stderr);
