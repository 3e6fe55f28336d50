/** When a node counts as short of something: https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/ */
import { quantityValue } from '../../api/machinery/quantity.ts';

export const SIGNALS = [
  'memory.available',
  'nodefs.available',
  'nodefs.inodesFree',
  'imagefs.available',
  'imagefs.inodesFree',
  'pid.available',
] as const;
export type Signal = (typeof SIGNALS)[number];

/** Pressure begins below this: an amount, or a share of the capacity. */
export type Threshold =
  { readonly signal: Signal; readonly amount: number } | { readonly signal: Signal; readonly share: number };

/** How much is left, and of how much. */
export interface Level {
  readonly available: number;
  readonly capacity: number;
}
export type Levels = Readonly<Partial<Record<Signal, Level>>>;

/** `memory.available<100Mi`, `nodefs.available<10%`. Throws for anything else. */
export function parseThresholds(texts: readonly string[]): Threshold[] {
  return texts.map((text) => {
    const [, name, value = ''] = /^([^<]+)<(.+)$/.exec(text) ?? [];
    const signal = SIGNALS.find((known) => known === name);
    if (signal === undefined)
      throw new Error(`eviction-hard: ${JSON.stringify(text)} is not SIGNAL<AMOUNT with one of ${SIGNALS.join(', ')}`);
    return value.endsWith('%')
      ? { signal, share: Number(value.slice(0, -1)) / 100 }
      : { signal, amount: quantityValue(value) };
  });
}

export type Pressure = 'MemoryPressure' | 'DiskPressure' | 'PIDPressure';

const PRESSURE_OF: Readonly<Record<Signal, Pressure>> = {
  'memory.available': 'MemoryPressure',
  'nodefs.available': 'DiskPressure',
  'nodefs.inodesFree': 'DiskPressure',
  'imagefs.available': 'DiskPressure',
  'imagefs.inodesFree': 'DiskPressure',
  'pid.available': 'PIDPressure',
};

/** A pressure stays for this long after it was seen last, so that pods are not sent back and forth (kubelet's default). */
export const PRESSURE_HOLD_MS = 5 * 60_000;

/** When each pressure was seen last, in ms since the epoch. */
export type PressureSeen = Readonly<Partial<Record<Pressure, number>>>;

export function observePressure(
  thresholds: readonly Threshold[],
  levels: Levels,
  seen: PressureSeen,
  nowMs: number,
): PressureSeen {
  const next: Partial<Record<Pressure, number>> = { ...seen };
  for (const threshold of thresholds) {
    const level = levels[threshold.signal];
    if (!level) continue;
    const limit = 'amount' in threshold ? threshold.amount : threshold.share * level.capacity;
    if (level.available < limit) next[PRESSURE_OF[threshold.signal]] = nowMs;
  }
  return next;
}

export const isUnderPressure = (seen: PressureSeen, pressure: Pressure, nowMs: number): boolean =>
  nowMs - (seen[pressure] ?? -Infinity) < PRESSURE_HOLD_MS;
