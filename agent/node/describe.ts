/** Collects the part of a Node's status that does not change while the agent runs. */
import { countProcessors, readDisk, readHugePages, readMemory } from '../host/meters.ts';
import type { HostFacts } from '../host/host-facts.ts';
import type { ResourceList } from '../../api/domain/resource-names.ts';
import type { Addressing } from './cloud-provider.ts';
import { allocatableOf, capacityOf, parseReserved, type NodeDescription } from './node-status.ts';
import type { Threshold } from './pressure.ts';

export interface DescribeOptions {
  readonly name: string;
  /** At least one, the primary one first. */
  readonly addresses: readonly string[];
  readonly addressing: Addressing;
  readonly port: number;
  readonly maxPods: number;
  readonly reserved: readonly string[];
  readonly thresholds: readonly Threshold[];
  readonly dataDir: string;
  readonly facts: HostFacts;
  readonly runtime: { readonly runtimeName: string; readonly runtimeVersion: string };
}

export async function describeNode(options: DescribeOptions): Promise<NodeDescription> {
  const [memory, disk, hugePages] = await Promise.all([readMemory(), readDisk(options.dataDir), readHugePages()]);
  const capacity = capacityOf({
    processors: countProcessors(),
    memoryBytes: memory.totalBytes,
    diskBytes: disk.totalBytes,
    maxPods: options.maxPods,
    hugePages,
  });
  const { runtimeName, runtimeVersion } = options.runtime;
  return {
    name: options.name,
    addresses: options.addresses,
    addressing: options.addressing,
    port: options.port,
    facts: options.facts,
    runtimeVersion: `${runtimeName}://${runtimeVersion.replace(/^v/, '')}`,
    capacity,
    swapBytes: memory.swapBytes,
    allocatable: allocatableOf(capacity, parseReserved(options.reserved), heldFree(options.thresholds, memory, disk)),
  };
}

/** The eviction threshold is not allocatable either. */
function heldFree(
  thresholds: readonly Threshold[],
  memory: { totalBytes: number },
  disk: { totalBytes: number },
): ResourceList {
  const held: Record<string, string> = {};
  for (const threshold of thresholds) {
    const amount = (capacity: number): string =>
      String(Math.floor('amount' in threshold ? threshold.amount : threshold.share * capacity));
    if (threshold.signal === 'memory.available') held['memory'] = amount(memory.totalBytes);
    if (threshold.signal === 'nodefs.available') held['ephemeral-storage'] = amount(disk.totalBytes);
  }
  return held;
}
