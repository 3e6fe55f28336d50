/** The settings that say which memory of which NUMA nodes containers may have. Pure. */
import { isHugePages, type ResourceList } from '../../api/domain/resource-names.ts';
import { own } from '../../api/machinery/own.ts';
import { canonicalQuantity, quantityValue, QuantityError } from '../../api/machinery/quantity.ts';
import { SettingValueError } from '../../daemon/setting-rules.ts';
import type { NumaNode } from '../host/numa-nodes.ts';
import { MEMORY, type HostMemory, type MemoryTable, type NodeMemory } from './memory-assignment.ts';

/** Upstream's names. */
export const MEMORY_POLICIES = ['None', 'Static'] as const;
export type MemoryPolicy = (typeof MEMORY_POLICIES)[number];

export interface MemoryConfig {
  readonly memoryManagerPolicy: MemoryPolicy;
  readonly reservedMemory: readonly string[];
}

/** In bytes. */
export interface ReservedMemory {
  readonly node: number;
  readonly resource: string;
  readonly bytes: number;
}

/** `0:memory=1Gi`, `1:hugepages-2Mi=64Mi`. Throws SettingValueError for anything else. */
export function parseReservedMemory(texts: readonly string[]): ReservedMemory[] {
  return texts.map((text) => {
    const [, node = '', resource = '', amount = ''] = /^(\d{1,4}):([^=]+)=(.+)$/.exec(text) ?? [];
    try {
      const bytes = quantityValue(canonicalQuantity(amount));
      if (bytes > 0 && (resource === MEMORY || isHugePages(resource))) return { node: Number(node), resource, bytes };
    } catch (error) {
      if (!(error instanceof QuantityError)) throw error;
    }
    throw new SettingValueError(`${JSON.stringify(text)} is not NODE:memory=QUANTITY or NODE:hugepages-SIZE=QUANTITY`);
  });
}

/** What of the node pods may not have: reserved, and kept free by the eviction threshold. Huge pages are no memory of pods. */
function heldBack(capacity: ResourceList, allocatable: ResourceList): ReadonlyMap<string, number> {
  const bytes = (of: ResourceList, name: string): number => quantityValue(own(of, name) ?? '0');
  const pages = Object.keys(capacity).filter(isHugePages);
  const inPages = pages.reduce((sum, name) => sum + bytes(capacity, name), 0);
  const of = (name: string): number =>
    bytes(capacity, name) - bytes(allocatable, name) - (name === MEMORY ? inPages : 0);
  return new Map([MEMORY, ...pages].map((name) => [name, of(name)]));
}

/**
 * The memory of the host while nobody has any; undefined for the policy None. Throws SettingValueError, with what an operator can do, for
 * settings that this host cannot have.
 */
export function memorySettings(
  config: MemoryConfig,
  nodes: readonly NumaNode[],
  { capacity, allocatable }: { readonly capacity: ResourceList; readonly allocatable: ResourceList },
): HostMemory | undefined {
  if (config.memoryManagerPolicy === 'None') return undefined;
  const held = heldBack(capacity, allocatable);
  const given = parseReservedMemory(config.reservedMemory);
  const [first] = nodes;
  // There is one way to spread it over one node.
  const reserved =
    given.length === 0 && nodes.length === 1 && first
      ? [...held].map(([resource, bytes]): ReservedMemory => ({ node: first.node, resource, bytes }))
      : given;
  for (const { node } of reserved)
    if (!nodes.some((one) => one.node === node))
      throw new SettingValueError(`reserved-memory: this host has no NUMA node ${node}`);
  for (const name of new Set([...held.keys(), ...reserved.map(({ resource }) => resource)])) {
    const sum = reserved.reduce((all, { resource, bytes }) => all + (resource === name ? bytes : 0), 0);
    const wanted = held.get(name) ?? 0;
    if (sum !== wanted)
      throw new SettingValueError(
        `reserved-memory: ${name} of all NUMA nodes has to be ${wanted} bytes together, what is reserved and the eviction threshold, not ${sum}`,
      );
  }
  if ((held.get(MEMORY) ?? 0) === 0)
    throw new SettingValueError(
      'memory-manager-policy Static needs memory that is reserved for the system: set memory in reserved',
    );
  return hostMemory(nodes, reserved);
}

const pageResource = (sizeKib: number): string => `hugepages-${canonicalQuantity(`${sizeKib}Ki`)}`;

export function hostMemory(nodes: readonly NumaNode[], reserved: readonly ReservedMemory[]): HostMemory {
  const tableOf = (node: number, resource: string, total: number, inPages = 0): readonly [string, MemoryTable] => {
    const systemReserved = reserved.reduce(
      (sum, one) => sum + (one.node === node && one.resource === resource ? one.bytes : 0),
      0,
    );
    const allocatable = total - systemReserved - inPages;
    if (allocatable < 0)
      throw new SettingValueError(`reserved-memory: NUMA node ${node} has no ${systemReserved} bytes of ${resource}`);
    return [resource, { total, systemReserved, allocatable, reserved: 0, free: allocatable }];
  };
  return new Map(
    nodes.map(({ node, memoryBytes, hugePages }): [number, NodeMemory] => {
      const inPages = [...hugePages.values()].reduce((sum, bytes) => sum + bytes, 0);
      const tables = [...hugePages].map(([sizeKib, bytes]) => tableOf(node, pageResource(sizeKib), bytes));
      return [
        node,
        { assignments: 0, tables: new Map([...tables, tableOf(node, MEMORY, memoryBytes, inPages)]), group: [node] },
      ];
    }),
  );
}
