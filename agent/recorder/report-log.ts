/** What the agent logs is part of its story: outages that begin and end, refusals, warnings. */
import { report, wordsOf, type Subject } from './report.ts';

/** Attempts in between, and what else is of use for its developers only. */
const LEFT_OUT: ReadonlySet<string> = new Set(['trace', 'debug']);

/** What lines of the agent have; others belong to the message of their author. */
interface Fields extends Partial<Subject> {
  readonly err?: unknown;
  readonly durationMs?: number;
  readonly server?: string;
  readonly failures?: number;
}

export function reportLog(level: string, fields: object, text: string): void {
  if (LEFT_OUT.has(level)) return;
  const { pod, podUID, err, durationMs, server } = fields as Fields;
  const about = pod === undefined ? null : { pod, podUID };
  const lasted = durationMs === undefined ? '' : ` (it had failed for ${Math.round(durationMs / 100) / 10} s)`;
  const message = `${text}${server === undefined ? '' : ` ${server}`}${lasted}`;
  report({ kind: 'log', level, message, ...(err !== undefined && { error: wordsOf(err) }) }, about);
}
