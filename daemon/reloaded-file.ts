/** A file that is used again as soon as it changes: whoever turns a key or adds an issuer does not restart a server for it. */
import { watch, type FSWatcher } from 'node:fs';
import path from 'node:path';
import type { Logger } from '../client/logger.ts';
import { readConfigurationFile } from './configuration-file.ts';
import { SettingValueError } from './setting-rules.ts';

/** The kernel's events say at once; this is for file systems that have none, and folders that are replaced. Upstream has the same. */
const REREAD_MS = 60_000;
/** Editors and mounts of ConfigMaps change a folder several times for one change of a file. */
const SETTLE_MS = 50;

export interface ReloadedFileOptions {
  readonly file: string;
  /** For messages: `authentication configuration`. */
  readonly what: string;
  /** Called with the first content, and with each that differs from the one before. Throws, or rejects with, what is wrong with it. */
  readonly use: (text: string) => void | Promise<void>;
  /** Told each time that a later content has been used, or why it could not be. */
  readonly reread?: (failure?: unknown) => void;
  readonly logger: Logger;
  /** Aborted: changes are ignored from then on. */
  readonly signal: AbortSignal;
}

/** Rejects when the first content cannot be used, with SettingValueError that names the file where `use` does. Later ones that cannot be used are logged, and what was before goes on. */
export async function followFile({
  file,
  what,
  use,
  reread: told,
  logger,
  signal,
}: ReloadedFileOptions): Promise<void> {
  const read = async (): Promise<string> => (await readConfigurationFile(file, `${what} ${file}`)).toString();
  let used = await read();
  try {
    await use(used);
  } catch (error) {
    if (!(error instanceof SettingValueError)) throw error;
    throw new SettingValueError(`${what} ${file}: ${error.message}`, { cause: error });
  }
  let seen = used;
  let last: Promise<void> = Promise.resolve();
  const reread = async (): Promise<void> => {
    if (signal.aborted) return;
    try {
      const text = await read();
      if (text === seen) return;
      seen = text;
      if (text === used) return;
      await use(text);
      used = text;
      logger.info({ file }, `${what} has been read again`);
      told?.();
    } catch (error) {
      logger.error({ err: error, file }, `${what} cannot be used; the one before goes on`);
      told?.(error);
    }
  };
  let timer: NodeJS.Timeout | undefined;
  const changed = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined;
      last = last.then(reread);
    }, SETTLE_MS);
  };
  const watcher = watchFolder(path.dirname(path.resolve(file)), changed, logger);
  const interval = setInterval(changed, REREAD_MS);
  interval.unref();
  signal.addEventListener(
    'abort',
    () => {
      clearTimeout(timer);
      clearInterval(interval);
      watcher?.close();
    },
    { once: true },
  );
}

/** The folder, since a file that is replaced is another one. */
function watchFolder(folder: string, changed: () => void, logger: Logger): FSWatcher | undefined {
  try {
    const watcher = watch(folder, { persistent: false }, changed);
    watcher.on('error', (error) =>
      logger.warn({ err: error, folder }, 'folder is watched no longer, but read every minute'),
    );
    return watcher;
  } catch (error) {
    logger.warn({ err: error, folder }, 'folder cannot be watched, and is read every minute');
    return undefined;
  }
}
