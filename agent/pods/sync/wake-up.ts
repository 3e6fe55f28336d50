import { msUntil } from '../../../client/clock.ts';
import { MAX_TIMER_MS } from '../../../client/deadline.ts';

/** While actions are executed, the worker observes this often at most; at their end it observes at once. */
const LOOK_WHILE_BUSY_MS = 1_000;

/** Where a pod's worker sleeps. A call that comes while it is awake is not lost. */
export class WakeUp {
  readonly #isBusy: () => boolean;
  #isCalled = true;
  #wake: (() => void) | undefined;

  constructor(isBusy: () => boolean) {
    this.#isBusy = isBusy;
  }

  call(): void {
    this.#isCalled = true;
    this.#wake?.();
  }

  /** Starts an observation: calls from now on are for later changes. */
  begin(): void {
    this.#isCalled = false;
  }

  /** Sleeps until called, until the time (ms since the epoch), or until the signal is aborted. */
  async sleep(until: number | undefined, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wasBusy = this.#isBusy();
    const busyLook = performance.now() + LOOK_WHILE_BUSY_MS;
    let timer: NodeJS.Timeout | undefined;
    const arm = (at: number | undefined): void => {
      clearTimeout(timer);
      if (at !== undefined) timer = setTimeout(resolve, Math.min(MAX_TIMER_MS, Math.max(0, at - performance.now())));
    };
    this.#wake = () => {
      if (wasBusy && this.#isBusy()) arm(busyLook);
      else resolve();
    };
    const stop = () => resolve();
    signal.addEventListener('abort', stop, { once: true });
    arm(until === undefined ? undefined : performance.now() + msUntil(until));
    if (this.#isCalled) this.#wake();
    await promise;
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
    this.#wake = undefined;
  }
}
