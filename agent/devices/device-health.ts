/** What drivers say of the health of their devices, as long as it is fresh: the `allocatedResourcesStatus` of containers. */
import { own } from '../../api/machinery/own.ts';
import { MAX_TIMER_MS } from '../../client/deadline.ts';

/** One device in a report of its driver. */
export interface ReportedHealth {
  readonly device: { readonly poolName: string; readonly deviceName: string } | null;
  readonly health: 'UNKNOWN' | 'HEALTHY' | 'UNHEALTHY';
  /** How long it is to be believed; the default when it is not positive. */
  readonly healthCheckTimeoutSeconds: number;
  readonly message: string;
}

export interface Health {
  readonly health: 'Unknown' | 'Healthy' | 'Unhealthy';
  readonly message?: string;
}

export interface DeviceHealthOptions {
  /** The health of one of the driver's devices has changed. */
  readonly onChange: (driver: string) => void;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

interface Known extends Health {
  readonly endsAt: number;
}

/** Upstream's DefaultHealthTimeout. */
const DEFAULT_TIMEOUT_SECONDS = 30;
/** Upstream's ResourceHealthMessageMaxLength, in bytes. */
const MAX_MESSAGE_BYTES = 1024;
/** Of one driver: those that it reports beyond these are not known. */
const MAX_DEVICES = 4096;
const UNKNOWN: Health = { health: 'Unknown' };
const HEALTH = { UNKNOWN: 'Unknown', HEALTHY: 'Healthy', UNHEALTHY: 'Unhealthy' } as const;

const keyOf = (pool: string, device: string): string => `${pool}/${device}`;

export class DeviceHealth implements Disposable {
  readonly #options: DeviceHealthOptions;
  readonly #drivers = new Map<string, ReadonlyMap<string, Known>>();
  readonly #timers = new Map<string, NodeJS.Timeout>();

  constructor(options: DeviceHealthOptions) {
    this.#options = options;
  }

  of(driver: string, pool: string, device: string): Health {
    const known = this.#drivers.get(driver)?.get(keyOf(pool, device));
    if (!known || known.endsAt <= this.#now) return UNKNOWN;
    return { health: known.health, ...(known.message && { message: known.message }) };
  }

  /** Devices that are not reported any more are believed until their time is over. */
  report(driver: string, devices: readonly ReportedHealth[]): void {
    const before = this.#drivers.get(driver) ?? new Map<string, Known>();
    const after = new Map([...before].filter(([, { endsAt }]) => endsAt > this.#now));
    let isChanged = after.size < before.size;
    for (const { device, health, healthCheckTimeoutSeconds, message } of devices) {
      if (!device) continue;
      const key = keyOf(device.poolName, device.deviceName);
      if (!after.has(key) && after.size >= MAX_DEVICES) break;
      const seconds = healthCheckTimeoutSeconds > 0 ? healthCheckTimeoutSeconds : DEFAULT_TIMEOUT_SECONDS;
      const known = {
        health: own(HEALTH, health) ?? UNKNOWN.health,
        message: shortened(message),
        endsAt: this.#now + seconds * 1000,
      };
      const old = after.get(key) ?? UNKNOWN;
      isChanged ||= old.health !== known.health || (old.message ?? '') !== known.message;
      after.set(key, known);
    }
    this.#drivers.set(driver, after);
    this.#awaitExpiry(driver);
    if (isChanged) this.#options.onChange(driver);
  }

  /** The driver does not report any more. */
  clear(driver: string): void {
    clearTimeout(this.#timers.get(driver));
    this.#timers.delete(driver);
    if (this.#drivers.delete(driver)) this.#options.onChange(driver);
  }

  get #now(): number {
    return this.#options.now?.() ?? performance.now();
  }

  #awaitExpiry(driver: string): void {
    clearTimeout(this.#timers.get(driver));
    const ends = [...(this.#drivers.get(driver)?.values() ?? [])].map(({ endsAt }) => endsAt);
    if (ends.length === 0) return void this.#timers.delete(driver);
    const waitMs = Math.min(MAX_TIMER_MS, Math.max(0, Math.min(...ends) - this.#now) + 1);
    this.#timers.set(driver, setTimeout(() => this.report(driver, []), waitMs).unref());
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }
}

/** Without half a character at the end. */
function shortened(message: string): string {
  const bytes = Buffer.from(message);
  if (bytes.length <= MAX_MESSAGE_BYTES) return message;
  return `${new TextDecoder().decode(bytes.subarray(0, MAX_MESSAGE_BYTES - 3)).replace(/\uFFFD$/, '')}...`;
}
