/** One of several servers acts at a time: the holder of a Lease that it keeps renewing. As client-go's `leaderelection`. */
import { setTimeout as delay } from 'node:timers/promises';
import { StatusError, isNotFound } from '../api/machinery/status-error.ts';
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
  /** client-go's defaults when absent. */
  readonly timing?: ElectionTiming;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /**
   * Runs while this one leads; its signal is aborted when leadership is lost or the election is stopped. What has not ended by
   * the time at which another may lead fails the election: whoever runs it has to end the thread or the process.
   */
  lead(signal: AbortSignal): Promise<void>;
}

export interface ElectionTiming {
  /** How long the others wait for a sign of life. */
  readonly leaseSeconds: number;
  readonly renewMs: number;
  /** Without a renewal for so long the holder stops acting: well before the others take over. */
  readonly deadlineMs: number;
}

/** kube-controller-manager's and kube-scheduler's defaults. */
const DEFAULT_TIMING: ElectionTiming = { leaseSeconds: 15, renewMs: 2_000, deadlineMs: 10_000 };
const RETRY_PERIOD_MS = 2_000;
const ATTEMPT_LIMIT_MS = 10_000;

/** What a candidate does about the Lease it sees. `observedForMs`: how long the Lease has looked as it does now. */
export function planElection(
  lease: Lease | undefined,
  identity: string,
  observedForMs: number,
): 'create' | 'renew' | 'take over' | 'wait' {
  if (!lease) return 'create';
  const { holderIdentity, leaseDurationSeconds = DEFAULT_TIMING.leaseSeconds } = lease.spec ?? {};
  if (holderIdentity === identity) return 'renew';
  if (!holderIdentity) return 'take over';
  // Other machines' clocks are not to be trusted: what counts is how long nothing has changed here.
  return observedForMs > leaseDurationSeconds * 1000 ? 'take over' : 'wait';
}

/**
 * Stands for election until the signal is aborted; leads again after every loss. Gives the Lease up at the end. Rejects when
 * `lead` does, or does not end in time (DeadlineError).
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
  #observed = { version: '', at: 0 };
  #held: Lease | undefined;
  /** The holder that has been waited for, as has been logged. */
  #toldOf: string | undefined;

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
  }

  /** Creates, renews or takes over the Lease. False when another holds it, got ahead, or the server does not answer. */
  async tryToHold(signal: AbortSignal): Promise<boolean> {
    const { name, logger } = this.#options;
    try {
      return await withDeadline({ what: `lease ${name}`, limitMs: ATTEMPT_LIMIT_MS, signal }, (limit) =>
        this.#tryToHoldWithin(limit),
      );
    } catch (error) {
      const isSilence = error instanceof ConnectionError || error instanceof DeadlineError;
      if (!(error instanceof StatusError || isSilence || signal.aborted)) throw error;
      if (!signal.aborted) logger.debug({ err: error, lease: name }, 'failed to acquire or renew lease');
      return false;
    }
  }

  async #tryToHoldWithin(limit: AbortSignal): Promise<boolean> {
    const { client, namespace, name, identity, logger, timing = DEFAULT_TIMING } = this.#options;
    const lease = await client.get(leases, namespace, name, { signal: limit }).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
    const version = lease?.metadata?.resourceVersion ?? '';
    if (version !== this.#observed.version) this.#observed = { version, at: Date.now() };
    const plan = planElection(lease, identity, Date.now() - this.#observed.at);
    if (plan === 'wait') {
      const holder = lease?.spec?.holderIdentity;
      if (holder !== this.#toldOf) logger.info({ identity, lease: name, holder }, 'lease is held by another candidate');
      this.#toldOf = holder;
      return false;
    }
    const wanted = holding(lease, identity, timing.leaseSeconds, new Date());
    this.#held = lease
      ? await client.update(leases, wanted, { signal: limit })
      : await client.create(leases, { ...wanted, metadata: { namespace, name } }, { signal: limit });
    return true;
  }

  /** Renews until that has failed for the renew deadline, or the signal is aborted. */
  async keep(signal: AbortSignal): Promise<void> {
    const { renewMs, deadlineMs } = this.#options.timing ?? DEFAULT_TIMING;
    let renewedAt = Date.now();
    let waitMs = renewMs;
    while (!signal.aborted && Date.now() - renewedAt < deadlineMs) {
      await delay(waitMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      const isHeld = await this.tryToHold(signal);
      if (isHeld) renewedAt = Date.now();
      waitMs = isHeld ? renewMs : RETRY_PERIOD_MS;
    }
  }

  /** So that the next candidate need not wait for the Lease to run out. */
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

function holding(lease: Lease | undefined, identity: string, leaseSeconds: number, now: Date): Lease {
  // Leases carry microseconds.
  const time = now.toISOString().replace('Z', '000Z');
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
