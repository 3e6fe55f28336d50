import type { SelectableNode } from '../../../api/domain/node-selector.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../../api/types/core/v1.gen.ts';

/** What of the API a node reads of claims: what its own pods use, and no more. */
export interface ClaimSource {
  /** Undefined when there is none of that name. */
  claim(namespace: string, name: string, signal: AbortSignal): Promise<PersistentVolumeClaim | undefined>;
  volume(name: string, signal: AbortSignal): Promise<PersistentVolume | undefined>;
  /** This node, with the labels that it has in the API. */
  node(signal: AbortSignal): Promise<SelectableNode>;
}
