/** Tells the kernel: one `iptables-restore` transaction a change, for whichever of nft and legacy the host uses. */
import { ProgramError, run } from '../host/run.ts';
import { JUMPS, type Table } from './iptables-rules.ts';
import type { Change } from './rule-book.ts';

const TABLES: readonly Table[] = ['nat', 'filter'];
/** Others (docker, firewalld) may hold the lock of the legacy tables for a moment. */
const LOCK_WAIT_SECONDS = 5;
/** 5,000 Services written at once take a second or two here; a hung tool is to be noticed all the same. */
const TIME_LIMIT_MS = 60_000;

type Jump = (typeof JUMPS)[number];

export class Iptables {
  readonly #signal: AbortSignal;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** Throws ProgramError with the tool's own words; then nothing of the change is in force. */
  async apply(change: Change, jumps: readonly Jump[] = []): Promise<void> {
    const input = restoreInput(change, jumps);
    if (input !== '') await this.#restore(input);
  }

  async #restore(input: string): Promise<void> {
    await run('iptables-restore', ['--noflush', '-w', String(LOCK_WAIT_SECONDS)], {
      input,
      timeoutMs: TIME_LIMIT_MS,
      signal: this.#signal,
    });
  }

  /**
   * Writes everything anew, whatever is there: our chains that are no longer wanted go, and the jumps to ours come where they
   * are missing. Connections that are open are not touched by any of it.
   */
  async replace(everything: Change): Promise<void> {
    const jumps: Jump[] = [];
    const stale = async (table: Table): Promise<Set<string>> => {
      const saved = await this.#save(table);
      const lines = saved.split('\n');
      jumps.push(...JUMPS.filter((jump) => jump.table === table && !lines.some((line) => isJump(line, jump))));
      return ourChains(saved).difference(new Set(everything[table].write.keys()));
    };
    const change = {
      nat: { write: everything.nat.write, remove: await stale('nat') },
      filter: { write: everything.filter.write, remove: await stale('filter') },
    };
    await this.apply(change, jumps);
  }

  /** Whether the kernel's chains still lead to ours: a firewall that was reloaded takes them away. */
  async isIntact(): Promise<boolean> {
    const probes = TABLES.flatMap((table) => JUMPS.filter((jump) => jump.table === table).slice(0, 1));
    for (const { table, chain, rule } of probes) {
      try {
        await run('iptables', ['-w', String(LOCK_WAIT_SECONDS), '-t', table, '-C', chain, ...words(rule)], {
          signal: this.#signal,
        });
      } catch (error) {
        if (error instanceof ProgramError && error.exitCode !== null) return false;
        throw error;
      }
    }
    return true;
  }

  /** Takes all of ours out of the kernel, and every jump to it, be it one of an earlier version. */
  async remove(): Promise<void> {
    let input = '';
    for (const table of TABLES) input += removalInput(table, await this.#save(table));
    if (input !== '') await this.#restore(input);
  }

  async #save(table: Table): Promise<string> {
    return (await run('iptables-save', ['-t', table], { timeoutMs: TIME_LIMIT_MS, signal: this.#signal })).stdout;
  }
}

/** The chains with our names in what iptables-save printed. */
const ourChains = (saved: string): Set<string> =>
  new Set([...saved.matchAll(/^:(KUBE-[A-Z0-9-]+) /gm)].map(([, chain = '']) => chain));

/** Splits a rule into arguments; our comments are the only ones in quotes. */
const words = (rule: string): string[] => (rule.match(/"[^"]*"|\S+/g) ?? []).map((word) => word.replace(/^"|"$/g, ''));

/** iptables-save writes rules in its own way; chain and target are enough to know a jump of ours. */
const isJump = (line: string, { chain, rule }: Jump): boolean =>
  line.startsWith(`-A ${chain} `) && line.endsWith(rule.slice(rule.lastIndexOf(' -j ')));

function restoreInput(change: Change, jumps: readonly Jump[]): string {
  let input = '';
  for (const table of TABLES) {
    const { write, remove } = change[table];
    const ours = jumps.filter((jump) => jump.table === table);
    if (write.size + remove.size + ours.length === 0) continue;
    const lines = [`*${table}`];
    for (const chain of [...write.keys(), ...remove]) lines.push(`:${chain} - [0:0]`);
    for (const [chain, rules] of write) for (const rule of rules) lines.push(`-A ${chain} ${rule}`);
    for (const { chain, rule } of ours) lines.push(`-I ${chain} 1 ${rule}`);
    for (const chain of remove) lines.push(`-X ${chain}`);
    lines.push('COMMIT');
    input += `${lines.join('\n')}\n`;
  }
  return input;
}

/** `saved` is what iptables-save printed: its rules can be told to go as they stand there. */
function removalInput(table: Table, saved: string): string {
  const chains = ourChains(saved);
  if (chains.size === 0) return '';
  const isOurs = ([, chain, target]: RegExpMatchArray): boolean => !chains.has(chain ?? '') && chains.has(target ?? '');
  const jumps = [...saved.matchAll(/^-A (\S+) .*-[jg] (\S+)$/gm)].filter(isOurs).map(([rule]) => rule);
  const lines = [`*${table}`];
  for (const chain of chains) lines.push(`:${chain} - [0:0]`);
  for (const jump of jumps) lines.push(jump.replace('-A', '-D'));
  for (const chain of chains) lines.push(`-X ${chain}`);
  lines.push('COMMIT');
  return `${lines.join('\n')}\n`;
}
