/**
 * What happens to pods in the runtime (the kubelet's PLEG): its events, told by pod instead of by container, and a slow relist
 * as the net under them.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs } from '../../client/backoff.ts';
import type { Logger } from '../../client/logger.ts';
import type { CriClient } from '../cri/client.ts';
import { followRuntimeEvents } from '../cri/events.ts';
import type { HostInventory } from './host-inventory.ts';
import type { PodRuntime } from './observed.ts';

export interface LifecycleEventsOptions {
  readonly cri: CriClient;
  readonly inventory: HostInventory;
  readonly logger: Logger;
  /** Something of the pod has changed. `endedId` is the container or sandbox that has ended, if that is what happened. */
  readonly changed: (podUid: string, endedId?: string) => void;
  /** Anything may have changed. */
  readonly missed: () => void;
  /** The inventory is fresh. */
  readonly relisted: (signal: AbortSignal) => Promise<void>;
}

const RELIST_MS = 90_000;
const STRANGERS_KEPT = 256;
const RETRY = { initialMs: 200, maxMs: 10_000 };

export class LifecycleEvents {
  readonly #options: LifecycleEventsOptions;
  /** The pod that a sandbox or container belongs to. */
  readonly #owners = new Map<string, string>();
  /** The latest ends of what is not known yet: a container may end before it was seen at all. */
  readonly #strangersEnds = new Set<string>();

  constructor(options: LifecycleEventsOptions) {
    this.#options = options;
  }

  /** Resolves once the inventory was taken for the first time: nothing is started before it is known what runs. */
  async untilListed(signal: AbortSignal): Promise<void> {
    for (let failures = 1; !signal.aborted; failures++) {
      try {
        await this.#options.inventory.list(signal);
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.#options.logger.warn({ err: (error as Error).message }, 'the container runtime does not answer');
        await sleep(backoffMs(RETRY, failures), undefined, { signal }).catch(() => undefined);
      }
    }
  }

  async run(signal: AbortSignal): Promise<void> {
    const { cri, logger, missed } = this.#options;
    const changed = (id: string, ended: boolean) => this.#changed(id, ended);
    await Promise.all([followRuntimeEvents({ cri, logger, changed, missed }, signal), this.#relist(signal)]);
  }

  /** Sandboxes and containers are the pod's; gives those of which the end has been told already. */
  own(podUid: string, { sandboxes, containers }: PodRuntime): string[] {
    const ids = [...sandboxes, ...containers].map(({ id }) => id);
    for (const id of ids) this.#owners.set(id, podUid);
    return ids.filter((id) => this.#strangersEnds.delete(id));
  }

  forget(podUid: string): void {
    for (const [id, owner] of this.#owners) if (owner === podUid) this.#owners.delete(id);
  }

  #changed(id: string, ended: boolean): void {
    const podUid = this.#owners.get(id);
    if (podUid !== undefined) {
      this.#options.changed(podUid, ended ? id : undefined);
    } else if (ended) {
      this.#strangersEnds.add(id);
      if (this.#strangersEnds.size > STRANGERS_KEPT) {
        const [oldest = ''] = this.#strangersEnds;
        this.#strangersEnds.delete(oldest);
      }
    }
  }

  async #relist(signal: AbortSignal): Promise<void> {
    const { inventory, changed, relisted, logger } = this.#options;
    while (!signal.aborted) {
      await sleep(RELIST_MS, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        for (const podUid of await inventory.list(signal)) changed(podUid);
        await relisted(signal);
      } catch (error) {
        if (signal.aborted) return;
        logger.warn({ err: (error as Error).message }, 'the container runtime could not be listed');
      }
    }
  }
}
