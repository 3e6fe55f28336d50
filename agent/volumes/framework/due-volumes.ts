/**
 * PersistentVolumes whose directory this node's agent has to remove: those with the node's name in a label, as soon as they are due. A
 * finalizer keeps the object until it is removed. What fails is tried again.
 */
import { isConflict, isNotFound } from '../../../api/machinery/status-error.ts';
import type { PersistentVolume } from '../../../api/types/core/v1.gen.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import { Informer } from '../../../client/informer.ts';
import type { Logger } from '../../../client/logger.ts';
import { logFailure } from '../../../client/outage.ts';
import { persistentVolumes } from '../../../client/resources.gen.ts';
import { WorkQueue } from '../../../client/work-queue.ts';

export interface DueVolumesOptions<D> {
  readonly client: ApiClient;
  readonly logger: Logger;
  /** `label=node`: nodes may read no others. */
  readonly labelSelector: string;
  readonly finalizer: string;
  /** What is needed to remove the volume; undefined while it is not due. */
  readonly due: (volume: PersistentVolume) => D | undefined;
  /** Resolves when the directory is gone; idempotent. */
  readonly remove: (name: string, due: D, signal: AbortSignal) => Promise<void>;
  /** For the log. */
  readonly failure: string;
}

/** After a failure: a directory that a pod still has mounted is free once the pod is gone. */
const RETRY = { initialBackoffMs: 1_000, maxBackoffMs: 60_000 };

/** What is kept of a volume. */
interface VolumeFacts<D> {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly finalizers: readonly string[];
  readonly due: D | undefined;
}

export class DueVolumes<D> {
  readonly #options: DueVolumesOptions<D>;
  readonly #volumes: Informer<PersistentVolume, VolumeFacts<D>>;

  constructor(options: DueVolumesOptions<D>) {
    const { client, logger, labelSelector, due } = options;
    this.#options = options;
    this.#volumes = new Informer({
      ...{ client, logger, labelSelector },
      resource: persistentVolumes,
      select: (volume): VolumeFacts<D> => ({
        name: volume.metadata?.name ?? '',
        uid: volume.metadata?.uid ?? '',
        resourceVersion: volume.metadata?.resourceVersion ?? '',
        finalizers: [...(volume.metadata?.finalizers ?? [])],
        due: due(volume),
      }),
    });
  }

  /** Until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { logger, failure, remove } = this.#options;
    const queue = new WorkQueue({
      ...RETRY,
      onError: (volume, error, retryMs) => logFailure(logger, error as Error, { volume, retryMs }, failure),
    });
    const wake = ({ name, due }: VolumeFacts<D>): void => {
      if (due !== undefined) queue.add(name);
    };
    this.#volumes.addHandlers({ onAdd: wake, onUpdate: (_, volume) => wake(volume) });
    const work = async (name: string): Promise<void> => {
      const volume = this.#volumes.get('', name);
      if (volume?.due === undefined) return;
      await remove(name, volume.due, signal);
      await this.#release(volume, signal);
    };
    await Promise.all([this.#volumes.run(signal), queue.run(work, signal)]);
  }

  async #release({ name, uid, resourceVersion, finalizers }: VolumeFacts<D>, signal: AbortSignal): Promise<void> {
    const { client, finalizer } = this.#options;
    const left = finalizers.filter((each) => each !== finalizer);
    const patch = { metadata: { uid, resourceVersion, finalizers: left } };
    try {
      await client.patch(persistentVolumes, '', name, patch, { type: 'merge', signal });
    } catch (error) {
      // After a conflict, the event of what it has become wakes the volume again.
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }
}
