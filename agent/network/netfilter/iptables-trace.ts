/**
 * Rules of iptables in a trace: nft(8) prints them in words of its own, without their comments. They are found again in what iptables
 * prints, by their place in the chain.
 */
import { run } from '../../host/run.ts';
import type { TracedRule, TraceEvent } from './trace-text.ts';

const PROGRAMS: ReadonlyMap<string, string> = new Map([
  ['ip', 'iptables'],
  ['ip6', 'ip6tables'],
]);
const IPTABLES_TABLES: ReadonlySet<string> = new Set(['raw', 'mangle', 'nat', 'filter', 'security']);
const LIMIT_MS = 20_000;

/** The events with the words of iptables-save for its rules. Throws ProgramError. */
export async function withIptablesRules(events: readonly TraceEvent[], signal: AbortSignal): Promise<TraceEvent[]> {
  const passed = new Map<string, TracedRule>();
  for (const event of events)
    if (event.kind === 'rule' && isOfIptables(event)) passed.set(`${event.table} ${event.chain}`, event);
  const read = Array.from(passed, async ([key, rule]) => [key, await readChain(rule, signal)] as const);
  const chains = new Map(await Promise.all(read));
  return events.map((event) => {
    if (event.kind !== 'rule' || event.handle === undefined) return event;
    const text = chains.get(`${event.table} ${event.chain}`)?.get(event.handle);
    return text === undefined ? event : { ...event, text };
  });
}

function isOfIptables({ table }: TracedRule): boolean {
  const [family = '', name = ''] = table.split(' ');
  return PROGRAMS.has(family) && IPTABLES_TABLES.has(name);
}

/** The chain's rules by the handles that the kernel has for them. Empty for a chain that is no more, or not of iptables alone. */
async function readChain({ table, chain }: TracedRule, signal: AbortSignal): Promise<ReadonlyMap<number, string>> {
  const [family = '', name = ''] = table.split(' ');
  const options = { timeoutMs: LIMIT_MS, signal };
  const [listed, saved] = await Promise.all([
    run('nft', ['-j', '-a', 'list', 'chain', family, name, chain], options),
    run(PROGRAMS.get(family) ?? '', ['-w', '-t', name, '-S', chain], options),
  ]);
  const prefix = `-A ${chain} `;
  const texts = saved.stdout.split('\n').filter((line) => line.startsWith(prefix));
  const handles = (JSON.parse(listed.stdout) as { nftables: { rule?: { handle: number } }[] }).nftables.flatMap(
    ({ rule }) => rule?.handle ?? [],
  );
  if (handles.length !== texts.length) return new Map();
  return new Map(handles.map((handle, index) => [handle, (texts[index] ?? '').slice(prefix.length)]));
}
