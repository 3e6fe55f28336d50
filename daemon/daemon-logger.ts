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

/** Levels are logged by name, times in RFC 3339 with milliseconds. */
export const daemonLogger = (name: string, level: string): Logger =>
  pino(
    {
      level,
      base: { name },
      timestamp: stdTimeFunctions.isoTime,
      serializers: { err: (error: Error) => shortened(stdSerializers.err(error)) },
      formatters: { level: (label) => ({ level: label }) },
    },
    destination({ fd: 1, sync: true }),
  );
