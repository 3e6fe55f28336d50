/** When a node is under pressure: https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/ */
import { canonicalQuantity, QuantityError, quantityValue } from '../../api/machinery/quantity.ts';
import { SettingValueError } from '../../daemon/setting-rules.ts';

const SIGNALS = [
  'memory.available',
  'nodefs.available',
  'nodefs.inodesFree',
  'imagefs.available',
  'imagefs.inodesFree',
  'pid.available',
] as const;
export type Signal = (typeof SIGNALS)[number];

/** Pressure begins below this: an amount (`text` is how it was written), or a share of the capacity. */
export type Threshold =
  | { readonly signal: Signal; readonly amount: number; readonly text: string }
  | { readonly signal: Signal; readonly share: number };

/** What is available, and the capacity. */
export interface Level {
  readonly available: number;
  readonly capacity: number;
}
export type Levels = Readonly<Partial<Record<Signal, Level>>>;

/** `memory.available<100Mi`, `nodefs.available<10%`. Throws SettingValueError for anything else. */
export const parseThresholds = (texts: readonly string[]): Threshold[] => texts.map(parseThreshold);

function parseThreshold(text: string): Threshold {
  const [, name, value = ''] = /^([^<]+)<(.+)$/.exec(text) ?? [];
  const signal = SIGNALS.find((known) => known === name);
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(value)?.[1];
  const quoted = JSON.stringify(text);
  if (signal === undefined || (percent === undefined && value.endsWith('%')))
    throw new SettingValueError(`${quoted} is not SIGNAL<AMOUNT with one of ${SIGNALS.join(', ')}`);
  if (percent !== undefined) return { signal, share: Number(percent) / 100 };
  try {
    return { signal, amount: quantityValue(value), text: canonicalQuantity(value) };
  } catch (error) {
    if (!(error instanceof QuantityError)) throw error;
    throw new SettingValueError(`${quoted} ends in no amount such as 100Mi or 10%`, { cause: error });
  }
}

export const PRESSURES = ['MemoryPressure', 'DiskPressure', 'PIDPressure'] as const;
export type Pressure = (typeof PRESSURES)[number];

const PRESSURE_OF: Readonly<Record<Signal, Pressure>> = {
  'memory.available': 'MemoryPressure',
  'nodefs.available': 'DiskPressure',
  'nodefs.inodesFree': 'DiskPressure',
  'imagefs.available': 'DiskPressure',
  'imagefs.inodesFree': 'DiskPressure',
  'pid.available': 'PIDPressure',
};

/**
 * A pressure lasts this long after it was last observed, so that it does not flap (kubelet's evictionPressureTransitionPeriod).
 */
export const PRESSURE_HOLD_MS = 5 * 60_000;

/** When each pressure was last observed, by the clock of who asks, in ms. */
export type PressureObservation = Readonly<Partial<Record<Pressure, number>>>;

/** A threshold that the level is below. */
export interface Shortage {
  readonly threshold: Threshold;
  readonly level: Level;
}

export const limitOf = (threshold: Threshold, { capacity }: Level): number =>
  'amount' in threshold ? threshold.amount : threshold.share * capacity;

export const shortages = (thresholds: readonly Threshold[], levels: Levels): Shortage[] =>
  thresholds.flatMap((threshold) => {
    const level = levels[threshold.signal];
    return level && level.available < limitOf(threshold, level) ? [{ threshold, level }] : [];
  });

export function observePressure(
  thresholds: readonly Threshold[],
  levels: Levels,
  seen: PressureObservation,
  nowMs: number,
): PressureObservation {
  const next: Partial<Record<Pressure, number>> = { ...seen };
  for (const { threshold } of shortages(thresholds, levels)) next[PRESSURE_OF[threshold.signal]] = nowMs;
  return next;
}

/** What was seen in the future was seen before the clock was set back: if it still holds, it is about to be seen again. */
export function isUnderPressure(seen: PressureObservation, pressure: Pressure, nowMs: number): boolean {
  const ageMs = nowMs - (seen[pressure] ?? -Infinity);
  return ageMs >= 0 && ageMs < PRESSURE_HOLD_MS;
}
