/**
 * The scheduler's cache of ResourceClaims, DeviceClasses and ResourceSlices. It follows the api-server from the first pod with such a claim
 * on, so that clusters without devices do not pay for it.
 */
import { isOlder } from '../../api/machinery/resource-version.ts';
import type { AllocationResult, DeviceClass, ResourceClaim, ResourceSlice } from '../../api/types/resource/v1.gen.ts';
import type { ApiClient } from '../../client/api-client.ts';
import { Informer } from '../../client/informer.ts';
import type { Logger } from '../../client/logger.ts';
import { withoutManagedFields } from '../../client/managed-fields.ts';
import { deviceClasses, resourceClaims, resourceSlices } from '../../client/resources.gen.ts';
import type { ClusterEvent } from './framework/cluster-event.ts';
import { deviceKey, poolKey, poolOf, type DevicePool } from './framework/device-pools.ts';
import type { Devices } from './framework/devices.ts';
import { LazyInformers } from './lazy-informers.ts';

export interface DeviceCacheOptions {
  readonly client: ApiClient;
  readonly logger: Logger;
  readonly onEvent: (event: ClusterEvent) => void;
  /** Everything is in the cache. */
  readonly onSynced: () => void;
}

const NO_POOLS: ReadonlyMap<string, DevicePool> = new Map();

/** With administrative access a device is looked at, and taken from nobody. */
const heldBy = (allocation: AllocationResult | undefined): string[] =>
  (allocation?.devices?.results ?? []).filter(({ adminAccess }) => !adminAccess).map(deviceKey);

/** Which devices are held, counted by claim. */
export class DeviceLedger {
  readonly #byClaim = new Map<string, readonly string[]>();
  readonly #counts = new Map<string, number>();

  isHeld(key: string): boolean {
    return this.#counts.has(key);
  }

  /** @param devices of the claim from now on */
  set(claimUid: string, devices: readonly string[]): void {
    for (const key of this.#byClaim.get(claimUid) ?? []) this.#add(key, -1);
    for (const key of devices) this.#add(key, 1);
    if (devices.length > 0) this.#byClaim.set(claimUid, devices);
    else this.#byClaim.delete(claimUid);
  }

  #add(key: string, by: number): void {
    const count = (this.#counts.get(key) ?? 0) + by;
    if (count > 0) this.#counts.set(key, count);
    else this.#counts.delete(key);
  }
}

export class DeviceCache implements Devices {
  readonly #options: DeviceCacheOptions;
  readonly #claims: Informer<ResourceClaim>;
  readonly #classes: Informer<DeviceClass>;
  readonly #slices: Informer<ResourceSlice>;
  readonly #lazy = new LazyInformers();
  /** By the node that they are local to, '' for all others, and by their keys. */
  readonly #pools = new Map<string, Map<string, DevicePool>>();
  /** The keys of pools of which a slice has changed: they are made when they are asked for, and not at each of their slices. */
  readonly #changed = new Set<string>();
  readonly #ledger = new DeviceLedger();
  /** By the claim's uid: about to be written. */
  readonly #inFlight = new Map<string, AllocationResult>();
  /** By the claim's uid: written, until the informer shows it as new. */
  readonly #written = new Map<string, ResourceClaim>();
  readonly #writes = new Set<Promise<ResourceClaim>>();

