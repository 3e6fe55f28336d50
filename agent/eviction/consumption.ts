/** What pods use of the resources that evictions reclaim; unknown values are absent. */
import type { Pod } from '../../api/types/core/v1.gen.ts';

export interface Used {
  readonly memoryBytes?: number;
  /** What a container has written beside its volumes, and its logs; of a pod its volumes too. */
  readonly diskBytes?: number;
  readonly inodes?: number;
  readonly processes?: number;
}

export interface Consumption {
  readonly pod: Pod;
  readonly total: Used;
  /** By container name. */
  readonly containers: ReadonlyMap<string, Used>;
  /** Bytes on disk, by the name of the emptyDir. */
  readonly emptyDirs: ReadonlyMap<string, number>;
}
