/** Volumes of the nfs provisioner: their directory is made when a pod of this node uses them, and removed when this node is asked to. */
import { mkdir } from 'node:fs/promises';
import { nfsOptions } from '../../../api/domain/nfs.ts';
import {
  isNfsDirectoryDue,
  NFS_FINALIZER,
  NFS_NODE,
  nfsDirectoryOf,
  type NfsDirectory,
} from '../../../api/domain/nfs-volumes.ts';
import type { PersistentVolume } from '../../../api/types/core/v1.gen.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import type { Logger } from '../../../client/logger.ts';
import { askNfsDirectory } from '../../host/nfs-directory.ts';
import { DueVolumes } from '../framework/due-volumes.ts';
import { mountOptionsOf } from './nfs-mount.ts';

export interface NfsDirectoriesOptions {
  readonly client: ApiClient;
  readonly nodeName: string;
  /** Absolute; `/var/lib/kedge/agent/nfs`: where helpers mount exports, each in its own namespace. */
  readonly mountPoint: string;
  /** The command that makes and removes directories. */
  readonly helper: readonly string[];
  readonly logger: Logger;
}

/** Within the limit of the step. */
const MAKE_TIMEOUT_MS = 100_000;
/** Removing a tree of a million files takes a while. What takes longer is continued by the next attempt. */
const REMOVE_TIMEOUT_MS = 600_000;

/** A directory and the options of the mount in which it is reached. */
interface Reached extends NfsDirectory {
  readonly options: string;
}

/** The attribute of a record that holds it, as JSON. */
const ATTRIBUTE = 'nfsDirectory';

function reachedOf(volume: PersistentVolume): Reached | undefined {
  const directory = nfsDirectoryOf(volume);
  return directory && { ...directory, options: nfsOptions(mountOptionsOf(volume), false) };
}

/** The attributes of a volume that the provisioner has made; none for others. Throws where its parts contradict each other. */
export function nfsDirectoryAttributes(volume: PersistentVolume): Readonly<Record<string, string>> {
  const reached = reachedOf(volume);
  return reached ? { [ATTRIBUTE]: JSON.stringify(reached) } : {};
}

export class NfsDirectories {
  readonly #options: NfsDirectoriesOptions;
  readonly #due: DueVolumes<Reached>;

  constructor(options: NfsDirectoriesOptions) {
    const { client, logger, nodeName } = options;
    this.#options = options;
    this.#due = new DueVolumes({
      ...{ client, logger, labelSelector: `${NFS_NODE}=${nodeName}`, finalizer: NFS_FINALIZER },
      due: (volume) => (isNfsDirectoryDue(volume) ? reachedOf(volume) : undefined),
      remove: (name, due, signal) => this.#remove(name, due, signal),
      failure: 'failed to remove directory of nfs volume, retrying',
    });
  }

  /** Makes the directory of a volume unless it is there; does nothing for one that nobody has provisioned. */
  async make(attributes: Readonly<Record<string, string>>, signal: AbortSignal): Promise<void> {
    const text = attributes[ATTRIBUTE];
    // The agent's own record, in its own directory.
    if (text !== undefined) await this.#ask('make', JSON.parse(text) as Reached, '', MAKE_TIMEOUT_MS, signal);
  }

  /** Removes the directories that this node is asked to remove, until the signal is aborted. */
  run(signal: AbortSignal): Promise<void> {
    return this.#due.run(signal);
  }

  async #remove(name: string, due: Reached, signal: AbortSignal): Promise<void> {
    const { share, directory, onDelete } = due;
    if (onDelete === 'retain') return;
    await this.#ask(onDelete === 'archive' ? 'archive' : 'remove', due, name, REMOVE_TIMEOUT_MS, signal);
    this.#options.logger.info({ volume: name, share, directory, onDelete }, 'removed directory of deleted volume');
  }

  async #ask(
    what: 'make' | 'remove' | 'archive',
    { share, options, directory, mode }: Reached,
    suffix: string,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    const { mountPoint, helper } = this.#options;
    await mkdir(mountPoint, { recursive: true, mode: 0o700 });
    const request = { do: what, share, options, mountPoint, directory, mode, suffix } as const;
    await askNfsDirectory(request, helper, { timeoutMs, signal });
  }
}
