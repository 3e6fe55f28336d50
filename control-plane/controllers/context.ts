/** What every controller is handed. */
import { StatusError } from '../../api/machinery/status-error.ts';
import type { ApiClient } from '../../client/api-client.ts';
import { ConnectionError } from '../../client/connection-error.ts';
import { EventRecorder } from '../../client/event-recorder.ts';
import type { Logger } from '../../client/logger.ts';
import { logFailure } from '../../client/outage.ts';
import { WorkQueue } from '../../client/work-queue.ts';
import type { SharedInformers } from './informers.ts';

export interface ControllerContext {
  readonly client: ApiClient;
  readonly informers: SharedInformers;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** How many objects a controller works on at the same time; upstream's defaults are 5 to 20. */
const CONCURRENCY = 5;

/**
 * A queue whose failures are logged as what they are: conflicts and a server that is away are part of life, anything that is
 * not an answer of the API is a bug and shows its stack.
 */
export function createQueue(context: ControllerContext, name: string, concurrency = CONCURRENCY): WorkQueue {
  const { logger } = context;
  return new WorkQueue({
    concurrency,
    onError: (key, error, retryMs) => {
      const fields = { controller: name, key, retryMs: Math.round(retryMs) };
      if (error instanceof StatusError && error.reason === 'Conflict') {
        logger.debug({ ...fields, err: error }, 'object was modified, retrying');
      } else if (error instanceof StatusError || error instanceof ConnectionError) {
        logFailure(logger, error, fields, 'sync failed, retrying');
      } else {
        logger.error({ ...fields, err: error }, 'unexpected error, retrying');
      }
    },
  });
}

export const createRecorder = ({ client, logger, signal }: ControllerContext, component: string): EventRecorder =>
  new EventRecorder({ client, component, logger, signal });

/** The namespace is being deleted: nothing can be created in it, and there is no point in trying again. */
export const isNamespaceTerminating = (error: unknown): boolean =>
  error instanceof StatusError &&
  (error.status.details?.causes ?? []).some(({ reason }) => reason === 'NamespaceTerminating');