  constructor(options: DeviceCacheOptions) {
    this.#options = options;
    const common = { client: options.client, logger: options.logger };
    this.#claims = new Informer({
      ...common,
      resource: resourceClaims,
      select: withoutManagedFields,
      indexes: { uid: ({ metadata }) => [metadata?.uid ?? ''] },
    });
    this.#classes = new Informer({ ...common, resource: deviceClasses, select: withoutManagedFields });
    this.#slices = new Informer({
      ...common,
      resource: resourceSlices,
      select: withoutManagedFields,
      indexes: { pool: (slice) => [poolKey(slice)] },
    });
  }

  /** Whether everything is in the cache. */
  get isSynced(): boolean {
    return this.#lazy.isSynced;
  }

  /** From now on devices are needed. */
  start(): void {
    this.#lazy.start();
  }

  /**
   * Once started, follows the api-server until the signal is aborted; then resolves, when no write is in flight any more: another scheduler,
   * which is started thereafter, would not know of the devices that it gives away.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { onSynced } = this.#options;
    const informers = [this.#claims, this.#classes, this.#slices];
    await this.#lazy.run(informers, { listen: () => this.#listen(), onSynced }, signal);
    while (this.#writes.size > 0) await Promise.allSettled(this.#writes);
  }

  #listen(): void {
    const { onEvent } = this.#options;
    this.#claims.addHandlers({
      onAdd: (claim) => {
        this.#seen(claim);
        onEvent({ type: 'ResourceClaimAdd', claim });
      },
      onUpdate: (old, now) => {
        this.#seen(now);
        if (old.metadata?.uid !== now.metadata?.uid) this.#gone(old);
        onEvent({ type: 'ResourceClaimUpdate', old, now });
      },
      onDelete: (claim) => {
        this.#gone(claim);
        onEvent({ type: 'ResourceClaimDelete', claim });
      },
    });
    this.#classes.addHandlers({
      onAdd: (deviceClass) => onEvent({ type: 'DeviceClassAdd', deviceClass }),
      onUpdate: (_, deviceClass) => onEvent({ type: 'DeviceClassUpdate', deviceClass }),
    });
    this.#slices.addHandlers({
      onAdd: (slice) => this.#onSlice(slice),
      onUpdate: (old, slice) => {
        // What it was of before may be another pool, or local to another node.
        this.#dropPool(old);
        this.#onSlice(slice);
      },
      onDelete: (slice) => {
        this.#dropPool(slice);
        onEvent({ type: 'ResourceSliceDelete', slice });
      },
    });
  }

  #onSlice(slice: ResourceSlice): void {
    this.#dropPool(slice);
    this.#options.onEvent({ type: 'ResourceSliceAdd', slice });
  }

  /** It is made again of the slices that it has then. */
  #dropPool(slice: ResourceSlice): void {
    const key = poolKey(slice);
    this.#changed.add(key);
    for (const place of new Set([slice.spec.nodeName ?? '', ''])) {
      const pools = this.#pools.get(place);
      pools?.delete(key);
      if (pools?.size === 0) this.#pools.delete(place);
    }
  }

  #makePool(key: string): void {
    const pool = poolOf(this.#slices.byIndex('pool', key));
    if (!pool) return;
    const place = pool.nodeName ?? '';
    const pools = this.#pools.get(place);
    if (pools) pools.set(key, pool);
    else this.#pools.set(place, new Map([[key, pool]]));
  }

  #seen(claim: ResourceClaim): void {
    const uid = claim.metadata?.uid ?? '';
    const written = this.#written.get(uid);
    if (written && !isOlder(claim.metadata?.resourceVersion ?? '', written.metadata?.resourceVersion ?? ''))
      this.#written.delete(uid);
    this.#count(uid, claim);
  }

  #gone({ metadata }: ResourceClaim): void {
    this.#written.delete(metadata?.uid ?? '');
    this.#count(metadata?.uid ?? '', undefined);
  }

  /** Devices of a claim that is being written stay held whatever the cache says meanwhile. */
  #count(uid: string, stored: ResourceClaim | undefined): void {
    const { status } = this.#written.get(uid) ?? stored ?? {};
    this.#ledger.set(uid, [...heldBy(status?.allocation), ...heldBy(this.#inFlight.get(uid))]);
  }

  #stored(uid: string): ResourceClaim | undefined {
    return this.#claims.byIndex('uid', uid)[0];
  }

  claim(namespace: string, name: string): ResourceClaim | undefined {
    const stored = this.#claims.get(namespace, name);
    return stored && (this.#written.get(stored.metadata?.uid ?? '') ?? stored);
  }

  deviceClass(name: string): DeviceClass | undefined {
    return this.#classes.get('', name);
  }

  *poolsFor(nodeName: string): Iterable<DevicePool> {
    for (const key of this.#changed) this.#makePool(key);
    this.#changed.clear();
    yield* (this.#pools.get(nodeName) ?? NO_POOLS).values();
    yield* (this.#pools.get('') ?? NO_POOLS).values();
  }

  isHeld(key: string): boolean {
    return this.#ledger.isHeld(key);
  }

  isInFlight(claimUid: string): boolean {
    return this.#inFlight.has(claimUid);
  }

  assume(claimUid: string, allocation: AllocationResult): void {
    this.#inFlight.set(claimUid, allocation);
    this.#count(claimUid, this.#stored(claimUid));
  }

  forget(claimUid: string): void {
    if (this.#inFlight.delete(claimUid)) this.#count(claimUid, this.#stored(claimUid));
  }

  settle(claim: ResourceClaim): void {
    const { uid = '', namespace = '', name = '', resourceVersion = '' } = claim.metadata ?? {};
    this.#inFlight.delete(uid);
    const stored = this.#claims.get(namespace, name);
    if (stored?.metadata?.uid === uid && isOlder(stored.metadata.resourceVersion ?? '', resourceVersion))
      this.#written.set(uid, claim);
    this.#count(uid, stored?.metadata?.uid === uid ? stored : undefined);
  }

  deallocate(claim: ResourceClaim): void {
    const status = { ...claim.status };
    for (const field of ['allocation', 'reservedFor', 'devices'] as const) delete status[field];
    this.updateStatus({ ...claim, status }).catch((err: Error) => {
      const { namespace, name } = claim.metadata ?? {};
      this.#options.logger.warn({ namespace, claim: name, err }, 'failed to deallocate resource claim');
    });
  }

  get(namespace: string, name: string): Promise<ResourceClaim> {
    return this.#options.client.get(resourceClaims, namespace, name);
  }

  update(claim: ResourceClaim): Promise<ResourceClaim> {
    return this.#write(this.#options.client.update(resourceClaims, claim));
  }

  updateStatus(claim: ResourceClaim): Promise<ResourceClaim> {
    return this.#write(this.#options.client.updateStatus(resourceClaims, claim));
  }

  #write(writing: Promise<ResourceClaim>): Promise<ResourceClaim> {
    this.#writes.add(writing);
    const done = (): void => {
      this.#writes.delete(writing);
    };
    writing.then(done, done);
    return writing;
  }
}
