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

/** Removals that go on at the same time: one whose server is away, or that has very many files, keeps only so many others waiting. */
const CONCURRENCY = 8;
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
    const { client, logger, labelSelector } = options;
    this.#options = options;
    this.#volumes = new Informer({
      ...{ client, logger, labelSelector },
      resource: persistentVolumes,
      select: (volume) => this.#select(volume),
    });
  }

  #select(volume: PersistentVolume): VolumeFacts<D> {
    const { name = '', uid = '', resourceVersion = '', finalizers = [] } = volume.metadata ?? {};
    return { name, uid, resourceVersion, finalizers: [...finalizers], due: this.#options.due(volume) };
  }

  /** Until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { logger, failure, remove } = this.#options;
    const queue = new WorkQueue({
      ...RETRY,
      concurrency: CONCURRENCY,
      onError: (volume, error, retryMs) => logFailure(logger, error as Error, { volume, retryMs }, failure),
    });
    const wake = ({ name, due }: VolumeFacts<D>): void => {
      if (due !== undefined) queue.add(name);
    };
    this.#volumes.addHandlers({ onAdd: wake, onUpdate: (_, volume) => wake(volume) });
    const work = async (name: string): Promise<void> => {
      if (this.#volumes.get('', name)?.due === undefined) return;
      const volume = await this.#current(name, signal);
      if (volume?.due === undefined) return;
      await remove(name, volume.due, signal);
      await this.#release(volume, signal);
    };
    await Promise.all([this.#volumes.run(signal), queue.run(work, signal)]);
  }

  /**
   * As the api-server has it now; undefined when this node is not asked any more. What an agent remembers that is cut off may be over: another
   * one has removed the directory since, and there may be a new one in its place.
   */
  async #current(name: string, signal: AbortSignal): Promise<VolumeFacts<D> | undefined> {
    const { client, labelSelector } = this.#options;
    const fieldSelector = `metadata.name=${name}`;
    const { items } = await client.list(persistentVolumes, { labelSelector, fieldSelector, signal });
    return items[0] && this.#select(items[0]);
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
