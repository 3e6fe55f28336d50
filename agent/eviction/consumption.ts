/** What pods use of what a node can run short of; what is not known is not there. */
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
