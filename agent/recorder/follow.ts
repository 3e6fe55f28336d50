/** Waits for the recorder to write. */
import { on } from 'node:events';
import { watch } from 'node:fs';

/**
 * Yields whenever something in the directory has changed since the call, until the signal is aborted. Throws for a directory that is
 * not there.
 */
export function directoryChanges(directory: string, signal: AbortSignal): AsyncIterable<unknown> {
  const watcher = watch(directory, { signal });
  return on(watcher, 'change', { signal, close: ['close'] });
}
