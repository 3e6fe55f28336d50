/** The table in the kernel beside what it should have. */
import { ProgramError } from '../../../../host/run.ts';
import type { Nft } from '../../../netfilter/nft.ts';
import type { ServiceEntry } from '../../model/service-entry.ts';
import { compared, type KernelRules, type ListedRule } from '../rule-listing.ts';
import { readTable } from '../../../netfilter/nft-table/table-text.ts';
import { signatureOf, type TableUnit } from '../../../netfilter/nft-table/table-unit.ts';
import { checkTable } from '../../../netfilter/nft-table/owned-table.ts';
import { compileService } from './compile-service.ts';
import { BASE_CHAINS, fixedChains, layoutOf, objectsOf, TABLES } from './layout.ts';
import type { Ranges } from '../ranges.ts';

/** Throws ProgramError when the kernel cannot be read. */
export async function readNftables(nft: Nft, ranges: Ranges): Promise<KernelRules> {
  const { family } = ranges.cluster;
  const table = TABLES[family];
  const objects = await nft.list(table);
  const state = readTable(objects ?? []);
  const elements = new FoundElements(state.elements);
  const name = `${table.family} ${table.name}`;
  const texts = objects ? await nft.listChains(table) : new Map<string, readonly string[]>();
  const chainRules = (chain: string, rules: readonly string[]): ListedRule[] => {
    const where = `${name} ${chain}`;
    const found = state.chains.get(chain);
    // By their comments rules are known to be the wanted ones; programs print them in their own way.
    if (found === signatureOf(rules))
      return (texts.get(chain) ?? []).map((text) => ({ state: 'in force', where, text }));
    const present = (texts.get(chain) ?? []).map((text): ListedRule => ({ state: 'different', where, text }));
    return present.length > 0 ? present : rules.map((text) => ({ state: 'missing', where, text }));
  };
  return {
    problems: objects
      ? frameProblems(name, state.chains, ranges)
      : [`the kernel has no table ${name}: no Service is served`],
    of(service) {
      const unit = compileService(service, ranges);
      const containers = new Set(unit.elements.map(({ container }) => container));
      const chains = new Map([
        ...unit.chains,
        ...[...containers].flatMap((each) => [...objectsOf(family, each).chains]),
      ]);
      return [
        ...unit.elements.map(({ container, key, tail }) => {
          const found = state.elements.get(container)?.get(key);
          return compared(`${name} ${container}`, key + tail, found === undefined ? undefined : key + found);
        }),
        ...foreignElements(unit, elements.of(service), name),
        ...[...chains].flatMap(([chain, rules]) => chainRules(chain, rules)),
      ];
    },
    rejection: (service) => rejectionOf(nft, service, ranges),
  };
}

function frameProblems(table: string, found: ReadonlyMap<string, string>, ranges: Ranges): string[] {
  return Array.from(fixedChains(ranges.cluster.family, ranges)).flatMap(([chain, rules]) => {
    const signature = found.get(chain);
    if (signature === signatureOf(rules)) return [];
    const what = signature === undefined ? 'is missing' : 'has other rules than it should';
    const hooked = BASE_CHAINS.has(chain) ? ', to which the kernel itself leads,' : '';
    return [`chain ${chain} of table ${table}${hooked} ${what}`];
  });
}

interface Found {
  readonly container: string;
  readonly key: string;
  readonly tail: string;
}

/** The kernel's elements by what a Service can know them by: an address, a node port (`tcp . 30080`), its name in the comment. */
class FoundElements {
  readonly #known = new Map<string, Found[]>();

  constructor(elements: ReadonlyMap<string, ReadonlyMap<string, string>>) {
    for (const [container, all] of elements) {
      // Pods and themselves, whatever Service they are of.
      if (container === 'hairpin-connections') continue;
      for (const [key, tail] of all) this.#add({ container, key, tail });
    }
  }

  #add(found: Found): void {
    const [first = '', second] = found.key.split(' . ');
    const label = / comment "([^"]*)"/.exec(found.tail)?.[1];
    for (const name of new Set([first, `${first} . ${second}`, label]))
      if (name !== undefined) this.#known.getOrInsertComputed(name, () => []).push(found);
  }

  of({ clusterIP, externalIPs, loadBalancerIPs, ports }: ServiceEntry): ReadonlySet<Found> {
    const names = [clusterIP, ...externalIPs, ...loadBalancerIPs].map(({ text }) => text);
    for (const { label, protocol, nodePort } of ports) {
      names.push(label);
      if (nodePort !== undefined) names.push(`${protocol.toLowerCase()} . ${nodePort}`);
    }
    return new Set(names.flatMap((name) => this.#known.get(name) ?? []));
  }
}

/** Those that the Service does not want. */
function foreignElements(unit: TableUnit, found: ReadonlySet<Found>, table: string): ListedRule[] {
  const wanted = new Set(unit.elements.map(({ container, key }) => `${container} ${key}`));
  return [...found]
    .filter(({ container, key }) => !wanted.has(`${container} ${key}`))
    .map(({ container, key, tail }) => ({ state: 'foreign', where: `${table} ${container}`, text: key + tail }));
}

/** By a transaction that makes a table of this Service alone, and that is checked and not made. */
async function rejectionOf(nft: Nft, service: ServiceEntry, ranges: Ranges): Promise<string | undefined> {
  try {
    await checkTable(
      nft,
      layoutOf(ranges.cluster.family, () => ranges),
      compileService(service, ranges),
    );
    return undefined;
  } catch (error) {
    if (!(error instanceof ProgramError) || error.exitCode === null) throw error;
    return error.stderr.trim();
  }
}
