/** Renews a certificate before it expires. */
import { setTimeout as delay } from 'node:timers/promises';
import { backoffMs } from '../../client/backoff.ts';
import { MAX_TIMER_MS } from '../../client/deadline.ts';
import type { Logger } from '../../client/logger.ts';
import type { CertifiedKey } from './node-certificates.ts';

/** The renewal is spread over this part of the certificate's life, as the kubelet does, so that nodes do not come at once. */
const EARLIEST = 0.7;
const LATEST = 0.9;
const RETRY = { initialMs: 5_000, maxMs: 10 * 60_000 };

/** When to renew, in ms since the epoch. */
export const renewalTime = ({ validFromMs, validToMs }: CertifiedKey, random = Math.random()): number =>
  validFromMs + (validToMs - validFromMs) * (EARLIEST + (LATEST - EARLIEST) * random);

/** Renews again and again until the signal is aborted. `apply` puts the new certificate in force. */
export async function keepRenewed(
  purpose: string,
  current: CertifiedKey,
  renew: (signal: AbortSignal) => Promise<CertifiedKey>,
  apply: (renewed: CertifiedKey) => void | Promise<void>,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  let pair = current;
  let dueMs = renewalTime(pair);
  for (let failures = 0; !signal.aborted;) {
    const waitMs = Math.min(Math.max(0, dueMs - Date.now()), MAX_TIMER_MS);
    await delay(waitMs, undefined, { signal, ref: false }).catch(() => undefined);
    if (signal.aborted) return;
    if (Date.now() < dueMs) continue;
    try {
      pair = await renew(signal);
      await apply(pair);
      failures = 0;
      dueMs = renewalTime(pair);
      logger.info({ purpose, until: new Date(pair.validToMs).toISOString() }, 'certificate renewed');
    } catch (error) {
      if (signal.aborted) return;
      dueMs = Date.now() + backoffMs(RETRY, ++failures);
      logger.warn({ purpose, err: (error as Error).message }, 'failed to renew certificate');
    }
  }
}
