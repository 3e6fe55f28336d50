/** What the daemons share: a log on stdout, and an end on SIGTERM or SIGINT. */
import { destination, pino, type Logger } from 'pino';
import { sentenceOf } from './plain-errors.ts';
import { SettingsError, type Settings } from './settings.ts';

/** After a signal a daemon has this long to end by itself. */
const SHUTDOWN_LIMIT_MS = 15_000;

/** Throws SettingsError where a command that works on the whole host is run by somebody else than root. */
export function requireRoot(command: string, why: string): void {
  if (process.getuid?.() !== 0)
    throw new SettingsError(`kedge ${command} ${why}: run it as root (sudo kedge ${command})`);
}

/** Runs until `body` ends; its signal is aborted when the process is told to stop. */
export async function runDaemon(
  name: string,
  settings: Settings & { readonly logLevel: string },
  body: (signal: AbortSignal, logger: Logger) => Promise<void>,
): Promise<void> {
  const logger = pino(
    { name: `kedge-${name}`, level: settings.logLevel, base: { name: `kedge-${name}` } },
    destination({ fd: 1, sync: true }),
  );
  const controller = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      logger.info({ signal }, 'stopping');
      controller.abort();
      setTimeout(() => {
        logger.error(`did not stop within ${SHUTDOWN_LIMIT_MS} ms`);
        process.exit(1);
      }, SHUTDOWN_LIMIT_MS).unref();
    });
  }
  try {
    await body(controller.signal, logger);
  } catch (error) {
    if (controller.signal.aborted) return;
    const sentence = sentenceOf(error, settings);
    if (sentence !== undefined) logger.fatal(sentence);
    else logger.fatal({ err: error }, 'an unforeseen failure');
    process.exitCode = 1;
  } finally {
    controller.abort();
  }
}
