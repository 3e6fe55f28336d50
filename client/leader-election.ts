/** Leader election through a Lease, as client-go's `tools/leaderelection`. */
import { setTimeout as delay } from 'node:timers/promises';
import { StatusError, isConflict, isNotFound } from '../api/machinery/status-error.ts';
import { microTimeOf } from '../api/machinery/time.ts';
import type { ApiClient } from './api-client.ts';
import { ConnectionError } from './connection-error.ts';
import { DeadlineError, withDeadline } from './deadline.ts';
import type { Logger } from './logger.ts';
import { leases } from './resources.gen.ts';
import type { Lease } from '../api/types/coordination/v1.gen.ts';

export interface LeaderElectionOptions {
  readonly client: ApiClient;
  readonly namespace: string;
  readonly name: string;
  /** Unique among the candidates. */
  readonly identity: string;
  /** Default: those of kube-controller-manager. */
  readonly timing?: ElectionTiming;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /**
   * Runs while this candidate leads; its signal is aborted when leadership is lost or the election is stopped. It must have
   * ended by the time at which another candidate may lead, or else the election rejects: the caller must then end the
   * thread or process.
   */
  lead(signal: AbortSignal): Promise<void>;
}

export interface ElectionTiming {
  /** How long other candidates wait for a renewal before they take over. */
  readonly leaseSeconds: number;
  readonly renewMs: number;
  /** Renew deadline: without a renewal for this long the leader stops, well before the others take over. */
  readonly deadlineMs: number;
}

/**
 * kube-controller-manager's and kube-scheduler's defaults. A Lease that was renewed is renewed less often than one that was not: the
 * deadline leaves time for two more attempts.
 */
const DEFAULT_TIMING: ElectionTiming = { leaseSeconds: 15, renewMs: 5_000, deadlineMs: 10_000 };
const RETRY_PERIOD_MS = 2_000;
const ATTEMPT_LIMIT_MS = 10_000;

/** Decides what to do about the observed Lease. `observedForMs`: how long the Lease has not changed, by the local clock. */
export function planElection(
  lease: Lease | undefined,
  identity: string,
  observedForMs: number,
): 'create' | 'renew' | 'take over' | 'wait' {
  if (!lease) return 'create';
  const { holderIdentity, leaseDurationSeconds = DEFAULT_TIMING.leaseSeconds } = lease.spec ?? {};
  if (holderIdentity === identity) return 'renew';
  if (!holderIdentity) return 'take over';
  // Clocks of other machines are not compared: what counts is how long the Lease has not changed by the local clock.
  return observedForMs > leaseDurationSeconds * 1000 ? 'take over' : 'wait';
}

/**
 * Takes part in the election until the signal is aborted, again after each loss of leadership, and releases the Lease at
 * the end. Rejects when `lead` rejects, or with DeadlineError when it does not end in time.
 */
