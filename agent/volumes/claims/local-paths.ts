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
import { isConflict, isNotFound } from '../../../api/machinery/status-error.ts';
import type { PersistentVolume } from '../../../api/types/core/v1.gen.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import { Informer } from '../../../client/informer.ts';
import type { Logger } from '../../../client/logger.ts';
import { logFailure } from '../../../client/outage.ts';
import { persistentVolumes } from '../../../client/resources.gen.ts';
import { WorkQueue } from '../../../client/work-queue.ts';
import { mountPointsBelow, readMounts } from '../../host/mounts.ts';
import { run } from '../../host/run.ts';
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
/** After a failure: a directory that a pod still has mounted is free once the pod is gone. */
const RETRY = { initialBackoffMs: 1_000, maxBackoffMs: 60_000 };

/** What is kept of a volume of this node. */
interface VolumeFacts {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly finalizers: readonly string[];
  readonly isDue: boolean;
}

const volumeFacts = (volume: PersistentVolume): VolumeFacts => ({
  name: volume.metadata?.name ?? '',
  uid: volume.metadata?.uid ?? '',
  resourceVersion: volume.metadata?.resourceVersion ?? '',
  finalizers: [...(volume.metadata?.finalizers ?? [])],
  isDue: isDirectoryDue(volume),
});

export class LocalPaths {
  readonly #options: LocalPathsOptions;
  readonly #volumes: Informer<PersistentVolume, VolumeFacts>;

  constructor(options: LocalPathsOptions) {
    const { client, logger, nodeName } = options;
    this.#options = options;
    this.#volumes = new Informer({
      ...{ client, logger },
      resource: persistentVolumes,
      labelSelector: `${LOCAL_PATH_NODE}=${nodeName}`,
      select: volumeFacts,
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
  async run(signal: AbortSignal): Promise<void> {
    const queue = new WorkQueue({
      ...RETRY,
      onError: (volume, error, retryMs) =>
        logFailure(
          this.#options.logger,
          error as Error,
          { volume, retryMs },
          'failed to remove local-path volume, retrying',
        ),
    });
    const wake = ({ name, isDue }: VolumeFacts): void => {
      if (isDue) queue.add(name);
    };
    this.#volumes.addHandlers({ onAdd: wake, onUpdate: (_, volume) => wake(volume) });
    const remove = async (name: string): Promise<void> => {
      const volume = this.#volumes.get('', name);
      if (!volume?.isDue) return;
      await this.#remove(name, signal);
      await this.#release(volume, signal);
    };
    await Promise.all([this.#volumes.run(signal), queue.run(remove, signal)]);
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

  async #release({ name, uid, resourceVersion, finalizers }: VolumeFacts, signal: AbortSignal): Promise<void> {
    const left = finalizers.filter((each) => each !== LOCAL_PATH_FINALIZER);
    const patch = { metadata: { uid, resourceVersion, finalizers: left } };
    try {
      await this.#options.client.patch(persistentVolumes, '', name, patch, { type: 'merge', signal });
    } catch (error) {
      // After a conflict, the event of what it has become wakes the volume again.
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }
}
