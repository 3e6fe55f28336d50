/** The kinds of volumes whose directories agents remove: what the server lets a node see and do of them, and no more. */
import type { PersistentVolume } from '../types/core/v1.gen.ts';
import { isDirectoryDue, isLocalPath, LOCAL_PATH_FINALIZER, LOCAL_PATH_NODE } from './local-path.ts';
import { isNfsDirectoryDue, isNfsProvisioned, NFS_FINALIZER, NFS_NODE } from './nfs-volumes.ts';

export interface RemovedByAgents {
  /** Names the node. */
  readonly label: string;
  /** What the node may take away, once the directory is due. */
  readonly finalizer: string;
  readonly is: (volume: PersistentVolume) => boolean;
  readonly isDue: (volume: PersistentVolume) => boolean;
}

export const REMOVED_BY_AGENTS: readonly RemovedByAgents[] = [
  { label: LOCAL_PATH_NODE, finalizer: LOCAL_PATH_FINALIZER, is: isLocalPath, isDue: isDirectoryDue },
  { label: NFS_NODE, finalizer: NFS_FINALIZER, is: isNfsProvisioned, isDue: isNfsDirectoryDue },
];
