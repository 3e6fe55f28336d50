/**
 * Reconciles allocations with the existing Services, as upstream's `ipallocator` and `portallocator` repair controllers. A
 * Service whose address or port is not allocated (written before allocations were objects, or its IPAddress was deleted)
 * gets it allocated; an allocation whose Service was never written, because the server ended between the two writes, is
 * removed.
 */
import type { Logger } from '../../../../client/logger.ts';
import { services } from '../../../../api/kinds/core/service.ts';
import type { KubeObject } from '../../../../api/machinery/kind.ts';
import { ipAddresses } from '../../../../api/kinds/networking/ip-address.ts';
import { isAllocated } from './allocated-address.ts';
import type { ClusterIPs } from './cluster-ips.ts';
import type { LocalApi } from '../../catalogue/local-api.ts';
import type { NodePorts } from './node-ports.ts';
import { nameOf, type Owner, type AllocationIndex } from './allocation-index.ts';

/** Upstream's maximum request time: after it, the Service of an allocation will not be written any more. */
const DEFAULT_GRACE_MS = 60_000;
const CHECKS_PER_GRACE = 2;
/** Concurrent allocations, which share flushes of the store. */
const CLAIM_SLICE = 100;

export interface AllocationRepairOptions {
  readonly api: LocalApi;
  readonly allocations: AllocationIndex;
  readonly addresses: ClusterIPs;
  readonly ports: NodePorts;
  /** Resolves when `api` reflects all writes so far. */
  readonly fresh: () => Promise<void> | undefined;
  /** Default: DEFAULT_GRACE_MS. */
  readonly graceMs?: number | undefined;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

export class AllocationRepair {
  readonly #options: AllocationRepairOptions;
  readonly #graceMs: number;
  /** Orphaned allocations and when they were first seen (milliseconds of this server's monotonic clock). */
  #orphans = new Map<string, number>();
  /** Duplicate allocations that have been logged. */
  readonly #duplicates = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: AllocationRepairOptions) {
    this.#options = options;
    this.#graceMs = options.graceMs ?? DEFAULT_GRACE_MS;
  }

  /** Resolves after the first check; further checks follow changes, and recur while there are orphans. */
  async start(): Promise<void> {
    const { signal } = this.#options;
    await this.#run();
    // The objects of either write may be left behind by a server that ended in between.
    for (const kind of [services, ipAddresses]) this.#options.api.subscribe<KubeObject>(kind, () => this.#arm());
    signal.addEventListener('abort', () => clearTimeout(this.#timer), { once: true });
  }

  #arm(): void {
    if (this.#options.signal.aborted) return;
    this.#timer ??= setTimeout(() => void this.#run(), this.#graceMs / CHECKS_PER_GRACE).unref();
  }

  /** Never rejects: failures are retried with the next check. */
  async #run(): Promise<void> {
    const { signal, logger } = this.#options;
    this.#timer = undefined;
    try {
      await this.#claimMissing();
      await this.#removeOrphans();
      if (this.#orphans.size > 0) this.#arm();
    } catch (error) {
      if (signal.aborted) return;
      logger.warn({ err: error }, 'failed to repair allocations of Services, retrying');
      this.#arm();
    }
  }

  async #claimMissing(): Promise<void> {
    const { api, allocations, addresses, ports, fresh, logger } = this.#options;
    await fresh();
    const missing: (() => Promise<void>)[] = [];
    for (const [ip, owners] of allocations.addresses) {
      const [owner] = owners;
      if (owners.length > 1) this.#tellOfDuplicate('cluster IP', ip, owners);
      if (!owner || !addresses.ranges.includes(ip) || api.has(ipAddresses, '', ip)) continue;
      missing.push(async () => {
        logger.info({ service: nameOf(owner), ip }, 'allocating cluster IP of existing Service');
        await addresses.claim(ip, owner);
      });
    }
    for (let first = 0; first < missing.length; first += CLAIM_SLICE) {
      await Promise.all(missing.slice(first, first + CLAIM_SLICE).map((claim) => claim()));
    }
    const taken = await ports.taken();
    for (const [port, owners] of allocations.ports) {
      if (owners.length > 1) this.#tellOfDuplicate('node port', `${port}`, owners);
    }
    if (![...allocations.ports.keys()].some((port) => ports.includes(port) && !taken.has(port))) return;
    await ports.change((draft) => {
      for (const port of allocations.ports.keys()) if (ports.includes(port)) draft.take(port);
    });
  }

  async #removeOrphans(): Promise<void> {
    const { api, allocations, addresses, ports, fresh, logger } = this.#options;
    const taken = await ports.taken();
    await fresh();
    const before = this.#orphans;
    this.#orphans = new Map();
    const now = performance.now();
    /** Whether it has been orphaned for longer than the grace period. */
    const isLeaked = (key: string): boolean => {
      const since = before.get(key) ?? now;
      this.#orphans.set(key, since);
      return now - since >= this.#graceMs;
    };
    for (const object of api.list(ipAddresses)) {
      const { name: ip = '', uid = '' } = object.metadata ?? {};
      if (!isAllocated(object) || allocations.addresses.has(ip) || !isLeaked(uid)) continue;
      logger.warn({ ip, parent: object.spec?.parentRef }, 'removing cluster IP allocation without a Service');
      await addresses.remove(object);
      this.#orphans.delete(uid);
    }
    const leaked = [...taken].filter((port) => !allocations.ports.has(port) && isLeaked(`port ${port}`));
    if (leaked.length === 0) return;
    logger.warn({ ports: leaked }, 'removing node port allocations without a Service');
    await ports.change((draft) => {
      for (const port of leaked) if (!allocations.ports.has(port)) draft.release(port);
    });
    for (const port of leaked) this.#orphans.delete(`port ${port}`);
  }

  #tellOfDuplicate(what: string, value: string, owners: readonly Owner[]): void {
    const key = `${what} ${value}`;
    if (this.#duplicates.has(key)) return;
    this.#duplicates.add(key);
    const services = owners.map(nameOf);
    this.#options.logger.warn({ services }, `${key} is assigned to several Services: recreate all but one`);
  }
}
