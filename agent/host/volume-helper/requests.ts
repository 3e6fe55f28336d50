/**
 * Requests to a volume helper. The helper is a short-lived process: it may be blocked forever by a file system
 * that does not respond, the agent may not. One helper serves all requests of one pod; request and response are JSON.
 */

/** https://kubernetes.io/docs/concepts/storage/volumes/#hostpath-volume-types */
export type HostPathType =
  '' | 'BlockDevice' | 'CharDevice' | 'Directory' | 'DirectoryOrCreate' | 'File' | 'FileOrCreate' | 'Socket';

export type VolumeRequest =
  /** Checks a hostPath against its type and creates it where the type says so. */
  | { readonly do: 'check-host-path'; readonly path: string; readonly type: HostPathType }
  /** Changes the group of a volume to the pod's fsGroup, recursively. */
  | {
      readonly do: 'set-group';
      readonly path: string;
      readonly group: number;
      readonly readOnly: boolean;
      readonly policy: 'Always' | 'OnRootMismatch';
    }
  /** What the file system of a path holds and may hold; the server of a network file system is asked. */
  | { readonly do: 'file-system-usage'; readonly path: string }
  /** Ends what waits for the server of an NFS mount. */
  | { readonly do: 'abort-requests'; readonly path: string }
  /** Bind-mounts a path of the host at `target`, with what is mounted below it. */
  | { readonly do: 'bind-host-path'; readonly path: string; readonly target: string }
  /** Resolves `subPath` inside `volume`, creates it when it is missing, and bind-mounts it at `target`. */
  | { readonly do: 'bind-sub-path'; readonly volume: string; readonly subPath: string; readonly target: string };

export interface FileSystemUsage {
  readonly bytes: number;
  readonly inodes: number;
  readonly capacityBytes: number;
  /** To whoever is not root. */
  readonly availableBytes: number;
  readonly totalInodes: number;
  readonly freeInodes: number;
}

export interface VolumeResponse {
  /** Why the request failed; absent when it did not. */
  readonly error?: string;
  readonly usage?: FileSystemUsage;
}

export type VolumeHelper = (requests: readonly VolumeRequest[], signal: AbortSignal) => Promise<VolumeResponse[]>;
