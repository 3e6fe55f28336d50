/** Renews the node's certificates before they expire. */
import { setTimeout as delay } from 'node:timers/promises';
import { msUntil } from '../../client/clock.ts';
import { backoffMs } from '../../client/backoff.ts';
import { MAX_TIMER_MS } from '../../client/deadline.ts';
import type { ApiClient } from '../../client/api-client.ts';
import type { Logger } from '../../client/logger.ts';
import type { ClusterCas } from './cluster-cas.ts';
import { clientCertificate, renew } from './join.ts';
import type { Membership } from './join-cluster.ts';
import { clientCredentials, type CertifiedKey } from './node-certificates.ts';

export type CertificatePurpose = 'client' | 'serving';

/** Counts renewals, and records when certificates expire. */
export interface RenewalMetrics {
  certified(purpose: CertificatePurpose, validToMs: number): void;
  /** Returns the result of the renewal. */
  renewing<T extends { readonly validToMs: number }>(purpose: CertificatePurpose, renewal: Promise<T>): Promise<T>;
}

/**
 * The renewal is spread over this part of the certificate's life, as the kubelet does, so that nodes do not renew all at once.
 */
const EARLIEST = 0.7;
const LATEST = 0.9;
const RETRY = { initialMs: 5_000, maxMs: 10 * 60_000 };

/** When to renew, in ms since the epoch. */
const renewalTime = ({ validFromMs, validToMs }: CertifiedKey, random = Math.random()): number =>
  validFromMs + (validToMs - validFromMs) * (EARLIEST + (LATEST - EARLIEST) * random);

/**
 * Renews before each expiry until the signal is aborted, and when the certificate's CA is being replaced. `apply` puts the new certificate
 * into use; it is called with the current one again when the CAs have changed.
 */
export async function keepRenewed(
  purpose: string,
  current: CertifiedKey,
  renew: (signal: AbortSignal) => Promise<CertifiedKey>,
  apply: (renewed: CertifiedKey) => void | Promise<void>,
  cas: Pick<ClusterCas, 'changed' | 'isOutgoing' | 'onChange'>,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  let pair = current;
  const timeOf = (): number => (cas.isOutgoing(pair) ? Date.now() : renewalTime(pair));
  let dueMs = timeOf();
  /** After a failure: a moment of `performance.now()`. */
  let retryAtMs: number | undefined;
  cas.onChange(() => apply(pair));
  for (let failures = 0; !signal.aborted;) {
    const waitMs = Math.min(
      Math.max(0, retryAtMs === undefined ? msUntil(dueMs) : retryAtMs - performance.now()),
      MAX_TIMER_MS,
    );
    const waited = new AbortController();
    const pause = delay(waitMs, undefined, { signal: AbortSignal.any([signal, waited.signal]), ref: false });
    const changed = cas.changed.then(() => {
      dueMs = timeOf();
      retryAtMs = undefined;
    });
    await Promise.race([pause.catch(() => undefined), changed]);
    waited.abort();
    if (signal.aborted) return;
    if (retryAtMs === undefined ? msUntil(dueMs) > 0 : performance.now() < retryAtMs) continue;
    retryAtMs = undefined;
    try {
      pair = await renew(signal);
      await apply(pair);
      failures = 0;
      dueMs = renewalTime(pair);
      logger.info({ purpose, until: new Date(pair.validToMs).toISOString() }, 'certificate renewed');
    } catch (error) {
      if (signal.aborted) return;
      retryAtMs = performance.now() + backoffMs(RETRY, ++failures);
      logger.warn({ purpose, err: error }, 'failed to renew certificate');
    }
  }
}

export interface IdentityRenewal {
  readonly client: ApiClient;
  readonly membership: Membership;
  readonly cas: ClusterCas;
  readonly metrics: RenewalMetrics;
  /** Told the CA of the certificate in use, by the hash of its key; '' for one that is not known. */
  readonly onIssuer: (hash: string) => void;
  readonly logger: Logger;
}

/** Keeps the node's client certificate valid until the signal is aborted; `client` uses each at once. */
export async function keepIdentityRenewed(
  { client, membership: { name, certificates, identity }, cas, metrics, onIssuer, logger }: IdentityRenewal,
  signal: AbortSignal,
): Promise<void> {
  metrics.certified('client', identity.client.validToMs);
  onIssuer(cas.issuerOf(identity.client) ?? '');
  await keepRenewed(
    'client',
    identity.client,
    (asking) =>
      metrics.renewing('client', renew(client, 'client', certificates, clientCertificate(name), logger, asking)),
    async (renewed) => {
      await client.replaceCredentials(clientCredentials(cas.bundle, renewed));
      onIssuer(cas.issuerOf(renewed) ?? '');
    },
    cas,
    logger,
    signal,
  );
}
