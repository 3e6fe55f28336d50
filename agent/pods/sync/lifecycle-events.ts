/**
 * Pod lifecycle events (the kubelet's PLEG): the runtime's events by pod instead of by container, and a slow relist
 * in case an event was lost.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs } from '../../../client/backoff.ts';
import type { Logger } from '../../../client/logger.ts';
import { Outage } from '../../../client/outage.ts';
import type { CriClient } from '../../cri/client.ts';
import { followRuntimeEvents, type RuntimeEventType } from '../../cri/events.ts';
import type { HostInventory } from './host-inventory.ts';
import type { PodRuntime } from './observed.ts';

export interface LifecycleEventsOptions {
  readonly cri: CriClient;
  readonly inventory: HostInventory;
  readonly logger: Logger;
  /** Something of the pod has changed. */
  readonly changed: (podUid: string, event?: RuntimeEvent) => void;
  /** Anything may have changed. */
  readonly missed: () => void;
  /** The inventory has been read again. */
  readonly relisted: (signal: AbortSignal) => Promise<void>;
  /** How long it took to read it. */
  readonly measured?: ((seconds: number) => void) | undefined;
}

/** An event of a container or sandbox. */
export interface RuntimeEvent {
  readonly id: string;
  readonly type: RuntimeEventType;
}

const RELIST_MS = 90_000;
const MAX_UNOWNED_EVENTS = 256;
const RETRY = { initialMs: 200, maxMs: 10_000 };

export class LifecycleEvents {
  readonly #options: LifecycleEventsOptions;
  /** The pod that a sandbox or container belongs to. */
  readonly #owners = new Map<string, string>();
  /** The last events without a known pod: a container may exit before it was observed. */
  #unowned: RuntimeEvent[] = [];

  constructor(options: LifecycleEventsOptions) {
    this.#options = options;
  }

  /** Resolves once the inventory was read for the first time: nothing is started before it is known what runs. */
  async untilListed(signal: AbortSignal): Promise<void> {
    const outage = new Outage(this.#options);
    for (let failures = 1; !signal.aborted; failures++) {
      try {
        await this.#list(signal);
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
    const changed = (id: string, type?: RuntimeEventType) => this.#changed(id, type);
    await Promise.all([followRuntimeEvents({ cri, logger, changed, missed }, signal), this.#relist(signal)]);
  }

  /** Records which sandboxes and containers are the pod's; returns their earlier events. */
  own(podUid: string, { sandboxes, containers }: PodRuntime): readonly RuntimeEvent[] {
    for (const { id } of [...sandboxes, ...containers]) this.#owners.set(id, podUid);
    const isKnown = ({ id }: RuntimeEvent): boolean => this.#owners.has(id);
    const events = this.#unowned.filter(isKnown);
    if (events.length > 0) this.#unowned = this.#unowned.filter((each) => !isKnown(each));
    return events;
  }

  forget(podUid: string): void {
    for (const [id, owner] of this.#owners) if (owner === podUid) this.#owners.delete(id);
  }

  #changed(id: string, type: RuntimeEventType | undefined): void {
    const podUid = this.#owners.get(id);
    if (podUid !== undefined) {
      this.#options.changed(podUid, type && { id, type });
    } else if (type) {
      this.#unowned.push({ id, type });
      if (this.#unowned.length > MAX_UNOWNED_EVENTS) this.#unowned.shift();
    }
  }

  async #list(signal: AbortSignal): Promise<Iterable<string>> {
    const { inventory, measured } = this.#options;
    const startedAt = performance.now();
    const podUids = await inventory.list(signal);
    measured?.((performance.now() - startedAt) / 1000);
    return podUids;
  }

  async #relist(signal: AbortSignal): Promise<void> {
    const { changed, relisted, logger } = this.#options;
    while (!signal.aborted) {
      await sleep(RELIST_MS, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        for (const podUid of await this.#list(signal)) changed(podUid);
        await relisted(signal);
      } catch (error) {
        if (signal.aborted) return;
        logger.warn({ err: error }, 'failed to list containers and sandboxes');
      }
    }
  }
}
