/** What happens again and again in the same way is written once: an agent that is idle writes nothing. Pure state. */
import type { Report, Subject } from './report.ts';

interface Known {
  readonly outcome: string;
  readonly writtenAt: number;
  /** Since then. */
  readonly leftOut: number;
}

/** A failure that lasts is written so often. */
const REMIND_MS = 60_000;
const MAX_KNOWN = 512;

/** What is the same thing, and how it went; undefined for what is written each time. */
function keyOf(report: Report, about: Subject | undefined): { key: string; outcome: string } | undefined {
  switch (report.kind) {
    // What is run for a pod is part of its story.
    case 'program':
      if (about && report.error === undefined) return undefined;
      return {
        key: `program ${report.args.join(' ').slice(0, 300)}`,
        outcome: `${report.exit} ${report.error !== undefined}`,
      };
    case 'cri':
      if (report.error === undefined) return undefined;
      return { key: `cri ${report.server} ${report.call} ${report.id} ${report.target}`, outcome: report.error };
    case 'status':
      if (report.error === undefined) return undefined;
      return { key: `status ${about?.podUID}`, outcome: report.error };
    case 'rules':
      if (report.error === undefined) return undefined;
      return { key: `rules ${report.rules.map(({ owner }) => owner).join()}`, outcome: report.error };
    case 'action':
      return { key: `action ${about?.podUID} ${report.action} ${report.container}`, outcome: report.error };
    case 'event':
      return { key: `event ${report.object} ${report.reason}`, outcome: report.message };
    default:
      return undefined;
  }
}

const isFailure = (report: Report): boolean =>
  'error' in report ? report.error !== undefined : report.kind === 'event';

export class Repeats {
  readonly #known = new Map<string, Known>();

  /**
   * Undefined when the report is to be left out, because the same was written before; otherwise how many were left out since.
   * @param now milliseconds that never go back
   */
  leftOut(report: Report, about: Subject | undefined, now: number): number | undefined {
    const same = keyOf(report, about);
    if (!same) return 0;
    const { key, outcome } = same;
    const before = this.#known.get(key);
    const isDue = before?.outcome !== outcome || (isFailure(report) && now - before.writtenAt >= REMIND_MS);
    this.#known.delete(key);
    if (!isDue) {
      this.#known.set(key, { ...before, leftOut: before.leftOut + 1 });
      return undefined;
    }
    this.#known.set(key, { outcome, writtenAt: now, leftOut: 0 });
    if (this.#known.size > MAX_KNOWN)
      for (const oldest of this.#known.keys()) {
        this.#known.delete(oldest);
        break;
      }
    return before?.leftOut ?? 0;
  }
}
