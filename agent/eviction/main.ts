/**
 * Composition of node-pressure eviction: it is called with the available resources whenever the node's conditions are computed.
 */
import type { Logger } from '../../client/logger.ts';
import type { ImageCollection } from '../images/image-collection.ts';
import type { LocalNode } from '../node/main.ts';
import type { Threshold } from '../node/pressure.ts';
import { EvictionManager, type Evict, type ActivePod } from './eviction-manager.ts';
import { Meter, type MeterOptions } from './meter.ts';

export interface EvictionsOptions extends MeterOptions {
  readonly node: LocalNode;
  readonly pods: Iterable<ActivePod>;
  readonly evict: Evict;
  readonly images: ImageCollection;
  readonly thresholds: readonly Threshold[];
  /** Called for every eviction with what led to it: a signal, or the limit of a pod's own. */
  readonly evicted?: (cause: string) => void;
  readonly logger: Logger;
}

export function createEvictions(options: EvictionsOptions, signal: AbortSignal): EvictionManager {
  const { node, pods, evict, evicted, images, thresholds, logger } = options;
  const evictions = new EvictionManager({
    ...{ pods, evict, evicted, thresholds, logger },
    meter: new Meter(options),
    levels: () => node.observer.levels(),
    reclaimDisk: (reclaiming) => images.collectAll(reclaiming),
    warnOfNode: (reason, message) => node.record('Warning', reason, message),
  });
  node.observer.onLevels((levels) => void evictions.relieve(levels, signal));
  return evictions;
}
