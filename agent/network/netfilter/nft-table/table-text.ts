/** A table as text: what is written for nft(8), and what it prints. */
import type { NftTable } from '../nft.ts';
import type { TableChange, TableState } from './table-ledger.ts';
import { elementTail, type Chains } from './table-unit.ts';

/**
 * Commands that make the change in one transaction, a line each.
 * @param hooks of the chains that the kernel itself leads to
 */
export function changeCommands({ family, name: table }: NftTable, hooks: Chains, change: TableChange): string[] {
  const of = `${family} ${table}`;
  const lines: string[] = [];
  for (const [name, declaration] of change.addSets) {
    const [kind, body] = splitOnce(declaration, ' ');
    lines.push(`add ${kind} ${of} ${name} ${body}`);
  }
  for (const name of change.addChains) {
    const hook = hooks.get(name);
    lines.push(hook ? `add chain ${of} ${name} { ${hook.join(' ')} }` : `add chain ${of} ${name}`);
  }
  for (const [container, keys] of change.removeElements)
    lines.push(`delete element ${of} ${container} { ${keys.join(', ')} }`);
  for (const name of change.flushChains) lines.push(`flush chain ${of} ${name}`);
  for (const [name, rules] of change.rules) for (const rule of rules) lines.push(`add rule ${of} ${name} ${rule}`);
  for (const [container, elements] of change.addElements)
    lines.push(`add element ${of} ${container} { ${Array.from(elements, ([key, tail]) => key + tail).join(', ')} }`);
  for (const name of change.removeChains) lines.push(`delete chain ${of} ${name}`);
  for (const [name, kind] of change.removeSets) lines.push(`delete ${kind} ${of} ${name}`);
  return lines;
}

/**
 * Whether rules are added that look up addresses and ports in a map which the kernel has already: somebody has flushed the chain of that
 * map. nft(8) does not accept them (1.0.6: `conflicting protocols specified: tcp vs. th`) unless the map is made in the same transaction.
 */
export const usesKnownMaps = ({ addSets, rules }: TableChange): boolean =>
  rules.values().some((texts) =>
    texts.some((text) =>
      / map @(\S+)/
        .exec(text)
        ?.slice(1)
        .some((name) => !addSets.has(name)),
    ),
  );

/** The table, which may be there. */
export const tableCommands = ({ family, name }: NftTable): string[] => [`add table ${family} ${name}`];

/** An empty table in place of whatever there is. */
export const emptyTableCommands = (table: NftTable): string[] => [
  ...tableCommands(table),
  `delete table ${table.family} ${table.name}`,
  ...tableCommands(table),
];

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return [text.slice(0, at), text.slice(at + separator.length)];
}

/** What is read of libnftables-json(5); programs of other versions may add to it. */
interface Listed {
  readonly set?: ListedSet;
  readonly map?: ListedSet;
  readonly chain?: { readonly name: string };
  readonly rule?: { readonly chain: string; readonly comment?: string };
}
interface ListedSet {
  readonly name: string;
  /** A list; of versions that print a single one as it is, a string. */
  readonly flags?: readonly string[] | string;
  readonly elem?: readonly unknown[];
}

/** The table as `nft -j list table` prints it. Elements that packets have added are none of ours. */
export function readTable(objects: readonly unknown[]): TableState {
  const sets = new Map<string, 'set' | 'map'>();
  const comments = new Map<string, string[]>();
  const elements = new Map<string, Map<string, string>>();
  for (const { set, map, chain, rule } of objects as readonly Listed[]) {
    const container = set ?? map;
    if (container) {
      sets.set(container.name, set ? 'set' : 'map');
      if (!isOfPackets(container)) elements.set(container.name, readElements(container.elem ?? []));
    }
    if (chain) comments.set(chain.name, []);
    if (rule) comments.get(rule.chain)?.push(rule.comment ?? 'a rule of somebody else');
  }
  return { sets, elements, chains: new Map(Array.from(comments, ([name, all]) => [name, all.join('\n')])) };
}

const isOfPackets = ({ flags = [] }: ListedSet): boolean =>
  [flags].flat().some((flag) => flag === 'timeout' || flag === 'dynamic');

function readElements(listed: readonly unknown[]): Map<string, string> {
  const elements = new Map<string, string>();
  for (const entry of listed) {
    // Of a map: the key and the value; a set's key is an object or a word.
    const [key, value] = Array.isArray(entry) ? (entry as [unknown, unknown]) : [entry, undefined];
    const { val, comment } = isElement(key) ? key.elem : { val: key };
    elements.set(textOf(val), elementTail(comment, value === undefined ? undefined : textOf(value)));
  }
  return elements;
}

interface ListedElement {
  readonly elem: { readonly val: unknown; readonly comment?: string };
}
const isElement = (key: unknown): key is ListedElement => typeof key === 'object' && key !== null && 'elem' in key;

/** A key or value as it is written. What is not known reads as something that nobody wants. */
function textOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  if ('concat' in value && Array.isArray(value.concat)) return value.concat.map(String).join(' . ');
  if ('goto' in value) return `goto ${(value.goto as { target?: string }).target}`;
  return 'drop' in value ? 'drop' : JSON.stringify(value);
}
