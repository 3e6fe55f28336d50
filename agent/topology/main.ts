/** Composition of the topology room: what the settings let this host give away, and who has it. */
import type { ResourceList } from '../../api/domain/resource-names.ts';
import { readTopology } from '../host/cpu-topology.ts';
import { readNumaNodes } from '../host/numa-nodes.ts';
import { PlacementMetrics } from '../stats/placement-metrics.ts';
import type { AgentMetrics } from '../stats/agent-metrics.ts';
import { memorySettings, type MemoryConfig } from './memory-settings.ts';
import { placementSettings, type PlacementConfig } from './placement-settings.ts';
import { PodPlacement, type PodPlacementOptions } from './pod-placement.ts';

export interface PlacementOptions extends Omit<PodPlacementOptions, 'settings' | 'metrics'> {
  readonly config: PlacementConfig & MemoryConfig;
  /** What the Node says. */
  readonly node: { readonly capacity: ResourceList; readonly allocatable: ResourceList };
  readonly metrics: Pick<AgentMetrics, 'include'>;
}

/** Throws Error, with what an operator can do, for settings that this host cannot have, or what is remembered of another host. */
export async function openPlacement({ config, node, metrics, ...options }: PlacementOptions): Promise<PodPlacement> {
  const numaNodes = await readNumaNodes();
  const memory = memorySettings(config, numaNodes, node);
  const observer = new PlacementMetrics(() => placement.cpus);
  const placement: PodPlacement = await PodPlacement.open({
    ...options,
    settings: placementSettings(config, await readTopology(), numaNodes, memory),
    metrics: observer,
  });
  metrics.include(observer);
  return placement;
}
