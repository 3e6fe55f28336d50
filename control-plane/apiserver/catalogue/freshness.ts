import { StatusError } from '../../../api/machinery/status-error.ts';
import type { Registry } from './registry.ts';

/**
 * Waits until the caches have reached a revision, by default that of the latest write. Returns undefined when they have
 * already. Rejects with a 504 StatusError, on which clients retry, when they do not in time.
 */
export function waitUntilFresh(registry: Registry, revision: number | undefined): Promise<void> | undefined {
  const wanted = revision ?? registry.store.latestRevision();
  if (typeof wanted !== 'number') return wanted.then((latest) => waitUntilFresh(registry, latest));
  return registry.caughtUp(wanted)?.then((isCaughtUp) => {
    if (!isCaughtUp) throw tooLargeRevision(wanted, registry.revision);
  });
}

const tooLargeRevision = (revision: number, current: number) =>
  new StatusError({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: `Timeout: Too large resource version: ${revision}, current: ${current}`,
    reason: 'Timeout',
    details: {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1,
    },
    code: 504,
  });
