/**
 * The file that remembers who has memory of which NUMA nodes, in the format and with the checksum of the kubelet's `memory_manager_state`, so
 * that a node that changes from the one to the other keeps it. Pure.
 */
import { goChecksum, shownMap } from './go-checksum.ts';
import {
  take,
  type HostMemory,
  type MemoryBlock,
  type MemoryState,
  type MemoryTable,
  type NodeMemory,
} from './memory-assignment.ts';
import { fieldsOf, parseState, PlacementStateError } from './placement-state.ts';

const STATIC = 'Static';
const NONE = 'None';

const byName = <T>(entries: Iterable<readonly [string, T]>): (readonly [string, T])[] =>
  [...entries].sort(([a], [b]) => (a < b ? -1 : 1));

export function encodeMemoryState(state: MemoryState): string {
  const { host, assigned } = state;
  const machineState = Object.fromEntries(
    [...host].map(([node, { assignments, tables, group }]) => [
      node,
      {
        numberOfAssignments: assignments,
        memoryMap: Object.fromEntries(byName(tables).map(([name, { total, ...table }]) => [name, { total, ...table }])),
        cells: group,
      },
    ]),
  );
  const entries = Object.fromEntries(
    byName(assigned).map(([uid, own]) => [
      uid,
      Object.fromEntries(
        byName(own).map(([container, blocks]) => [
          container,
          blocks.map(({ nodes, resource, bytes }) => ({ numaAffinity: nodes, type: resource, size: bytes })),
        ]),
      ),
    ]),
  );
  const checksum = memoryChecksum(STATIC, state);
  return JSON.stringify({ policyName: STATIC, machineState, ...(assigned.size > 0 && { entries }), checksum });
}

/** `isStatic`: what the node is set to. Undefined for a file of the policy None, which says nothing. Throws PlacementStateError. */
export function decodeMemoryState(text: string, isStatic: boolean): MemoryState | undefined {
  const fields = fieldsOf(parseState(text));
  const [policy, checksum] = [fields.get('policyName'), fields.get('checksum')];
  const configured = isStatic ? STATIC : NONE;
  if (policy !== configured)
    throw new PlacementStateError(
      `configured policy "${configured}" differs from state checkpoint policy "${String(policy)}"`,
    );
  if (!isStatic) return undefined;
  const host = new Map<number, NodeMemory>();
  for (const [node, value] of fieldsOf(fields.get('machineState') ?? {}))
    host.set(numberOf(Number(node)), nodeOf(value));
  const assigned = new Map(
    [...fieldsOf(fields.get('entries') ?? {})].map(([uid, own]) => [
      uid,
      new Map([...fieldsOf(own)].map(([container, blocks]) => [container, listOf(blocks).map(blockOf)] as const)),
    ]),
  );
  const state = { host, assigned };
  if (checksum !== memoryChecksum(STATIC, state)) throw new PlacementStateError('checkpoint is corrupted');
  return state;
}

/** What cannot be, after a change of settings or of the host. `initial`: nobody has anything. Throws PlacementStateError. */
export function checkMemoryState({ host, assigned }: MemoryState, initial: HostMemory): void {
  let expected = initial;
  for (const [uid, own] of assigned)
    for (const [container, blocks] of own)
      for (const block of blocks) {
        const known = block.nodes.map((node) => initial.get(node));
        const who = `(pod: ${uid}, container: ${container})`;
        if (known.some((node) => !node))
          throw new PlacementStateError(`${who} the memory assignment uses the NUMA that does not exist`);
        if (known.some((node) => !node?.tables.has(block.resource)))
          throw new PlacementStateError(`${who} the memory assignment uses memory resource that does not exist`);
        expected = take(expected, block);
      }
  if (!areAlike(host, expected))
    throw new PlacementStateError('the expected machine state is different from the real one');
}

