/**
 * When a cron schedule comes next: the rules of github.com/robfig/cron, upstream's library, which libraries for Node.js do not share.
 * Days of the month and of the week are alternatives where both are restricted. A time that a change to summer time leaves out is
 * skipped for that day; one that comes twice, in autumn, is met twice.
 */
import type { CronFields, CronSchedule } from '../kinds/batch/cron-schedule.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** A schedule that does not come within so many years never comes, such as one of the 31st of February. */
const MAX_YEARS = 5;

/** The first time after `after`, both in ms since the epoch; undefined when there is none. */
export function nextTime({ times }: CronSchedule, after: number, timeZone: string): number | undefined {
  if (typeof times === 'number') return Math.floor(after / 1000) * 1000 + times;
  return new Search(times, timeZone).after(after);
}

/** Carries times of a zone forward, field by field. */
class Search {
  readonly #fields: CronFields;
  readonly #timeZone: string;

  constructor(fields: CronFields, timeZone: string) {
    this.#fields = fields;
    this.#timeZone = timeZone;
  }

  after(start: number): number | undefined {
    let at = Math.floor(start / MINUTE_MS) * MINUTE_MS + MINUTE_MS;
    const lastYear = this.#local(at).year + MAX_YEARS;
    // Each round moves the first field that does not match; one that wraps around needs those before it checked again.
    while (this.#local(at).year <= lastYear) {
      const next = this.#nextMonth(at) ?? this.#nextDay(at) ?? this.#nextHour(at) ?? this.#nextMinute(at);
      if (next === undefined) return at;
      at = next;
    }
    return undefined;
  }

  #nextMonth(at: number): number | undefined {
    const { year, month } = this.#local(at);
    return this.#fields.month.values.has(month) ? undefined : this.#startOf(year, month + 1, 1);
  }

  #nextDay(at: number): number | undefined {
    const { year, month, day } = this.#local(at);
    if (this.#hasDay(at)) return undefined;
    return this.#startOf(year, month, day + 1);
  }

  #hasDay(at: number): boolean {
    const { day, dayOfWeek } = this.#local(at);
    const { dayOfMonth, dayOfWeek: weekday } = this.#fields;
    const matches = [dayOfMonth.values.has(day), weekday.values.has(dayOfWeek % 7)];
    return dayOfMonth.isAny || weekday.isAny ? matches.every(Boolean) : matches.some(Boolean);
  }

  #nextHour(at: number): number | undefined {
    const { hour, minute } = this.#local(at);
    return this.#fields.hour.values.has(hour) ? undefined : at - minute * MINUTE_MS + HOUR_MS;
  }

  #nextMinute(at: number): number | undefined {
    return this.#fields.minute.values.has(this.#local(at).minute) ? undefined : at + MINUTE_MS;
  }

  #local(at: number): Temporal.ZonedDateTime {
    return Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(this.#timeZone);
  }

  /** When a day begins, which may be beyond its month. There is no midnight where summer time begins at that hour. */
  #startOf(year: number, month: number, day: number): number {
    const date = new Date(Date.UTC(year, month - 1, day));
    return Temporal.PlainDate.from(date.toISOString().slice(0, 10)).toZonedDateTime(this.#timeZone).epochMilliseconds;
  }
}
