/** How many seats a priority level has wanted lately: upstream's `fairqueuing.Integrator` and `seatDemandStats`. */

/** Of each past period in the smoothed demand: with a period of ten seconds its half-life is five minutes. */
const SMOOTHING = 0.977;

export class SeatDemand {
  #value = 0;
  #changedAt: number;
  #since: number;
  #area = 0;
  #squares = 0;
  #max = 0;
  /** Of the last whole period. */
  average = 0;
  deviation = 0;
  highWatermark = 0;
  smoothed = 0;

  /** Times are in milliseconds. */
  constructor(now: number) {
    this.#changedAt = now;
    this.#since = now;
  }

  set(value: number, now: number): void {
    this.#integrate(now);
    this.#value = value;
    if (value > this.#max) this.#max = value;
  }

  #integrate(now: number): void {
    const elapsed = now - this.#changedAt;
    this.#area += this.#value * elapsed;
    this.#squares += this.#value * this.#value * elapsed;
    this.#changedAt = now;
  }

  /** Ends a period. @param periods how many have passed since the last one ended, if nobody has looked meanwhile. */
  endPeriod(now: number, periods: number): void {
    this.#integrate(now);
    const elapsed = now - this.#since;
    this.highWatermark = this.#max;
    if (elapsed > 0) {
      this.average = this.#area / elapsed;
      this.deviation = Math.sqrt(Math.max(0, this.#squares / elapsed - this.average ** 2));
      const envelope = this.average + this.deviation;
      const kept = SMOOTHING ** periods;
      this.smoothed = Math.max(envelope, kept * this.smoothed + (1 - kept) * envelope);
    }
    this.#since = now;
    this.#area = 0;
    this.#squares = 0;
    this.#max = this.#value;
  }
}
