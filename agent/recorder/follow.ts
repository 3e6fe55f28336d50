/** Follows what the recorder writes. */
import { on } from 'node:events';
import { watch } from 'node:fs';

/**
 * Calls `look` now, and again whenever something in the directory has changed since it began. Rejects when the signal is aborted,
 * and for a directory that is not there.
 */
export async function followChanges(directory: string, look: () => Promise<void>, signal: AbortSignal): Promise<void> {
  const changes = on(watch(directory, { signal }), 'change', { signal });
  await look();
  while (!(await changes.next()).done) await look();
}
