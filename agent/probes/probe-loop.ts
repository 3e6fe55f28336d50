/** One probe of one container, again and again: counts results against the thresholds and reports each change. */
import { msUntil } from '../../client/clock.ts';
import type { ProbeResult } from './run-probe.ts';
import type { Probe } from '../../api/types/core/v1.gen.ts';

export interface ProbeLoopOptions {
  readonly probe: Probe;
  /** When the container started, milliseconds since the epoch. */
  readonly startedAt: number;
  /** The agent found the container running: its probes are spread over their period. */
  readonly isOld: boolean;
  /**
   * A container that has just started is probed more often within its first period, so that it need not wait for the
   * next one when it was not up yet. Of these only successes count.
   */
  readonly isEager: boolean;
  readonly run: (signal: AbortSignal) => Promise<ProbeResult>;
  /** A result has been seen so often in a row as its threshold says; called once for each change. */
  readonly decided: (healthy: boolean) => void;
  /** Each failure and warning, for events. */
  readonly observed: (result: ProbeResult) => void;
}

const DEFAULT_PERIOD_SECONDS = 10;
const DEFAULT_FAILURE_THRESHOLD = 3;
const DEFAULT_SUCCESS_THRESHOLD = 1;

/** The delay between eager probes. */
const EAGER_WAITS_MS = [100, 200, 500, 1000, 2000];
/** Probes of many pods that fall on the same moment cost less than a moment for each. */
const GRID_MS = 1000;

export class ProbeLoop implements Disposable {
  readonly #options: ProbeLoopOptions;
  readonly #stop = new AbortController();
  readonly #periodMs: number;
  readonly #eagerWaits: number[];
  #timer: NodeJS.Timeout | undefined;
  #last: 'success' | 'failure' | undefined;
  #inARow = 0;
  #decided: boolean | undefined;

  constructor(options: ProbeLoopOptions) {
    this.#options = options;
    const { probe, startedAt, isOld, isEager } = options;
    this.#periodMs = (probe.periodSeconds || DEFAULT_PERIOD_SECONDS) * 1000;
    this.#eagerWaits = isEager && !isOld ? [...EAGER_WAITS_MS] : [];
    const initialMs = (probe.initialDelaySeconds ?? 0) * 1000;
    // It has not started in the future: the clock was set back since.
    const delayMs = Math.min(initialMs, msUntil(startedAt + initialMs));
    this.#arm(Math.max(delayMs, isOld ? Math.random() * this.#periodMs : 0));
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#stop.abort(new Error('probe stopped'));
  }

  #arm(ms: number): void {
    this.#timer = setTimeout(() => void this.#tick(), ms).unref();
  }

  async #tick(): Promise<void> {
    const { signal } = this.#stop;
    const began = performance.now();
    let result: ProbeResult;
    try {
      result = await this.#options.run(signal);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    if (signal.aborted) return;
    const eagerWaitMs = result.is === 'success' ? undefined : this.#eagerWaits.shift();
    if (eagerWaitMs !== undefined && eagerWaitMs < this.#periodMs) {
      this.#arm(eagerWaitMs);
      return;
    }
    this.#eagerWaits.length = 0;
    this.#count(result);
    const next = Math.round((began + this.#periodMs) / GRID_MS) * GRID_MS;
    if (!this.#stop.signal.aborted) this.#arm(Math.max(0, next - performance.now()));
  }

  #count(result: ProbeResult): void {
    const { probe, observed, decided } = this.#options;
    if (result.is !== 'success' || result.warning !== undefined) observed(result);
    if (result.is === 'unknown') return;
    this.#inARow = result.is === this.#last ? this.#inARow + 1 : 1;
    this.#last = result.is;
    const healthy = result.is === 'success';
    const threshold = healthy
      ? probe.successThreshold || DEFAULT_SUCCESS_THRESHOLD
      : probe.failureThreshold || DEFAULT_FAILURE_THRESHOLD;
    if (this.#inARow < threshold || this.#decided === healthy) return;
    this.#decided = healthy;
    decided(healthy);
  }
}
