/** The pods of this host, as the node API and the probes look them up. */
import type { Pod } from '../../../api/types/core/v1.gen.ts';

export interface PodDirectory {
  /** The pods of this host, terminating ones included, with their observed status. */
  list(): readonly Pod[];
  find(namespace: string, name: string): Pod | undefined;
  /** The pod's sandbox id in the runtime, when it has one. */
  sandboxId(podUid: string): string | undefined;
  /** A container's id in the runtime: the current one, or the one before it (`previous`). */
  containerId(podUid: string, containerName: string, previous?: boolean): string | undefined;
}
