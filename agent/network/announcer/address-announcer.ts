/**
 * Announces the addresses of load balancers that this node is to announce: it has them on the link of their network, so that the kernel
 * answers for them, and tells the neighbours. Which node that is, the server says (`control-plane/controllers/network/load-balancer/`);
 * an address that another host answers for is left to it until it does so no more.
 */
import { isIPv6 } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { IpAddress } from '../../../api/domain/address.ts';
import { backoffMs } from '../../../client/backoff.ts';
import type { Informer } from '../../../client/informer.ts';
import type { Logger } from '../../../client/logger.ts';
import { Semaphore } from '../../../client/semaphore.ts';
import { Outage } from '../../../client/outage.ts';
import type { Service } from '../../../api/types/core/v1.gen.ts';
import {
  announceToNeighbours,
  bindAnnounced,
  linkInNetworkOf,
  listAnnounced,
  unbindAnnounced,
  whoAnswers,
} from '../../host/announced-addresses.ts';
import { hostAddresses } from '../../host/link-addresses.ts';
import type { CachedService } from '../service-cache.ts';

/** How soon is looked again for an address that another host has, and whether somebody has taken ours from the link. */
const AGAIN_MS = 500;
const CHECK_MS = 30_000;
/** With addresses of IPv6, which the kernel removes from a link that goes down. */
const CHECK_IPV6_MS = 5_000;
/** How often neighbours are told where an address is that has just come here: some of it may be lost. */
const ANNOUNCEMENTS = 3;
/**
 * How soon they are told again, once. One that was down or cut off, or that has heard of the host that had the address before and did not
 * know yet that it has it no longer, sends to the wrong host otherwise, some routers for hours.
 */
const TELL_AGAIN_MS = 60_000;
/** Addresses that are taken at the same time: each takes programs of its own. */
const AT_ONCE = 16;
const RETRY = { initialMs: 500, maxMs: 30_000 };

export interface AddressAnnouncerOptions {
  /** Run by others. */
  readonly services: Pick<Informer<Service, CachedService>, 'addHandlers' | 'hasSynced' | 'values'>;
  /** Tells the server what this node announces; it has to be told often while `isNeeded`. */
  readonly report: (announced: readonly string[], isNeeded: boolean) => void;
  readonly logger: Logger;
}

export class AddressAnnouncer {
  readonly #options: AddressAnnouncerOptions;
  readonly #turns = new Semaphore(AT_ONCE);
  readonly #tellings = new Semaphore(AT_ONCE);
  #wake = Promise.withResolvers<void>();
  /** Why addresses are not announced, as it was logged last. */
  readonly #problems = new Map<string, string>();
  /** When neighbours were told last of the addresses that this host has, ms of the monotonic clock. */
  readonly #toldAtMs = new Map<string, number>();
  /** Those of which they could not be told. */
  readonly #untold = new Set<string>();

  constructor(options: AddressAnnouncerOptions) {
    this.#options = options;
  }

