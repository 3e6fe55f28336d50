/** The log of a daemon, and of its threads: one JSON object per line on stdout. */
import { destination, pino, stdTimeFunctions, type Logger } from 'pino';

/** Levels are written as their names, times in RFC 3339 with milliseconds. */
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
