/** The chains in the kernel beside what they should have. */
import { ProgramError } from '../../../../host/run.ts';
import { isMissing, readSaved, type Iptables, type SavedTable } from '../../../netfilter/iptables.ts';
import { TABLES, type Rule, type RuleUnit, type Table } from '../../../netfilter/rules.ts';
import type { ServiceEntry } from '../../model/service-entry.ts';
import { compared, type KernelRules, type ListedRule } from '../rule-listing.ts';
import { compileService } from './compile-service.ts';
import { baseChains, JUMPS, PREFIX } from './frame.ts';
import type { Ranges } from '../ranges.ts';

type Saved = Readonly<Record<Table, SavedTable>>;

/** What was read, by what it is looked up by. */
interface Kernel {
  /** The rules of a chain, by `nat KUBE-SERVICES`. */
  readonly rules: ReadonlyMap<string, readonly string[]>;
  /** Rules in chains that Services share, by the name of the Service's port. */
  readonly byLabel: ReadonlyMap<string, readonly Rule[]>;
}

const SHARED = /^KUBE-(SERVICES|NODEPORTS|S6)/;

function kernelOf(saved: Saved): Kernel {
  const rules = new Map<string, readonly string[]>();
  const byLabel = new Map<string, Rule[]>();
  for (const table of TABLES)
    for (const [chain, text] of saved[table].chains) {
      const lines = text === '' ? [] : text.split('\n');
      rules.set(`${table} ${chain}`, lines);
      if (!SHARED.test(chain)) continue;
      for (const rule of lines) {
        const label = / --comment "([^"]*)" /.exec(rule)?.[1];
        if (label !== undefined) byLabel.getOrInsertComputed(label, () => []).push({ table, chain, rule });
      }
    }
  return { rules, byLabel };
}

/** Throws ProgramError when the kernel cannot be read. */
export async function readIptables(iptables: Iptables, ranges: Ranges): Promise<KernelRules> {
  const saved: Saved = {
    nat: readSaved(await iptables.save('nat'), PREFIX),
    filter: readSaved(await iptables.save('filter'), PREFIX),
  };
  const kernel = kernelOf(saved);
  return {
    problems: frameProblems(saved, ranges),
    of: (service) => rulesOf(service, compileService(service, ranges), kernel),
    rejection: (service) => rejectionOf(iptables, compileService(service, ranges)),
  };
}

function frameProblems(saved: Saved, ranges: Ranges): string[] {
  const jumps = JUMPS[ranges.cluster.family]
    .filter((jump) => isMissing(jump, saved[jump.table]))
    .map(
      ({ table, chain, rule }) =>
        `chain ${chain} of table ${table} does not lead to the Services: "${rule}" is missing`,
    );
  const chains = TABLES.flatMap((table) =>
    Array.from(baseChains(ranges.cluster)[table])
      .filter(([chain, rules]) => saved[table].chains.get(chain) !== rules.join('\n'))
      .map(([chain]) => `chain ${chain} of table ${table} is missing, or has other rules than it should`),
  );
  return [...jumps, ...chains];
}

function rulesOf(service: ServiceEntry, { chains, shared }: RuleUnit, kernel: Kernel): ListedRule[] {
  const own = TABLES.flatMap((table) =>
    Array.from(chains[table]).flatMap(([chain, rules]) => {
      const where = `${table} ${chain}`;
      return linesOf(where, rules, kernel.rules.get(where) ?? []);
    }),
  );
  const led = shared.map(({ table, chain, rule }) => {
    const where = `${table} ${chain}`;
    return compared(where, rule, kernel.rules.get(where)?.includes(rule) ? rule : undefined);
  });
  return [...led, ...unreachable(shared, kernel), ...foreign(service, shared, kernel), ...own];
}

/** Rules are compared in their order: one of two that are swapped is not where it should be. */
function linesOf(where: string, wanted: readonly string[], found: readonly string[]): ListedRule[] {
  const isSame = wanted.length === found.length && wanted.every((rule, index) => found[index] === rule);
  return [
    ...found.map((text): ListedRule => ({
      state: isSame ? 'in force' : wanted.includes(text) ? 'different' : 'foreign',
      ...{ where, text },
    })),
    ...wanted.filter((rule) => !found.includes(rule)).map((text): ListedRule => ({ state: 'missing', where, text })),
  ];
}

/** Chains that Services share, and that KUBE-SERVICES or KUBE-NODEPORTS has to lead to. */
function unreachable(shared: RuleUnit['shared'], { rules }: Kernel): ListedRule[] {
  const chains = new Map(shared.map(({ table, chain }) => [`${table} ${chain}`, { table, chain }]));
  return [...chains.values()].flatMap(({ table, chain }): ListedRule[] => {
    const where = `${table} ${chain.startsWith('KUBE-NODEPORTS-') ? 'KUBE-NODEPORTS' : 'KUBE-SERVICES'}`;
    const isLed = rules.get(where)?.some((line) => line.endsWith(` -j ${chain}`));
    return isLed ? [] : [{ state: 'missing', where, text: `a rule that leads to ${chain}` }];
  });
}

/** Rules with the Service's name in the chains that it shares, and that it does not want. */
function foreign({ ports }: ServiceEntry, shared: RuleUnit['shared'], { byLabel }: Kernel): ListedRule[] {
  const wanted = new Set(shared.map(({ table, chain, rule }) => `${table} ${chain} ${rule}`));
  return [...new Set(ports.map(({ label }) => label))]
    .flatMap((label) => byLabel.get(label) ?? [])
    .filter(({ table, chain, rule }) => !wanted.has(`${table} ${chain} ${rule}`))
    .map(({ table, chain, rule }) => ({ state: 'foreign', where: `${table} ${chain}`, text: rule }));
}

/** By a transaction that is tested and not made. */
async function rejectionOf(iptables: Iptables, { chains, shared }: RuleUnit): Promise<string | undefined> {
  const input = TABLES.map((table) => {
    const names = new Set([
      ...chains[table].keys(),
      ...shared.filter((one) => one.table === table).map(({ chain }) => chain),
    ]);
    // What rules lead to.
    if (table === 'nat') names.add('KUBE-MARK-MASQ');
    const rules = [
      ...Array.from(chains[table]).flatMap(([chain, all]) => all.map((rule) => `-A ${chain} ${rule}`)),
      ...shared.filter((one) => one.table === table).map(({ chain, rule }) => `-A ${chain} ${rule}`),
    ];
    return `*${table}\n${[...names].map((name) => `:${name} - [0:0]\n`).join('')}${rules.join('\n')}\nCOMMIT\n`;
  }).join('');
  try {
    await iptables.test(input);
    return undefined;
  } catch (error) {
    if (!(error instanceof ProgramError) || error.exitCode === null) throw error;
    return error.stderr.trim();
  }
}
