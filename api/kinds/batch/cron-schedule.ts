/**
 * Syntax of cron schedules: five fields, or a descriptor (`@daily`, `@every 1h`), with the errors of the parser that upstream uses.
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
const DESCRIPTORS = new Set(['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly']);
const EVERY = '@every ';
const ZONE = /^(?:CRON_)?TZ=/;

class ScheduleError extends Error {
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

/** `*`, `7`, `1-5`, each with a step. Throws ScheduleError. */
function checkRange(text: string, bounds: Bounds): void {
  const { min, max } = bounds;
  const [range = '', step, ...moreSteps] = text.split('/');
  const [low = '', high, ...moreHyphens] = range.split('-');
  let [start, end] = [min, max];
  if (low !== '*' && low !== '?') {
    start = parseValue(low, bounds);
    if (moreHyphens.length > 0) throw new ScheduleError(`too many hyphens: ${text}`);
    end = high === undefined ? start : parseValue(high, bounds);
  }
  if (moreSteps.length > 0) throw new ScheduleError(`too many slashes: ${text}`);
  const every = step === undefined ? 1 : parseNumber(step);
  if (step !== undefined && high === undefined) end = max;
  if (start < min) throw new ScheduleError(`beginning of range (${start}) below minimum (${min}): ${text}`);
  if (end > max) throw new ScheduleError(`end of range (${end}) above maximum (${max}): ${text}`);
  if (start > end) throw new ScheduleError(`beginning of range (${start}) beyond end of range (${end}): ${text}`);
  if (every === 0) throw new ScheduleError(`step of range should be a positive number: ${text}`);
}

function checkDescriptor(text: string): void {
  if (DESCRIPTORS.has(text)) return;
  if (!text.startsWith(EVERY)) throw new ScheduleError(`unrecognized descriptor: ${text}`);
  const duration = text.slice(EVERY.length);
  if (parseDuration(duration) === undefined) {
    const why = `time: invalid duration ${JSON.stringify(duration)}`;
    throw new ScheduleError(`failed to parse duration ${text}: ${why}`);
  }
}

/** Returns what follows a leading `TZ=zone` or `CRON_TZ=zone`. */
function withoutZone(schedule: string): string {
  const prefix = ZONE.exec(schedule)?.[0];
  if (prefix === undefined) return schedule;
  const space = schedule.indexOf(' ');
  if (space < 0) {
    throw new ScheduleError('invalid schedule format: runtime error: slice bounds out of range [:-1]');
  }
  const zone = schedule.slice(prefix.length, space);
  if (!isTimeZone(zone)) throw new ScheduleError(`provided bad location ${zone}: unknown time zone ${zone}`);
  return schedule.slice(space).trim();
}

function checkSchedule(schedule: string): void {
  const text = withoutZone(schedule);
  if (text.startsWith('@')) return checkDescriptor(text);
  const fields = text.split(/\s+/).filter((field) => field !== '');
  if (fields.length !== FIELDS.length) {
    throw new ScheduleError(`expected exactly ${FIELDS.length} fields, found ${fields.length}: [${fields.join(' ')}]`);
  }
  for (const [index, bounds] of FIELDS.entries()) {
    for (const range of fields[index]?.split(',') ?? []) if (range !== '') checkRange(range, bounds);
  }
}

/** Returns what is wrong with a schedule that is not empty. */
export function scheduleProblem(schedule: string): string | undefined {
  try {
    checkSchedule(schedule);
    return undefined;
  } catch (error) {
    if (error instanceof ScheduleError) return error.message;
    throw error;
  }
}