  /** Until the signal is aborted; the addresses stay then. */
  async run(signal: AbortSignal): Promise<void> {
    const { services, logger } = this.#options;
    const wake = (...changed: readonly CachedService[]): void => {
      if (changed.some(({ announced }) => announced)) this.#wake.resolve();
    };
    services.addHandlers({
      onAdd: (added) => wake(added),
      onUpdate: (old, updated) => wake(old, updated),
      onDelete: (gone) => wake(gone),
    });
    await services.hasSynced();
    const outage = new Outage({ logger });
    for (let failures = 0; !signal.aborted;) {
      this.#wake = Promise.withResolvers<void>();
      try {
        const waitMs = await this.#sync(signal);
        failures = 0;
        outage.ended({}, 'announcing addresses recovered');
        await this.#pause(waitMs, signal);
      } catch (error) {
        if (signal.aborted) return;
        outage.failed(error, {}, 'failed to announce addresses of load balancers');
        await delay(backoffMs(RETRY, ++failures), undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** Resolves with when to look again though nothing happens, in ms; undefined when there is nothing to look after. */
  async #sync(signal: AbortSignal): Promise<number | undefined> {
    const { services, report } = this.#options;
    const wanted = new Set([...services.values()].flatMap(({ announced }) => announced ?? []));
    const isNeeded = wanted.size > 0;
    const present = await listAnnounced(signal);
    const failures: unknown[] = [];
    const isKept = (address: string): boolean => wanted.has(address) && present.get(address)?.isAnswered === true;
    for (const [address, { link }] of present)
      if (!isKept(address))
        await unbindAnnounced(address, link, signal).catch((error: unknown) => void failures.push(error));
    signal.throwIfAborted();
    const kept = [...wanted].filter(isKept);
    report(kept, isNeeded);
    for (const address of this.#toldAtMs.keys()) if (!wanted.has(address)) this.#forget(address);
    // An agent before this one may have been killed before it told them.
    for (const address of kept) this.#tell(address, present.get(address)!.link, signal);
    const missing = [...wanted].filter((address) => !isKept(address));
    const taken = await Promise.all(
      missing.map((address) => this.#turns.run(signal, () => this.#tryToTake(address, signal))),
    );
    for (const address of this.#problems.keys()) if (!wanted.has(address)) this.#problems.delete(address);
    if (missing.length > 0) report([...kept, ...missing.filter((_, index) => taken[index])], isNeeded);
    // One that stays on its link keeps no other from being announced, and is tried again.
    if (failures.length > 0) throw failures[0];
    if (taken.includes(false)) return AGAIN_MS;
    if (!isNeeded) return undefined;
    return [...wanted].some(isIPv6) ? CHECK_IPV6_MS : CHECK_MS;
  }

  /** An address that cannot be taken keeps no other from it. */
  async #tryToTake(address: string, signal: AbortSignal): Promise<boolean> {
    try {
      return await this.#take(address, signal);
    } catch (error) {
      signal.throwIfAborted();
      return this.#decline(address, (error as Error).message);
    }
  }

  /** Resolves to whether this host announces it now. */
  async #take(address: string, signal: AbortSignal): Promise<boolean> {
    const parsed = IpAddress.parse(address);
    const link = parsed && (await linkInNetworkOf(parsed, signal));
    if (link === undefined) {
      const isRouted = parsed?.family === 'IPv6' && (await hostAddresses('IPv6', signal)).length > 0;
      return isRouted ? this.#leaveToRouters(address) : this.#decline(address, 'this host is not on its network');
    }
    const other = await whoAnswers(address, link, signal);
    if (other !== undefined) return this.#decline(address, `${other} on ${link} answers for it`);
    await bindAnnounced(address, link, signal);
    this.#problems.delete(address);
    this.#options.logger.info({ address, link }, 'announcing address of load balancer');
    this.#forget(address);
    // The kernel answers from now on: whoever asks need not wait until all neighbours have been told.
    this.#tell(address, link, signal);
    return true;
  }

  #forget(address: string): void {
    this.#toldAtMs.delete(address);
    this.#untold.delete(address);
  }

  /** Tells the neighbours where the address is, in the background, unless they have been told a while ago. */
  #tell(address: string, link: string, signal: AbortSignal): void {
    const now = performance.now();
    const toldAtMs = this.#toldAtMs.get(address);
    if (toldAtMs !== undefined && now - toldAtMs < TELL_AGAIN_MS) return;
    this.#toldAtMs.set(address, now);
    const times = toldAtMs === undefined ? ANNOUNCEMENTS : 1;
    void this.#tellings
      .run(signal, () => announceToNeighbours(address, link, times, signal))
      .then(
        () => this.#untold.delete(address),
        (error: unknown) => {
          if (signal.aborted || this.#untold.has(address)) return;
          this.#untold.add(address);
          const consequence = 'neighbours may send to the host that had the address, until their entries for it expire';
          this.#options.logger.warn({ err: error, address }, consequence);
        },
      );
  }

  #decline(address: string, problem: string): false {
    if (this.#problems.get(address) !== problem)
      this.#options.logger.warn({ address, problem }, 'not announcing address of load balancer');
    this.#problems.set(address, problem);
    return false;
  }

  /** Networks of IPv6 route whole prefixes to hosts: nobody asks neighbours for such an address, and any node may be sent to. */
  #leaveToRouters(address: string): true {
    const problem = 'no link of this host is in its network: routers have to know the way';
    if (this.#problems.get(address) !== problem)
      this.#options.logger.info({ address, problem }, 'leaving address of load balancer to the routers of the network');
    this.#problems.set(address, problem);
    return true;
  }

  async #pause(waitMs: number | undefined, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const ended = AbortSignal.any([signal, over.signal]);
    const timer = delay(waitMs ?? 2 ** 31 - 1, undefined, { signal: ended, ref: waitMs !== undefined });
    await Promise.race([this.#wake.promise, timer.catch(() => undefined)]);
    over.abort();
  }
}

/** Removes them all from the host, as `kedge reset` does. */
export async function removeAnnounced(signal: AbortSignal): Promise<void> {
  for (const [address, { link }] of await listAnnounced(signal)) await unbindAnnounced(address, link, signal);
}