/** Of nodes that give together, the order in which they have given may differ. */
function areAlike(a: HostMemory, b: HostMemory): boolean {
  const summed = (host: HostMemory, { group }: NodeMemory, name: string) => {
    const tables = group.map((node) => host.get(node)?.tables.get(name));
    return (['free', 'reserved'] as const).map((of) => tables.reduce((sum, table) => sum + (table?.[of] ?? 0), 0));
  };
  const isAlike = ([number, node]: readonly [number, NodeMemory]): boolean => {
    const other = b.get(number);
    if (!other || node.assignments !== other.assignments || node.tables.size !== other.tables.size) return false;
    if (String(node.group.toSorted()) !== String(other.group.toSorted())) return false;
    return [...node.tables].every(([name, table]) => {
      const same = other.tables.get(name);
      const isSize = (of: 'total' | 'systemReserved' | 'allocatable'): boolean => table[of] === same?.[of];
      if (!isSize('total') || !isSize('systemReserved') || !isSize('allocatable')) return false;
      return String(summed(a, node, name)) === String(summed(b, other, name));
    });
  };
  return a.size === b.size && [...a].every(isAlike);
}

export function memoryChecksum(policy: string, { host, assigned }: MemoryState): number {
  const shownTable = ({ total, systemReserved, allocatable, reserved, free }: MemoryTable): string =>
    `<*>{TotalMemSize:(uint64)${total} SystemReserved:(uint64)${systemReserved} Allocatable:(uint64)${allocatable} ` +
    `Reserved:(uint64)${reserved} Free:(uint64)${free}}`;
  const shownNode = ({ assignments, tables, group }: NodeMemory): string =>
    `<*>{NumberOfAssignments:(int)${assignments} MemoryMap:(map[v1.ResourceName]*state.MemoryTable)` +
    `${shownMap([...tables].map(([name, table]) => [name, shownTable(table)]))} Cells:([]int)[${group.join(' ')}]}`;
  const shownBlock = ({ nodes, resource, bytes }: MemoryBlock): string =>
    `{NUMAAffinity:([]int)[${nodes.join(' ')}] Type:(v1.ResourceName)${resource} Size:(uint64)${bytes}}`;
  const shownPod = (own: ReadonlyMap<string, readonly MemoryBlock[]>): string =>
    shownMap([...own].map(([name, blocks]) => [name, `[${blocks.map(shownBlock).join(' ')}]`]));
  const nodes = [...host].sort(([a], [b]) => a - b).map(([node, memory]) => `${node}:${shownNode(memory)}`);
  return goChecksum(
    `(*state.MemoryManagerCheckpoint){PolicyName:(string)${policy} MachineState:(state.NUMANodeMap)map[${nodes.join(' ')}] ` +
      `Entries:(state.ContainerMemoryAssignments)${shownMap([...assigned].map(([uid, own]) => [uid, shownPod(own)]))} ` +
      'Checksum:(checksum.Checksum)0}',
  );
}

function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new PlacementStateError('a list is missing');
  return value;
}

function numberOf(value: unknown): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw new PlacementStateError('a number is missing');
  return value as number;
}

function nodeOf(value: unknown): NodeMemory {
  const fields = fieldsOf(value);
  const tables = new Map<string, MemoryTable>();
  for (const [name, table] of fieldsOf(fields.get('memoryMap'))) {
    const of = fieldsOf(table);
    const amount = (field: string): number => numberOf(of.get(field));
    const [total, systemReserved] = [amount('total'), amount('systemReserved')];
    tables.set(name, {
      ...{ total, systemReserved, allocatable: amount('allocatable') },
      ...{ reserved: amount('reserved'), free: amount('free') },
    });
  }
  return {
    assignments: numberOf(fields.get('numberOfAssignments')),
    tables,
    group: listOf(fields.get('cells')).map(numberOf),
  };
}

function blockOf(value: unknown): MemoryBlock {
  const fields = fieldsOf(value);
  const resource = fields.get('type');
  if (typeof resource !== 'string') throw new PlacementStateError('the name of a resource is missing');
  return { nodes: listOf(fields.get('numaAffinity')).map(numberOf), resource, bytes: numberOf(fields.get('size')) };
}
