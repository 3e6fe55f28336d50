/** What a table of nftables has, and the commands of nft(8) that make another of it. */
import { createHash } from 'node:crypto';

/** A statement of nft(8), with nothing in it that this agent has not made or checked. */
export type Rule = string;

export interface SetContent {
  /** `ipv4_addr`, or types joined by ` . ` */
  readonly type: string;
  /** Elements are ranges, too. Such a set is never changed: its name is its content's. */
  readonly isInterval: boolean;
  readonly elements: ReadonlySet<string>;
}

export interface TableContent {
  readonly sets: ReadonlyMap<string, SetContent>;
  /** Never changed: their names are their rules'. */
  readonly chains: ReadonlyMap<string, readonly Rule[]>;
  /** By the name of a map, the chain for each of its keys. The maps are the frame's. */
  readonly verdicts: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

export const NO_CONTENT: TableContent = { sets: new Map(), chains: new Map(), verdicts: new Map() };

/** Of SHA-256, in hexadecimal digits: as much as keeps one policy's name from being made another's on purpose. */
const DIGITS = 32;

/** A name that only the same content has. */
export const contentName = (prefix: string, content: unknown, suffix = ''): string =>
  `${prefix}-${createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, DIGITS)}${suffix}`;

/** Elements in one command: the program's own limit is its memory. */
const elementsOf = (elements: Iterable<string>): string => [...elements].join(', ');

/** One transaction that makes `after` of `before`; '' when they are the same. @param table `inet NAME` */
export function changes(table: string, before: TableContent, after: TableContent): string {
  const lines: string[] = [];
  // What is referred to comes before what refers to it, and goes after it.
  for (const [name, set] of after.sets) if (!before.sets.has(name)) lines.push(...newSet(table, name, set));
  const newChains = [...after.chains].filter(([name]) => !before.chains.has(name));
  for (const [name] of newChains) lines.push(`add chain ${table} ${name}`);
  for (const [name, rules] of newChains) for (const rule of rules) lines.push(`add rule ${table} ${name} ${rule}`);
  const maps = new Set([...before.verdicts.keys(), ...after.verdicts.keys()]);
  for (const map of maps)
    lines.push(...verdictChanges(`${table} ${map}`, before.verdicts.get(map), after.verdicts.get(map)));
  const oldChains = [...before.chains.keys()].filter((name) => !after.chains.has(name));
  for (const name of oldChains) lines.push(`flush chain ${table} ${name}`, `delete chain ${table} ${name}`);
  for (const [name, { elements }] of before.sets) {
    const next = after.sets.get(name);
    if (!next) lines.push(`delete set ${table} ${name}`);
    else lines.push(...elementChanges(`${table} ${name}`, elements, next.elements));
  }
  return lines.length > 0 ? `${lines.join('\n')}\n` : '';
}

function newSet(table: string, name: string, { type, isInterval, elements }: SetContent): string[] {
  const flags = isInterval ? ' flags interval;' : '';
  const declared = `add set ${table} ${name} { type ${type};${flags} }`;
  return elements.size === 0 ? [declared] : [declared, `add element ${table} ${name} { ${elementsOf(elements)} }`];
}

const NONE: ReadonlyMap<string, string> = new Map();

function verdictChanges(map: string, before = NONE, after = NONE): string[] {
  const gone = [...before].filter(([key, chain]) => after.get(key) !== chain).map(([key]) => key);
  const come = [...after].filter(([key, chain]) => before.get(key) !== chain);
  return [
    ...(gone.length > 0 ? [`delete element ${map} { ${elementsOf(gone)} }`] : []),
    ...(come.length > 0
      ? [`add element ${map} { ${elementsOf(come.map(([key, chain]) => `${key} : jump ${chain}`))} }`]
      : []),
  ];
}

function elementChanges(set: string, before: ReadonlySet<string>, after: ReadonlySet<string>): string[] {
  const gone = before.difference(after);
  const come = after.difference(before);
  return [
    ...(gone.size > 0 ? [`delete element ${set} { ${elementsOf(gone)} }`] : []),
    ...(come.size > 0 ? [`add element ${set} { ${elementsOf(come)} }`] : []),
  ];
}
