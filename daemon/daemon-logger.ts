/**
 * The logger of a daemon and its threads: one JSON object per line on stdout. Where that is the journal, each line begins with its priority,
 * which the journal takes for its own: `journalctl -p warning` (sd-daemon(3)).
 */
import { fstatSync } from 'node:fs';
import { destination, levels, pino, stdSerializers, stdTimeFunctions, type Logger } from 'pino';

/** A rejected patch quotes the whole object: a megabyte, and what is in it is not for the log. */
const MAX_ERROR_CHARS = 2_000;
const MAX_ERROR_ITEMS = 20;

/** An error, or a part of one, with its long texts and lists cut short. */
function shortened(value: unknown): unknown {
  if (typeof value === 'string')
    return value.length <= MAX_ERROR_CHARS
      ? value
      : `${value.slice(0, MAX_ERROR_CHARS)}... (${value.length} characters)`;
  if (Array.isArray(value)) return value.slice(0, MAX_ERROR_ITEMS).map(shortened);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, shortened(entry)]));
}

/** An error's message, followed by those of its causes that it does not quote itself. */
function messageOf(error: Error): string {
  let message = error.message;
  const seen = new Set<unknown>([error]);
  for (let { cause } = error; cause instanceof Error && !seen.has(cause); { cause } = cause) {
    seen.add(cause);
    if (!message.includes(cause.message)) message += `: ${cause.message}`;
  }
  return message;
}

const serialized = (error: Error): unknown =>
  shortened({ ...stdSerializers.err(error), ...(error instanceof Error && { message: messageOf(error) }) });

const STDOUT = 1;
/** Priorities of syslog(3), by pino's levels. */
const PRIORITIES: Readonly<Record<number, number>> = { 10: 7, 20: 7, 30: 6, 40: 4, 50: 3, 60: 2 };

/** systemd says which file the journal's is, since output may have been redirected since: systemd.exec(5), `JOURNAL_STREAM`. */
function isJournal(stream: string | undefined): boolean {
  if (!stream) return false;
  const { dev, ino } = fstatSync(STDOUT, { bigint: true });
  return stream === `${dev}:${ino}`;
}

/** For pino, which tells it the level of each line by this symbol. */
const withPriorities = (to: { write(line: string): unknown }) => ({
  [Symbol.for('pino.metadata')]: true,
  lastLevel: 30,
  write(line: string): void {
    to.write(`<${PRIORITIES[this.lastLevel] ?? 6}>${line}`);
  },
});

/** Called with each line that is logged: its level by name, its fields and its message. It must not throw. */
export type LogObserver = (level: string, fields: object, message: string) => void;

/** Levels are logged by name, times in RFC 3339 with milliseconds. */
export function daemonLogger(name: string, level: string, observe?: LogObserver): Logger {
  const stdout = destination({ fd: STDOUT, sync: true });
  return pino(
    {
      level,
      ...(observe && {
        hooks: {
          logMethod(args, method, number): void {
            const [fields, message] = (typeof args[0] === 'string' ? [{}, args[0]] : args) as unknown as [
              object,
              string?,
            ];
            observe(levels.labels[number] ?? '', fields, message ?? '');
            method.apply(this, args);
          },
        },
      }),
      base: { name },
      timestamp: stdTimeFunctions.isoTime,
      serializers: { err: serialized },
      formatters: { level: (label) => ({ level: label }) },
    },
    isJournal(process.env['JOURNAL_STREAM']) ? withPriorities(stdout) : stdout,
  );
}
