/** The logger of a daemon and its threads: one JSON object per line on stdout. */
import { destination, pino, stdSerializers, stdTimeFunctions, type Logger } from 'pino';

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

/** Levels are logged by name, times in RFC 3339 with milliseconds. */
export const daemonLogger = (name: string, level: string): Logger =>
  pino(
    {
      level,
      base: { name },
      timestamp: stdTimeFunctions.isoTime,
      serializers: { err: serialized },
      formatters: { level: (label) => ({ level: label }) },
    },
    destination({ fd: 1, sync: true }),
  );
