/**
 * Removes the ResourceSlices of drivers that have gone from this node: pods would be scheduled to devices that nobody prepares. Drivers
 * publish them again when they come back.
 */
import { isNotFound } from '../../api/machinery/status-error.ts';
import type { ApiClient } from '../../client/api-client.ts';
import type { Logger } from '../../client/logger.ts';
import { logFailure } from '../../client/outage.ts';
import { resourceSlices } from '../../client/resources.gen.ts';
import { WorkQueue } from '../../client/work-queue.ts';

export interface SliceCleanupOptions {
  readonly client: Pick<ApiClient, 'deleteCollection'>;
  readonly nodeName: string;
  readonly isUsable: (driver: string) => boolean;
  readonly logger: Logger;
  /** Default: upstream's. */
  readonly graceMs?: number;
  /** Monotonic clock, in milliseconds. */
  readonly now?: () => number;
}

/** As long as upstream waits for a driver that is restarted. */
const GRACE_MS = 30_000;
const RETRY = { initialBackoffMs: 1_000, maxBackoffMs: 5 * 60_000 };
/** The key of the queue for those of all drivers: no driver has this name. */
const ALL = '';

export class SliceCleanup {
  readonly #options: SliceCleanupOptions;
  readonly #queue: WorkQueue;
  /** When a driver has gone. */
  readonly #goneAtMs = new Map<string, number>();

  constructor(options: SliceCleanupOptions) {
    this.#options = options;
    this.#queue = new WorkQueue({
      ...RETRY,
      onError: (driver, error, retryMs) =>
        logFailure(options.logger, error as Error, { driver, retryMs }, 'failed to remove ResourceSlices, retrying'),
    });
  }

  /** The driver can be called, or not any more. */
  changed(driver: string): void {
    if (this.#options.isUsable(driver)) this.#goneAtMs.delete(driver);
    else if (!this.#goneAtMs.has(driver)) {
      this.#goneAtMs.set(driver, this.#nowMs);
      this.#queue.addAfter(driver, this.#graceMs);
    }
  }

  /** When it begins, no driver has registered: those that have gone meanwhile never will. */
  run(signal: AbortSignal): Promise<void> {
    this.#queue.add(ALL);
    return this.#queue.run((driver) => this.#remove(driver, signal), signal);
  }

  get #graceMs(): number {
    return this.#options.graceMs ?? GRACE_MS;
  }

  get #nowMs(): number {
    return this.#options.now?.() ?? performance.now();
  }

  async #remove(driver: string, signal: AbortSignal): Promise<void> {
    const { client, nodeName, logger } = this.#options;
    if (driver !== ALL) {
      const goneAtMs = this.#goneAtMs.get(driver);
      if (goneAtMs === undefined) return;
      // It has been back meanwhile.
      const leftMs = Math.ceil(goneAtMs + this.#graceMs - this.#nowMs);
      if (leftMs > 0) return this.#queue.addAfter(driver, leftMs);
    }
    const fieldSelector = `spec.nodeName=${nodeName}${driver === ALL ? '' : `,spec.driver=${driver}`}`;
    try {
      await client.deleteCollection(resourceSlices, { fieldSelector, signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    this.#goneAtMs.delete(driver);
    logger.info({ driver: driver === ALL ? undefined : driver }, 'ResourceSlices of the node removed');
  }
}
