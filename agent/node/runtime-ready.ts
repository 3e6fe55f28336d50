import { setTimeout as delay } from 'node:timers/promises';
import { backoffMs } from '../../client/backoff.ts';
import type { Logger } from '../../client/logger.ts';
import type { CriClient } from '../cri/client.ts';
import type { RuntimeVersion } from '../cri/types.ts';

const RETRY = { initialMs: 100, maxMs: 5_000 };
const CALL_LIMIT_MS = 5_000;

/** What the runtime is, once it answers: agent and runtime may be started in any order. */
export async function untilRuntimeAnswers(
  cri: Pick<CriClient, 'version' | 'socket'>,
  logger: Logger,
  signal: AbortSignal,
): Promise<RuntimeVersion> {
  for (let failures = 1; ; failures++) {
    try {
      return await cri.version({ signal, limitMs: CALL_LIMIT_MS });
    } catch (error) {
      signal.throwIfAborted();
      logger.warn({ socket: cri.socket, err: (error as Error).message }, 'waiting for the container runtime');
      await delay(backoffMs(RETRY, failures), undefined, { signal });
    }
  }
}
