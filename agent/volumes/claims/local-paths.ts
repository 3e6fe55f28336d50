/**
 * The directories of this node that are volumes of the local-path provisioner: made when a pod first uses one, removed when the object
 * of the volume is being deleted. Only names that the provisioner gives are ever joined to the agent's own directory, which nobody
 * else may enter: what the API says of a path is compared with that and not used.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  isDirectoryDue,
  isLocalPath,
  isLocalPathName,
  LOCAL_PATH_FINALIZER,
  LOCAL_PATH_NODE,
} from '../../../api/domain/local-path.ts';
import type { PersistentVolume } from '../../../api/types/core/v1.gen.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import type { Logger } from '../../../client/logger.ts';
import { mountPointsBelow, readMounts } from '../../host/mounts.ts';
import { run } from '../../host/run.ts';
import { DueVolumes } from '../framework/due-volumes.ts';
import { DISK_MODE, makeVolumeDirectory, unfinishedDirectory } from '../framework/volume-directory.ts';

export interface LocalPathsOptions {
  readonly client: ApiClient;
  readonly nodeName: string;
  /** Absolute; `/var/lib/kedge/agent/local-path`. */
  readonly directory: string;
  readonly logger: Logger;
}

/** Removing a tree of a million files takes a while. What takes longer is continued by the next attempt. */
const REMOVE_TIMEOUT_MS = 600_000;
export class LocalPaths {
  readonly #options: LocalPathsOptions;
  readonly #due: DueVolumes<true>;

  constructor(options: LocalPathsOptions) {
    const { client, logger, nodeName } = options;
    this.#options = options;
    this.#due = new DueVolumes({
      ...{ client, logger, labelSelector: `${LOCAL_PATH_NODE}=${nodeName}`, finalizer: LOCAL_PATH_FINALIZER },
      due: (volume) => isDirectoryDue(volume) || undefined,
      remove: (name, _, signal) => this.#remove(name, signal),
      failure: 'failed to remove local-path volume, retrying',
    });
  }

  /** The directory of a volume; undefined when it is none of this provisioner's. Throws when it is not this node's. */
  pathOf(volume: PersistentVolume): string | undefined {
    if (!isLocalPath(volume)) return undefined;
    const name = volume.metadata?.name ?? '';
    const path = this.#path(name);
    if (volume.spec?.local?.path === path) return path;
    throw new Error(`persistentvolume "${name}" is not in ${this.#options.directory}, where this node has its volumes`);
  }

  #path(name: string): string {
    if (!isLocalPathName(name)) throw new Error(`persistentvolume "${name}" has a name that no local-path volume has`);
    return join(this.#options.directory, name);
  }

  /** Makes the directory of a volume unless it is there. Throws for the name of no local-path volume. */
  async make(name: string): Promise<void> {
    const path = this.#path(name);
    await mkdir(this.#options.directory, { recursive: true, mode: 0o700 });
    await makeVolumeDirectory(path, DISK_MODE, 0);
  }

  /** Removes the directories of volumes that are being deleted, until the signal is aborted. */
  run(signal: AbortSignal): Promise<void> {
    return this.#due.run(signal);
  }

  async #remove(name: string, signal: AbortSignal): Promise<void> {
    const path = this.#path(name);
    const mounts = await readMounts();
    // By their root, whatever the file system is called here: such a name is given once.
    const isShown = mounts.some(({ root }) => root.split('/').includes(name));
    if (isShown || mountPointsBelow(mounts, path).length > 0) throw new Error(`${path} is still mounted`);
    // rm(1) walks by open directories, follows no link and does not leave the file system.
    const left = [path, unfinishedDirectory(path)];
    await run('rm', ['-rf', '--one-file-system', '--', ...left], { signal, timeoutMs: REMOVE_TIMEOUT_MS });
    this.#options.logger.info({ volume: name, path }, 'removed directory of deleted volume');
  }
}
