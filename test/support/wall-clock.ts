/** The clock of the host is set while a program runs: by an operator, by NTP, or because a virtual machine was suspended. */

export class WallClock implements Disposable {
  readonly #real = Date.now;
  #aheadMs = 0;

  constructor() {
    Date.now = () => this.#real.call(Date) + this.#aheadMs;
  }

  /** Sets the clock forward, or back. The monotonic clock and timers go on. */
  jump(ms: number): void {
    this.#aheadMs += ms;
  }

  [Symbol.dispose](): void {
    Date.now = this.#real;
  }
}
