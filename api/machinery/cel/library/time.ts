/** Timestamps and durations: arithmetic and their parts. */
import { overload, type Overload } from '../environment.ts';
import type { Meter } from '../meter.ts';
import { type CelValue, Duration, durationOf, Failure, Timestamp } from '../values.ts';
import { timestampOf } from './time-text.ts';

const NANOS_PER_MILLI = 1_000_000n;
const MILLIS_PER_DAY = 86_400_000;
/** Of asking for the rules of a time zone. */
const STEPS_PER_ZONE = 1_000;
const FIXED_ZONE = /^([+-]?)(\d\d):(\d\d)$/;

/** The milliseconds since the epoch of a clock of UTC that shows the local time. */
function localMillis({ nanos }: Timestamp, zone: string, meter: Meter): number | Failure {
  const millis = Number((nanos - (((nanos % NANOS_PER_MILLI) + NANOS_PER_MILLI) % NANOS_PER_MILLI)) / NANOS_PER_MILLI);
  if (zone === 'UTC' || zone === '') return millis;
  const fixed = FIXED_ZONE.exec(zone);
  if (fixed) {
    const minutes = Number(fixed[2]) * 60 + Number(fixed[3]);
    return millis + (fixed[1] === '-' ? -minutes : minutes) * 60_000;
  }
  try {
    meter.step(STEPS_PER_ZONE);
    const parts = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      ...{ year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' },
    }).formatToParts(millis);
    const part = (type: string): number => Number(parts.find((found) => found.type === type)?.value);
    const local = Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'));
    return local + (((millis % 1000) + 1000) % 1000);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return new Failure(`unknown time zone ${zone}`);
  }
}

const PARTS: readonly (readonly [string, (local: Date) => number])[] = [
  ['getFullYear', (local) => local.getUTCFullYear()],
  ['getMonth', (local) => local.getUTCMonth()],
  ['getDayOfYear', (local) => Math.floor((local.getTime() - Date.UTC(local.getUTCFullYear(), 0, 1)) / MILLIS_PER_DAY)],
  ['getDayOfMonth', (local) => local.getUTCDate() - 1],
  ['getDate', (local) => local.getUTCDate()],
  ['getDayOfWeek', (local) => local.getUTCDay()],
  ['getHours', (local) => local.getUTCHours()],
  ['getMinutes', (local) => local.getUTCMinutes()],
  ['getSeconds', (local) => local.getUTCSeconds()],
  ['getMilliseconds', (local) => local.getUTCMilliseconds()],
];

const DURATION_PARTS: readonly (readonly [string, bigint])[] = [
  ['getHours', 3_600_000_000_000n],
  ['getMinutes', 60_000_000_000n],
  ['getSeconds', 1_000_000_000n],
];

function partOf(
  time: CelValue | undefined,
  zone: CelValue | undefined,
  read: (local: Date) => number,
  meter: Meter,
): CelValue {
  const millis = localMillis(time as Timestamp, typeof zone === 'string' ? zone : '', meter);
  return millis instanceof Failure ? millis : BigInt(read(new Date(millis)));
}

const nanos = (value: CelValue | undefined): bigint => (value as Duration | Timestamp).nanos;

export const timeLibrary = (): Overload[] => [
  ...PARTS.flatMap(([name, read]) => [
    overload(`timestamp:${name}(): int`, ([time], meter) => partOf(time, undefined, read, meter)),
    overload(`timestamp:${name}(string): int`, ([time, zone], meter) => partOf(time, zone, read, meter)),
  ]),
  ...DURATION_PARTS.map(([name, unit]) => overload(`duration:${name}(): int`, ([value]) => nanos(value) / unit)),
  overload('duration:getMilliseconds(): int', ([value]) => nanos(value) / NANOS_PER_MILLI),
  overload('_+_(duration, duration): duration', ([left, right]) => durationOf(nanos(left) + nanos(right))),
  overload('_+_(timestamp, duration): timestamp', ([left, right]) => timestampOf(nanos(left) + nanos(right))),
  overload('_+_(duration, timestamp): timestamp', ([left, right]) => timestampOf(nanos(left) + nanos(right))),
  overload('_-_(duration, duration): duration', ([left, right]) => durationOf(nanos(left) - nanos(right))),
  overload('_-_(timestamp, duration): timestamp', ([left, right]) => timestampOf(nanos(left) - nanos(right))),
  overload('_-_(timestamp, timestamp): duration', ([left, right]) => durationOf(nanos(left) - nanos(right))),
];
