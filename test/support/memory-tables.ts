/** The tables of one IP family in memory: they accept what iptables-restore does, as far as the agent writes it. */
import { ProgramError } from '../../agent/host/run.ts';
import { Iptables } from '../../agent/network/netfilter/iptables.ts';
import { TABLES, type Rule, type Table } from '../../agent/network/netfilter/rules.ts';
import type { IpFamily } from '../../api/domain/address.ts';

type Chains = Map<string, string[]>;

/** As every kernel has them. */
const BUILT_IN: Readonly<Record<Table, readonly string[]>> = {
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
};

const programFailed = (exitCode: number | null, stderr: string): ProgramError =>
  new ProgramError('iptables-restore', ['--noflush'], exitCode, `exit code ${exitCode}`, stderr);

export class MemoryTables extends Iptables {
  readonly tables = new Map<Table, Chains>();
  /** The inputs of iptables-restore, those that were rejected, too. */
  readonly inputs: string[] = [];
  /** Rules with this text are rejected. */
  rejects: string | undefined;
  /** It takes too long with more characters than this. */
  maxInput = Infinity;
  /** The program cannot be run. */
  isBroken = false;
  /** Awaited by each transaction before it is judged. */
  gate: Promise<void> = Promise.resolve();

  constructor(family: IpFamily = 'IPv4') {
    super(family, new AbortController().signal);
    this.flush();
  }

  /** What a firewall does that is reloaded. */
  flush(): void {
    for (const table of TABLES)
      this.tables.set(table, new Map(BUILT_IN[table].map((chain) => [chain, []] as [string, string[]])));
  }

  rules(table: Table, chain: string): readonly string[] | undefined {
    return this.tables.get(table)?.get(chain);
  }

  override async restore(input: string): Promise<void> {
    this.inputs.push(input);
    await this.gate;
    if (input.length > this.maxInput)
      throw new ProgramError('iptables-restore', [], null, 'killed by SIGKILL', '', { wasKilled: true });
    if (this.isBroken) throw programFailed(null, 'not found');
    let name: Table = 'nat';
    let chains: Chains = new Map();
    for (const line of input.trimEnd().split('\n')) {
      if (line.startsWith('*')) {
        name = TABLES.find((table) => line === `*${table}`) ?? this.#fail(line);
        chains = new Map([...(this.tables.get(name) ?? [])].map(([chain, rules]) => [chain, [...rules]]));
      } else if (line === 'COMMIT') this.tables.set(name, chains);
      else this.#execute(chains, line);
    }
  }

  #execute(chains: Chains, line: string): void {
    if (this.rejects !== undefined && line.includes(this.rejects)) this.#fail(line);
    const declared = /^:(\S+) - \[0:0\]$/.exec(line)?.[1];
    if (declared !== undefined) return void chains.set(declared, []);
    const [, verb, chain = '', rest = ''] = /^-([AIDX]) (\S+) ?(.*)$/.exec(line) ?? this.#fail(line);
    const rules = chains.get(chain) ?? this.#fail(line);
    const target = / -[jg] (KUBE-\S+)$/.exec(` ${rest}`)?.[1];
    if (verb !== 'D' && target !== undefined && !chains.has(target)) this.#fail(line);
    if (verb === 'A') rules.push(rest);
    else if (verb === 'I') rules.unshift(rest.replace(/^1 /, ''));
    else if (verb === 'D') rules.splice(rules.indexOf(rest), 1);
    else chains.delete(chain);
  }

  #fail(line: string): never {
    throw programFailed(1, `Error occurred at: ${line}`);
  }

  override async save(table: Table): Promise<string> {
    if (this.isBroken) throw programFailed(null, 'not found');
    const chains = [...(this.tables.get(table) ?? [])];
    const rules = chains.flatMap(([chain, all]) => all.map((rule) => `-A ${chain} ${rule}`));
    return [`*${table}`, ...chains.map(([chain]) => `:${chain} - [0:0]`), ...rules, 'COMMIT', ''].join('\n');
  }

  override async has({ table, chain, rule }: Rule): Promise<boolean> {
    if (this.isBroken) throw programFailed(null, 'not found');
    return this.rules(table, chain)?.includes(rule) === true;
  }
}
