/**
 * The file that remembers who has which CPUs, in the format and with the checksum of the kubelet's `cpu_manager_state`, so that a node that
 * changes from the one to the other keeps them. Pure.
 */
import type { CpuState } from './cpu-assignment.ts';
import { goChecksum, shownMap } from './go-checksum.ts';
import { fieldsOf, parseState, PlacementStateError } from './placement-state.ts';
import { formatCpuSet, listOf, parseCpuSet, type CpuSet } from './cpu-set.ts';

const STATIC = 'static';
type Entries = Readonly<Record<string, Readonly<Record<string, string>>>>;

export function encodeCpuState({ shared, assigned }: CpuState): string {
  const entries: Entries = Object.fromEntries(
    [...assigned].map(([uid, own]) => [
      uid,
      Object.fromEntries([...own].map(([container, cpus]) => [container, formatCpuSet(cpus)])),
    ]),
  );
  const defaultCpuSet = formatCpuSet(shared);
  const checksum = checksumOf(STATIC, defaultCpuSet, entries);
  const isEmpty = assigned.size === 0;
  return JSON.stringify({ policyName: STATIC, defaultCpuSet, ...(!isEmpty && { entries }), checksum });
}

/** `isStatic`: what the node is set to. Undefined for a file of the policy none, which says nothing. Throws PlacementStateError. */
export function decodeCpuState(text: string, isStatic: boolean): CpuState | undefined {
  const fields = fieldsOf(parseState(text));
  const [policy, cpus, checksum] = ['policyName', 'defaultCpuSet', 'checksum'].map((name) => fields.get(name));
  const configured = isStatic ? STATIC : 'none';
  if (policy !== configured)
    throw new PlacementStateError(
      `configured policy "${configured}" differs from state checkpoint policy "${String(policy)}"`,
    );
  if (!isStatic) return undefined;
  const entries = entriesOf(fields.get('entries') ?? {});
  if (typeof cpus !== 'string') throw new PlacementStateError('it has no default CPUs');
  if (checksum !== checksumOf(STATIC, cpus, entries)) throw new PlacementStateError('checkpoint is corrupted');
  const assigned = Object.entries(entries).map(([uid, own]): [string, ReadonlyMap<string, CpuSet>] => [
    uid,
    new Map(Object.entries(own).map(([container, some]) => [container, cpuSetOf(some)])),
  ]);
  return { shared: cpuSetOf(cpus), assigned: new Map(assigned) };
}

/** What cannot be, after a change of settings or of the host. Throws PlacementStateError. */
export function checkCpuState({ shared, assigned }: CpuState, online: CpuSet, reserved: CpuSet): void {
  const given = [...assigned].flatMap(([pod, own]) => [...own].map(([container, cpus]) => ({ pod, container, cpus })));
  if (!reserved.isSubsetOf(shared))
    throw new PlacementStateError(
      `not all reserved cpus: "${formatCpuSet(reserved)}" are present in defaultCpuSet: "${formatCpuSet(shared)}"`,
    );
  for (const { pod, container, cpus } of given)
    if (!cpus.isDisjointFrom(shared))
      throw new PlacementStateError(
        `pod: ${pod}, container: ${container} cpuset: "${formatCpuSet(cpus)}" overlaps with default`,
      );
  const known = given.reduce<CpuSet>((all, { cpus }) => all.union(cpus), shared);
  if (known.symmetricDifference(online).size > 0)
    throw new PlacementStateError(
      `current set of available CPUs "${formatCpuSet(online)}" doesn't match with CPUs in state "${formatCpuSet(known)}"`,
    );
}

export function checksumOf(policy: string, cpus: string, entries: Entries): number {
  const all = shownMap(Object.entries(entries).map(([uid, own]) => [uid, shownMap(Object.entries(own))]));
  return goChecksum(
    `(*state.CPUManagerCheckpoint){PolicyName:(string)${policy} DefaultCPUSet:(string)${cpus} ` +
      `Entries:(map[string]map[string]string)${all} Checksum:(checksum.Checksum)0}`,
  );
}

const entriesOf = (value: unknown): Entries =>
  Object.fromEntries(
    [...fieldsOf(value)].map(([uid, own]) => [
      uid,
      Object.fromEntries(
        [...fieldsOf(own)].map(([container, cpus]) => {
          if (typeof cpus !== 'string') throw new PlacementStateError(`the CPUs of pod ${uid} are no list`);
          return [container, cpus];
        }),
      ),
    ]),
  );

function cpuSetOf(text: string): CpuSet {
  try {
    return new Set(listOf(parseCpuSet(text)));
  } catch (error) {
    throw new PlacementStateError(`could not parse cpuset ${JSON.stringify(text)}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
