/**
 * Pod lifecycle events (the kubelet's PLEG): the runtime's events by pod instead of by container, and a slow relist
 * in case an event was lost.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs } from '../../../client/backoff.ts';
import type { Logger } from '../../../client/logger.ts';
import { Outage } from '../../../client/outage.ts';
import type { CriClient } from '../../cri/client.ts';
import { followRuntimeEvents, type RuntimeSign } from '../../cri/events.ts';
import type { HostInventory } from './host-inventory.ts';
import type { PodRuntime } from './observed.ts';

export interface LifecycleEventsOptions {
  readonly cri: CriClient;
  readonly inventory: HostInventory;
  readonly logger: Logger;
  /** Something of the pod has changed. */
  readonly changed: (podUid: string, told?: Told) => void;
  /** Anything may have changed. */
  readonly missed: () => void;
  /** The inventory has been read again. */
  readonly relisted: (signal: AbortSignal) => Promise<void>;
}

/** What the runtime has told of a container or sandbox. */
export interface Told {
  readonly id: string;
  readonly sign: RuntimeSign;
}

const RELIST_MS = 90_000;
const STRANGERS_KEPT = 256;
const RETRY = { initialMs: 200, maxMs: 10_000 };

export class LifecycleEvents {
  readonly #options: LifecycleEventsOptions;
  /** The pod that a sandbox or container belongs to. */
  readonly #owners = new Map<string, string>();
  /** What was told last of what is not known yet: a container may end before it was seen at all. */
  #toldOfStrangers: Told[] = [];

  constructor(options: LifecycleEventsOptions) {
    this.#options = options;
  }

  /** Resolves once the inventory was read for the first time: nothing is started before it is known what runs. */
  async untilListed(signal: AbortSignal): Promise<void> {
    const outage = new Outage(this.#options);
    for (let failures = 1; !signal.aborted; failures++) {
      try {
        await this.#options.inventory.list(signal);
        outage.ended({}, 'container runtime available');
        return;
      } catch (error) {
        if (signal.aborted) return;
        outage.failed(error, {}, 'container runtime unavailable, retrying');
        await sleep(backoffMs(RETRY, failures), undefined, { signal }).catch(() => undefined);
      }
    }
  }

  async run(signal: AbortSignal): Promise<void> {
    const { cri, logger, missed } = this.#options;
    const changed = (id: string, sign?: RuntimeSign) => this.#changed(id, sign);
    await Promise.all([followRuntimeEvents({ cri, logger, changed, missed }, signal), this.#relist(signal)]);
  }

  /** Sandboxes and containers are the pod's; gives what has been told of them already. */
  own(podUid: string, { sandboxes, containers }: PodRuntime): readonly Told[] {
    for (const { id } of [...sandboxes, ...containers]) this.#owners.set(id, podUid);
    const isKnown = ({ id }: Told): boolean => this.#owners.has(id);
    const told = this.#toldOfStrangers.filter(isKnown);
    if (told.length > 0) this.#toldOfStrangers = this.#toldOfStrangers.filter((each) => !isKnown(each));
    return told;
  }

  forget(podUid: string): void {
    for (const [id, owner] of this.#owners) if (owner === podUid) this.#owners.delete(id);
  }

  #changed(id: string, sign: RuntimeSign | undefined): void {
    const podUid = this.#owners.get(id);
    if (podUid !== undefined) {
      this.#options.changed(podUid, sign && { id, sign });
    } else if (sign) {
      this.#toldOfStrangers.push({ id, sign });
      if (this.#toldOfStrangers.length > STRANGERS_KEPT) this.#toldOfStrangers.shift();
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
        logger.warn({ err: error }, 'failed to list containers and sandboxes');
      }
    }
  }
}
