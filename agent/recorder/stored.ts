/** A report as it is stored: one JSON object per line, with both clocks. */
import type { Report, Subject } from './report.ts';
import { argumentsText, oneLine, redact } from './redact.ts';

/** When something was recorded. */
export interface Moment {
  /** The wall clock, in ms since the epoch: it may be set. */
  readonly at: number;
  /** The monotonic clock, in ms since the host was booted: it never goes back, and stands while the host is suspended. */
  readonly mono: number;
}

/** The first line of a segment, and of each life of the agent. What follows is of this boot and this agent. */
export interface LifeRecord extends Moment {
  readonly kind: 'life';
  readonly format: number;
  readonly boot: string;
  readonly pid: number;
  /** When this agent started to record: tells one life from another. */
  readonly agentAt: number;
  readonly version: string;
}

/** So many records could not be written. */
export interface LostRecord extends Moment {
  readonly kind: 'lost';
  readonly count: number;
  readonly why: string;
}

/** `again`: so many of the same kind were left out since the last one that was written. */
export type ReportRecord = Moment & Partial<Subject> & { readonly again?: number } & StoredReport;

/** As reported, with the program's arguments in one line. */
export type StoredReport =
  | Exclude<Report, { readonly kind: 'program' }>
  | (Omit<Extract<Report, { readonly kind: 'program' }>, 'args'> & { readonly command: string });

export type StoredRecord = LifeRecord | LostRecord | ReportRecord;
export type RecordKind = StoredRecord['kind'];

export const FORMAT = 1;
/** Those that a person may ask for. */
export const KINDS = [
  ...['agent', 'log', 'plan', 'action', 'cri', 'program', 'exit', 'seen', 'probe', 'status', 'volume', 'rules', 'node'],
  'event',
] as const;

const MAX_TEXT = 400;
const MAX_COMMAND = 600;
const MAX_ITEMS = 24;
/** No line that the recorder writes is longer: what is was written by something else. */
export const MAX_LINE = 32 * 1024;

/** Events of these reasons quote what a container, or a server in it, has said. */
const QUOTING: ReadonlySet<string> = new Set([
  ...['Unhealthy', 'ProbeWarning', 'FailedPostStartHook', 'FailedPreStopHook'],
]);

/** What the agent says itself of an event; not what it quotes of a container. */
export const ownWords = (reason: string, message: string): string =>
  QUOTING.has(reason) ? (message.split(':', 1)[0] ?? '') : message;

/** The line, with its end. */
export function lineOf(report: Report, about: Subject | undefined, { at, mono }: Moment, again: number): string {
  const record = {
    ...{ at, mono },
    ...(about && { pod: clean(about.pod), podUID: clean(about.podUID ?? '') }),
    ...(again > 0 && { again }),
    ...stored(report),
  };
  return `${JSON.stringify(record)}\n`;
}

function stored(report: Report): object {
  if (report.kind === 'program') {
    const { args, ...rest } = report;
    return { ...(cleaned(rest) as object), command: argumentsText(args, MAX_COMMAND) };
  }
  if (report.kind === 'event')
    return cleaned({ ...report, message: ownWords(report.reason, report.message) }) as object;
  return cleaned(report) as object;
}

/** A secret that is cut in half is hard to recognize: more is looked at than is kept. */
const clean = (text: string): string => oneLine(redact(text.slice(0, 4 * MAX_TEXT)), MAX_TEXT);

/** Reports have at most lists of flat objects in them. */
function cleaned(value: unknown): unknown {
  if (typeof value === 'string') return clean(value);
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map(cleaned);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, cleaned(entry)]));
}
