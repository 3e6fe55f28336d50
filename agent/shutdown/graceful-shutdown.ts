/**
 * Graceful node shutdown: the agent delays a shutdown of the host by a lock of logind, until it has terminated the pods, the critical ones
 * last, and said so in their status. https://kubernetes.io/docs/concepts/cluster-administration/node-shutdown/
 */
import { setTimeout as delay } from 'node:timers/promises';
import { backoffMs } from '../../client/backoff.ts';
import type { Logger } from '../../client/logger.ts';
import { Outage } from '../../client/outage.ts';
import type { Verdict } from '../pods/status/status-input.ts';
import { shutdownStages, totalSeconds, type ShutdownPeriod, type ShutdownPod } from './shutdown-plan.ts';
import type { ShutdownRecord } from './shutdown-record.ts';

export interface Lock extends AsyncDisposable {
  /** Rejects when it is lost, or when the signal is aborted. */
  held(signal: AbortSignal): Promise<never>;
}

/** The parts of logind that are used. */
export interface Logind {
  /** Resolves with how long a lock delays a shutdown, in seconds. */
  allowDelay(seconds: number, signal: AbortSignal): Promise<number>;
  takeLock(signal: AbortSignal): Promise<Lock>;
  /** Whether a shutdown has begun. */
  isShuttingDown(signal: AbortSignal): Promise<boolean>;
  /** Rejects when the bus is gone. */
  follow(tell: (isComing: boolean) => void, onReady: () => void, signal: AbortSignal): Promise<never>;
}

export interface GracefulShutdownOptions {
  readonly logind: Logind;
  /** From the lowest priority to the highest; none: pods are not terminated before a shutdown. */
  readonly periods: readonly ShutdownPeriod[];
  readonly pods: Iterable<ShutdownPod>;
  readonly end: (podUid: string, graceSeconds: number, verdict: Verdict) => void;
  /** Whether all of these pods have ended, and the api-server knows. */
  readonly haveEnded: (podUids: readonly string[]) => boolean;
  /** The node is or is not shutting down. */
  readonly onChange: () => void;
  readonly record: Pick<ShutdownRecord, 'started' | 'ended'>;
  readonly logger: Logger;
}

const RETRY = { initialMs: 1_000, maxMs: 60_000 };
const LOOK_MS = 100;
/** As the kubelet's. */
const VERDICT: Verdict = {
  reason: 'Terminated',
  message: 'Pod was terminated in response to imminent node shutdown.',
  disrupts: true,
};

export class GracefulShutdown {
  readonly #options: GracefulShutdownOptions;
  #lock: Lock | undefined;
  #isComing = false;

  constructor(options: GracefulShutdownOptions) {
    this.#options = options;
  }

  /** The host is being shut down: no pod is admitted. */
  get isComing(): boolean {
    return this.#isComing;
  }

  /** Until the signal is aborted. Hosts without logind are shut down as ever. */
  async run(signal: AbortSignal): Promise<void> {
    const { periods, logind, logger } = this.#options;
    const graceSeconds = totalSeconds(periods);
    if (graceSeconds === 0) return;
    const outage = new Outage({ logger });
    for (let failures = 1; !signal.aborted; failures++) {
      try {
        const allowed = await logind.allowDelay(graceSeconds, signal);
        if (allowed < graceSeconds)
          logger.warn({ allowed, wanted: graceSeconds }, 'logind lets a shutdown be delayed for a shorter time only');
        await this.#followUntilGone(() => {
          failures = 1;
          outage.ended({}, 'a shutdown of the host waits for its pods');
        }, signal);
      } catch (error) {
        if (signal.aborted) break;
        outage.failed(error, {}, 'a shutdown of the host does not wait for its pods');
        await delay(backoffMs(RETRY, failures), undefined, { signal }).catch(() => undefined);
      }
    }
    await this.#release();
  }

  async #followUntilGone(onReady: () => void, signal: AbortSignal): Promise<never> {
    const { logind, logger } = this.#options;
    const over = new AbortController();
    const within = AbortSignal.any([signal, over.signal]);
    const failed = Promise.withResolvers<never>();
    // One after the other, in the order of the signals.
    let last: Promise<void> = Promise.resolve();
    const watchLock = (): void => {
      const lock = this.#lock;
      lock?.held(within).catch((error: unknown) => {
        if (this.#lock === lock) failed.reject(error);
      });
    };
    const tell = (isComing: boolean): void => {
      last = last
        .then(() => (isComing ? this.#shutDown(within) : this.#calledOff(within)))
        .then(watchLock)
        .catch(failed.reject);
    };
    const ready = (): void => {
      last = last
        .then(async () => {
          // News of a shutdown is not missed from here on, but some may have been: while the bus was gone, or before this agent was there.
          if (await logind.isShuttingDown(within)) await this.#shutDown(within);
          else if (this.#isComing) await this.#calledOff(within);
          // Without a lock it would not wait.
          else this.#lock ??= await logind.takeLock(within);
          logger.debug({}, 'a shutdown of the host waits');
          onReady();
        })
        .then(watchLock)
        .catch(failed.reject);
    };
    try {
      return await Promise.race([logind.follow(tell, ready, within), failed.promise]);
    } finally {
      over.abort(new Error('the bus is not followed any longer'));
      await last.catch(() => undefined);
      await this.#release();
    }
  }

  async #release(): Promise<void> {
    const lock = this.#lock;
    // It is not lost, then.
    this.#lock = undefined;
    await lock?.[Symbol.asyncDispose]();
  }

  async #shutDown(signal: AbortSignal): Promise<void> {
    const { pods, periods, end, haveEnded, onChange, record, logger } = this.#options;
    this.#isComing = true;
    onChange();
    logger.info({}, 'the host is being shut down, terminating pods');
    void record.started();
    for (const { uids, limitSeconds } of shutdownStages(pods, periods)) {
      for (const { uid, graceSeconds } of uids) end(uid, graceSeconds, VERDICT);
      const deadline = performance.now() + limitSeconds * 1000;
      const all = uids.map(({ uid }) => uid);
      while (!haveEnded(all) && performance.now() < deadline) await delay(LOOK_MS, undefined, { signal });
      if (!haveEnded(all)) logger.warn({ limitSeconds }, 'pods have not ended before the shutdown goes on');
    }
    await record.ended();
    await this.#release();
  }

  async #calledOff(signal: AbortSignal): Promise<void> {
    const { logind, onChange, logger } = this.#options;
    if (this.#isComing) logger.info({}, 'the shutdown of the host has been called off');
    this.#isComing = false;
    onChange();
    this.#lock ??= await logind.takeLock(signal);
  }
}
