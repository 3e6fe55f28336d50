/**
 * The tables of one IP family by way of iptables-restore, iptables-save and iptables (or their ip6tables siblings), whichever of
 * nft and legacy the host uses. Nothing else runs these programs, save `iptables-trace.ts`, which reads.
 */
import type { IpFamily } from '../../../api/domain/address.ts';
import { isProgramMissing, ProgramError, run } from '../../host/run.ts';
import type { Change } from './ledger.ts';
import { TABLES, type Rule, type Table } from './rules.ts';

const PROGRAMS: Readonly<Record<IpFamily, string>> = { IPv4: 'iptables', IPv6: 'ip6tables' };
/** Others (docker, firewalld) may hold the lock of the legacy tables for a moment. */
const LOCK_WAIT_SECONDS = 5;
/** 5,000 Services written at once take several seconds; a hung program is to be noticed all the same. */
const TIME_LIMIT_MS = 60_000;

/**
 * Whether the host's iptables is the one without nftables, of whose rules the kernel tells nothing: not in a trace, and not when they
 * are removed. Throws ProgramError.
 */
export async function isLegacyIptables(family: IpFamily, signal: AbortSignal): Promise<boolean> {
  try {
    return (await run(PROGRAMS[family], ['-V'], { signal })).stdout.includes('legacy');
  } catch (error) {
    if (isProgramMissing(error)) return false;
    throw error;
  }
}

/** All methods throw ProgramError with the program's own words when it fails. */
export class Iptables {
  readonly family: IpFamily;
  readonly #program: string;
  readonly #signal: AbortSignal;

  constructor(family: IpFamily, signal: AbortSignal) {
    this.family = family;
    this.#program = PROGRAMS[family];
    this.#signal = signal;
  }

  /** One transaction per table of `input`; when a table is rejected, those before it may have been written. */
  async restore(input: string): Promise<void> {
    await run(`${this.#program}-restore`, ['--noflush', '-w', String(LOCK_WAIT_SECONDS)], {
      input,
      timeoutMs: TIME_LIMIT_MS,
      signal: this.#signal,
    });
  }

  /** Whether the programs would read the input, and the kernel accept it. Nothing is changed. */
  async test(input: string): Promise<void> {
    await run(`${this.#program}-restore`, ['--noflush', '--test', '-w', String(LOCK_WAIT_SECONDS)], {
      input,
      timeoutMs: TIME_LIMIT_MS,
      signal: this.#signal,
    });
  }

  async save(table: Table): Promise<string> {
    const options = { timeoutMs: TIME_LIMIT_MS, signal: this.#signal };
    return (await run(`${this.#program}-save`, ['-t', table], options)).stdout;
  }

  /** Whether the rule is there. */
  async has({ table, chain, rule }: Rule): Promise<boolean> {
    try {
      await run(this.#program, ['-w', String(LOCK_WAIT_SECONDS), '-t', table, '-C', chain, ...words(rule)], {
        signal: this.#signal,
      });
      return true;
    } catch (error) {
      if (error instanceof ProgramError && error.exitCode !== null) return false;
      throw error;
    }
  }
}

/** The lock of the legacy tables, which others hold: its exit code is that of a kernel that rejects rules of the nft tables. */
const LOCKED = /xtables lock/;
/** Whether the program or the kernel has judged the rules, which others may pass. */
export const isRejection = (error: unknown): error is ProgramError =>
  error instanceof ProgramError && error.exitCode !== null && !LOCKED.test(error.stderr);

/** Splits a rule into arguments; comments are the only ones in quotes. */
const words = (rule: string): string[] => (rule.match(/"[^"]*"|\S+/g) ?? []).map((word) => word.replace(/^"|"$/g, ''));

/** What is written for one owner. */
export interface OwnerChange {
  readonly change: Change;
  /** Jumps that are missing. */
  readonly jumps: readonly Rule[];
}

/** Input of iptables-restore that makes all changes; empty when there are none. */
export function restoreInput(changes: readonly OwnerChange[]): string {
  let input = '';
  for (const table of TABLES) {
    const lines: string[] = [];
    for (const { change } of changes)
      for (const chain of [...change[table].write.keys(), ...change[table].remove]) lines.push(`:${chain} - [0:0]`);
    for (const { change } of changes)
      for (const [chain, rules] of change[table].write) for (const rule of rules) lines.push(`-A ${chain} ${rule}`);
    for (const { jumps } of changes)
      for (const jump of jumps) if (jump.table === table) lines.push(`-I ${jump.chain} 1 ${jump.rule}`);
    for (const { change } of changes) for (const chain of change[table].remove) lines.push(`-X ${chain}`);
    if (lines.length > 0) input += `*${table}\n${lines.join('\n')}\nCOMMIT\n`;
  }
  return input;
}

/** What iptables-save printed of one table, as far as it concerns one owner. */
export interface SavedTable {
  /** The owner's chains -> rules, one per line. */
  readonly chains: Map<string, string>;
  /** Rules of other chains, with their `-A CHAIN`. */
  readonly others: readonly string[];
}

export function readSaved(saved: string, prefix: string): SavedTable {
  const rules = new Map<string, string[]>();
  const others: string[] = [];
  for (const line of saved.split('\n')) {
    if (line.startsWith(`:${prefix}`)) rules.set(line.slice(1, line.indexOf(' ')), []);
    if (!line.startsWith('-A ')) continue;
    const end = line.indexOf(' ', 3);
    const own = rules.get(line.slice(3, end));
    if (own) own.push(line.slice(end + 1));
    else others.push(line);
  }
  return { chains: new Map([...rules].map(([chain, lines]) => [chain, lines.join('\n')])), others };
}

/** Programs print a jump in their own way; chain and target are enough to know it. */
export const isMissing = ({ chain, rule }: Rule, { others }: SavedTable): boolean =>
  !others.some((line) => line.startsWith(`-A ${chain} `) && line.endsWith(rule.slice(rule.lastIndexOf(' -j '))));

/** Input of iptables-restore that removes the owner's chains, and every jump to them, be it one of an earlier version. */
export function removalInput(table: Table, { chains, others }: SavedTable): string {
  if (chains.size === 0) return '';
  const jumps = others.filter((line) => chains.has(/ -[jg] (\S+)$/.exec(line)?.[1] ?? ''));
  const lines = [
    ...[...chains.keys()].map((chain) => `:${chain} - [0:0]`),
    ...jumps.map((jump) => jump.replace('-A', '-D')),
    ...[...chains.keys()].map((chain) => `-X ${chain}`),
  ];
  return `*${table}\n${lines.join('\n')}\nCOMMIT\n`;
}
