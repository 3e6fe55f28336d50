/**
 * Cron schedules and their syntax: five fields, or a descriptor (`@daily`, `@every 1h`), with the errors of the parser that upstream uses.
 * https://pkg.go.dev/github.com/robfig/cron/v3#hdr-CRON_Expression_Format
 */
import { parseDuration } from '../../machinery/duration.ts';
import { isTimeZone } from './time-zone.ts';

interface Bounds {
  readonly min: number;
  readonly max: number;
  /** From `min` on. */
  readonly names?: readonly string[];
}

const FIELDS: readonly Bounds[] = [
  { min: 0, max: 59 },
  { min: 0, max: 23 },
  { min: 1, max: 31 },
  { min: 1, max: 12, names: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'] },
  { min: 0, max: 6, names: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] },
];
const DESCRIPTORS: ReadonlyMap<string, string> = new Map([
  ['@yearly', '0 0 1 1 *'],
  ['@annually', '0 0 1 1 *'],
  ['@monthly', '0 0 1 * *'],
  ['@weekly', '0 0 * * 0'],
  ['@daily', '0 0 * * *'],
  ['@midnight', '0 0 * * *'],
  ['@hourly', '0 * * * *'],
]);
const EVERY = '@every ';
const ZONE = /^(?:CRON_)?TZ=/;

/** The values of a field at which a Job may start. */
export interface CronField {
  readonly values: ReadonlySet<number>;
  /** It has a `*` without a step: any value is as good as another. */
  readonly isAny: boolean;
}

export interface CronFields {
  readonly minute: CronField;
  readonly hour: CronField;
  readonly dayOfMonth: CronField;
  readonly month: CronField;
  /** 0 is Sunday. */
  readonly dayOfWeek: CronField;
}

export interface CronSchedule {
  /** Of a leading `TZ=` or `CRON_TZ=`. */
  readonly timeZone?: string;
  /** The times, or how far they are apart in ms (`@every`): whole seconds, at least one. */
  readonly times: CronFields | number;
}

export class ScheduleError extends Error {
  override readonly name = 'ScheduleError';
}

function parseNumber(text: string): number {
  const number = /^[+-]?\d+$/.test(text) ? Number(text) : NaN;
  if (Number.isNaN(number)) {
    throw new ScheduleError(
      `failed to parse int from ${text}: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`,
    );
  }
  if (!Number.isSafeInteger(number)) {
    throw new ScheduleError(
      `failed to parse int from ${text}: strconv.Atoi: parsing ${JSON.stringify(text)}: value out of range`,
    );
  }
  if (number < 0) throw new ScheduleError(`negative number (${number}) not allowed: ${text}`);
  return number;
}

function parseValue(text: string, { min, names = [] }: Bounds): number {
  const index = names.indexOf(text.toLowerCase());
  return index >= 0 ? min + index : parseNumber(text);
}

/** Adds the values of `*`, `7` or `1-5`, each with a step. Returns whether it is any value. Throws ScheduleError. */
function addRange(text: string, bounds: Bounds, values: Set<number>): boolean {
  const { min, max } = bounds;
  const [range = '', step, ...moreSteps] = text.split('/');
  const [low = '', high, ...moreHyphens] = range.split('-');
  let [start, end] = [min, max];
  const isStar = low === '*' || low === '?';
  if (!isStar) {
    start = parseValue(low, bounds);
    if (moreHyphens.length > 0) throw new ScheduleError(`too many hyphens: ${text}`);
    end = high === undefined ? start : parseValue(high, bounds);
  }
  if (moreSteps.length > 0) throw new ScheduleError(`too many slashes: ${text}`);
  const every = step === undefined ? 1 : parseNumber(step);
  // `7/2` is 7-max/2.
  if (step !== undefined && high === undefined) end = max;
  if (start < min) throw new ScheduleError(`beginning of range (${start}) below minimum (${min}): ${text}`);
  if (end > max) throw new ScheduleError(`end of range (${end}) above maximum (${max}): ${text}`);
  if (start > end) throw new ScheduleError(`beginning of range (${start}) beyond end of range (${end}): ${text}`);
  if (every === 0) throw new ScheduleError(`step of range should be a positive number: ${text}`);
  for (let value = start; value <= end; value += every) values.add(value);
  return isStar && every === 1;
}

function parseField(text: string, bounds: Bounds): CronField {
  const values = new Set<number>();
  let isAny = false;
  for (const range of text.split(',')) if (range !== '' && addRange(range, bounds, values)) isAny = true;
  return { values, isAny };
}

function parseFields(text: string): CronFields {
  const fields = text.split(/\s+/).filter((field) => field !== '');
  if (fields.length !== FIELDS.length) {
    throw new ScheduleError(`expected exactly ${FIELDS.length} fields, found ${fields.length}: [${fields.join(' ')}]`);
  }
  const [minute, hour, dayOfMonth, month, dayOfWeek] = FIELDS.map((bounds, index) =>
    parseField(fields[index]!, bounds),
  );
  return { minute: minute!, hour: hour!, dayOfMonth: dayOfMonth!, month: month!, dayOfWeek: dayOfWeek! };
}

function parseDescriptor(text: string): CronFields | number {
  const fields = DESCRIPTORS.get(text);
  if (fields !== undefined) return parseFields(fields);
  if (!text.startsWith(EVERY)) throw new ScheduleError(`unrecognized descriptor: ${text}`);
  const duration = text.slice(EVERY.length);
  const ms = parseDuration(duration);
  if (ms === undefined) {
    const why = `time: invalid duration ${JSON.stringify(duration)}`;
    throw new ScheduleError(`failed to parse duration ${text}: ${why}`);
  }
  return Math.max(1000, Math.floor(ms / 1000) * 1000);
}

/** Splits off a leading `TZ=zone` or `CRON_TZ=zone`. */
function splitZone(schedule: string): { readonly timeZone?: string; readonly text: string } {
  const prefix = ZONE.exec(schedule)?.[0];
  if (prefix === undefined) return { text: schedule };
  const space = schedule.indexOf(' ');
  if (space < 0) {
    throw new ScheduleError('invalid schedule format: runtime error: slice bounds out of range [:-1]');
  }
  const timeZone = schedule.slice(prefix.length, space);
  if (!isTimeZone(timeZone)) {
    throw new ScheduleError(`provided bad location ${timeZone}: unknown time zone ${timeZone}`);
  }
  return { timeZone, text: schedule.slice(space).trim() };
}

/** Throws a ScheduleError that says what is wrong with it. */
export function parseSchedule(schedule: string): CronSchedule {
  const { timeZone, text } = splitZone(schedule);
  return { timeZone, times: text.startsWith('@') ? parseDescriptor(text) : parseFields(text) };
}

/** Returns what is wrong with a schedule that is not empty. */
export function scheduleProblem(schedule: string): string | undefined {
  try {
    parseSchedule(schedule);
    return undefined;
  } catch (error) {
    if (error instanceof ScheduleError) return error.message;
    throw error;
  }
}
