import { setTimeout as delay } from 'node:timers/promises';
import { backoffMs } from '../../client/backoff.ts';
import type { Logger } from '../../client/logger.ts';
import { Outage } from '../../client/outage.ts';
import type { CriClient } from '../cri/client.ts';
import type { RuntimeVersion } from '../cri/types.ts';

const RETRY = { initialMs: 100, maxMs: 5_000 };
const CALL_LIMIT_MS = 5_000;

/** The version of the runtime, once it responds: agent and runtime may be started in any order. */
export async function waitForRuntime(
  cri: Pick<CriClient, 'version' | 'socket'>,
  logger: Logger,
  signal: AbortSignal,
): Promise<RuntimeVersion> {
  const outage = new Outage({ logger });
  const about = { socket: cri.socket };
  for (let failures = 1; ; failures++) {
    try {
      const version = await cri.version({ signal, limitMs: CALL_LIMIT_MS });
      outage.ended(about, 'container runtime available');
      return version;
    } catch (error) {
      signal.throwIfAborted();
      outage.failed(error, about, 'waiting for container runtime');
      await delay(backoffMs(RETRY, failures), undefined, { signal });
    }
  }
}