export async function runLeaderElection(options: LeaderElectionOptions): Promise<void> {
  const { signal, logger, identity, timing = DEFAULT_TIMING } = options;
  const limitMs = timing.leaseSeconds * 1000 - timing.deadlineMs;
  const candidate = new Candidate(options);
  while (!signal.aborted) {
    while (!(await candidate.tryToHold(signal))) {
      await delay(RETRY_PERIOD_MS * (1 + Math.random() / 5), undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
    }
    logger.info({ identity, lease: options.name }, 'became leader');
    const term = new AbortController();
    const leading = options.lead(AbortSignal.any([signal, term.signal]));
    try {
      await Promise.race([leading, candidate.keep(signal)]);
    } finally {
      term.abort(new Error('leadership lost'));
      const ended = leading.finally(() => candidate.release());
      await withDeadline({ what: `stopping what ${options.name} leads`, limitMs }, () => ended);
    }
    logger.info({ identity, lease: options.name }, 'stopped leading');
  }
}

class Candidate {
  readonly #options: LeaderElectionOptions;
  /** Since when the Lease has not changed, by the monotonic clock: the other one may be set while this runs. */
  #observed = { version: '', at: 0 };
  #held: Lease | undefined;
  /** The holder that was last logged. */
  #loggedHolder: string | undefined;

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
  }

  /** Creates, renews or takes over the Lease. Returns false when another candidate holds it or the request fails. */
  async tryToHold(signal: AbortSignal, limitMs = ATTEMPT_LIMIT_MS): Promise<boolean> {
    const { name, logger } = this.#options;
    try {
      return await withDeadline({ what: `lease ${name}`, limitMs, signal }, (limit) => this.#tryToHoldWithin(limit));
    } catch (error) {
      const isSilence = error instanceof ConnectionError || error instanceof DeadlineError;
      if (!(error instanceof StatusError || isSilence || signal.aborted)) throw error;
      if (!signal.aborted) logger.debug({ err: error, lease: name }, 'failed to acquire or renew lease');
      return false;
    }
  }

  async #tryToHoldWithin(limit: AbortSignal): Promise<boolean> {
    const { client, namespace, name, identity, logger, timing = DEFAULT_TIMING } = this.#options;
    if (await this.#renewHeld(limit)) return true;
    const lease = await client.get(leases, namespace, name, { signal: limit }).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
    const version = lease?.metadata?.resourceVersion ?? '';
    if (version !== this.#observed.version) this.#observed = { version, at: performance.now() };
    const plan = planElection(lease, identity, performance.now() - this.#observed.at);
    if (plan === 'wait') {
      const holder = lease?.spec?.holderIdentity;
      if (holder !== this.#loggedHolder)
        logger.info({ identity, lease: name, holder }, 'lease is held by another candidate');
      this.#loggedHolder = holder;
      return false;
    }
    const wanted = holding(lease, identity, timing.leaseSeconds, Date.now());
    this.#held = lease
      ? await client.update(leases, wanted, { signal: limit })
      : await client.create(leases, { ...wanted, metadata: { namespace, name } }, { signal: limit });
    return true;
  }

  /** Renews the Lease as it was last written, without reading it. Returns false when it is not held, or has changed since. */
  async #renewHeld(limit: AbortSignal): Promise<boolean> {
    const { client, identity, timing = DEFAULT_TIMING } = this.#options;
    const held = this.#held;
    if (held?.spec?.holderIdentity !== identity) return false;
    try {
      this.#held = await client.update(leases, holding(held, identity, timing.leaseSeconds, Date.now()), {
        signal: limit,
      });
      return true;
    } catch (error) {
      if (!isConflict(error) && !isNotFound(error)) throw error;
      this.#held = undefined;
      return false;
    }
  }

  /** Renews until the renew deadline is exceeded or the signal is aborted. */
  async keep(signal: AbortSignal): Promise<void> {
    const { renewMs, deadlineMs } = this.#options.timing ?? DEFAULT_TIMING;
    let renewedAt = performance.now();
    let waitMs = renewMs;
    while (!signal.aborted && performance.now() - renewedAt < deadlineMs) {
      await delay(waitMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      // Others may have seen it as soon as it was sent, and an answer that comes after the deadline is none.
      const sentAt = performance.now();
      const leftMs = renewedAt + deadlineMs - sentAt;
      if (leftMs <= 0) return;
      const isHeld = await this.tryToHold(signal, Math.min(ATTEMPT_LIMIT_MS, leftMs));
      if (isHeld) renewedAt = sentAt;
      waitMs = isHeld ? renewMs : RETRY_PERIOD_MS;
    }
  }

  /** Releases the Lease, so that the next candidate need not wait until it expires. */
  async release(): Promise<void> {
    const { client, identity, logger } = this.#options;
    if (this.#held?.spec?.holderIdentity !== identity) return;
    const released: Lease = {
      ...this.#held,
      spec: { ...this.#held.spec, holderIdentity: '', leaseDurationSeconds: 1 },
    };
    this.#held = undefined;
    try {
      await client.update(leases, released, { timeoutMs: RETRY_PERIOD_MS });
    } catch (error) {
      logger.debug({ err: error }, 'failed to release lease, it will expire');
    }
  }
}

/** The Lease as a candidate writes it that takes or renews it. @param nowMs of the wall clock: for people, nobody compares it */
export function holding(lease: Lease | undefined, identity: string, leaseSeconds: number, nowMs: number): Lease {
  const time = microTimeOf(nowMs);
  const same = lease?.spec?.holderIdentity === identity;
  return {
    ...lease,
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    spec: {
      holderIdentity: identity,
      leaseDurationSeconds: leaseSeconds,
      acquireTime: same ? lease.spec?.acquireTime : time,
      renewTime: time,
      leaseTransitions: (lease?.spec?.leaseTransitions ?? 0) + (lease && !same ? 1 : 0),
    },
  };
}
