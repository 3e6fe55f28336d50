/** What both daemons share: logging to stdout, shutdown on SIGTERM or SIGINT, and what they tell the service manager. */
import type { Logger } from 'pino';
import { daemonLogger, type LogObserver } from '../daemon/daemon-logger.ts';
import { ServiceManager, takeServiceManager, type DaemonLife } from '../daemon/service-manager.ts';
import { userMessage } from './plain-errors.ts';
import { SettingsError, type Settings } from './settings.ts';

/** How long a daemon may take to shut down after a signal before the process exits. */
const SHUTDOWN_LIMIT_MS = 15_000;

/** Throws SettingsError unless run as root. `why` completes the sentence "kedge COMMAND ...". */
export function requireRoot(command: string, why: string): void {
  if (process.getuid?.() !== 0)
    throw new SettingsError(`kedge ${command} ${why}: run it as root (sudo kedge ${command})`);
}

/** Runs `body` to completion; its signal is aborted on SIGTERM or SIGINT. */
export async function runDaemon(
  name: string,
  settings: Settings & { readonly logLevel: string },
  body: (signal: AbortSignal, logger: Logger, life: DaemonLife) => Promise<void>,
  observe?: LogObserver,
): Promise<void> {
  const logger = daemonLogger(`kedge-${name}`, settings.logLevel, observe);
  await using manager = new ServiceManager({ ...takeServiceManager(process.env, process.pid), logger });
  const controller = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      logger.info({ signal }, 'stopping');
      manager.stopping();
      controller.abort();
      setTimeout(() => {
        logger.error(`shutdown timed out after ${SHUTDOWN_LIMIT_MS} ms`);
        process.exit(1);
      }, SHUTDOWN_LIMIT_MS).unref();
    });
  }
  try {
    await body(controller.signal, logger, manager);
  } catch (error) {
    if (controller.signal.aborted) return;
    const sentence = userMessage(error, settings);
    manager.status(sentence ?? String(error));
    if (sentence !== undefined) logger.fatal(sentence);
    else logger.fatal({ err: error }, 'unexpected error');
    process.exitCode = 1;
  } finally {
    controller.abort();
  }
}

/** As `runDaemon`, for what comes to an end by itself: a stop is no success, as scripts would go on to what needs all of it done. */
export const runTask = (...[name, settings, body]: Parameters<typeof runDaemon>): Promise<void> =>
  runDaemon(name, settings, async (signal, logger, life) => {
    try {
      await body(signal, logger, life);
    } finally {
      if (signal.aborted) process.exitCode = 1;
    }
  });
