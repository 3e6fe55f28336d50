/** The logger of a daemon and its threads: one JSON object per line on stdout. */
import { destination, pino, stdTimeFunctions, type Logger } from 'pino';

/** Levels are logged by name, times in RFC 3339 with milliseconds. */
export const daemonLogger = (name: string, level: string): Logger =>
  pino(
    {
      level,
      base: { name },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination({ fd: 1, sync: true }),
  );
