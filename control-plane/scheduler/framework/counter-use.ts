/** What is left of the counters of pools: devices that overlap, as the partitions of a GPU do, take of them when they are allocated. */
import type { DevicePool, PooledDevice } from './device-pools.ts';

export interface HeldDevices {
  readonly pools: readonly DevicePool[];
  readonly isHeld: (key: string) => boolean;
}

export class CounterUse {
  readonly #held: HeldDevices;
  /** By the pool: what is left, in nano units. Only of pools that were asked for. */
  readonly #left = new Map<DevicePool, Map<string, bigint>>();

  constructor(held: HeldDevices) {
    this.#held = held;
  }

  /** Returns false, and takes nothing, when there is not enough left. */
  take(device: PooledDevice): boolean {
    if (device.consumes.size === 0) return true;
    const left = this.#leftOf(device);
    for (const [key, amount] of device.consumes) if ((left.get(key) ?? 0n) < amount) return false;
    for (const [key, amount] of device.consumes) left.set(key, (left.get(key) ?? 0n) - amount);
    return true;
  }

  giveBack({ driver, pool, consumes }: PooledDevice): void {
    if (consumes.size === 0) return;
    const left = this.#leftOf({ driver, pool });
    for (const [key, amount] of consumes) left.set(key, (left.get(key) ?? 0n) + amount);
  }

  /** Devices that are held from other nodes count, too. */
  #leftOf({ driver, pool: name }: Pick<PooledDevice, 'driver' | 'pool'>): Map<string, bigint> {
    const pool = this.#held.pools.find((one) => one.driver === driver && one.name === name);
    if (!pool) throw new Error(`no pool ${driver}/${name}`);
    const known = this.#left.get(pool);
    if (known) return known;
    const left = new Map(pool.counters);
    for (const { key, consumes } of pool.devices) {
      if (consumes.size === 0 || !this.#held.isHeld(key)) continue;
      for (const [counter, amount] of consumes) left.set(counter, (left.get(counter) ?? 0n) - amount);
    }
    this.#left.set(pool, left);
    return left;
  }
}
