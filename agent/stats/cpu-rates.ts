/** Computes CPU usage rates from cumulative CPU time, between one request and the next. */

/** In shorter times the clock's resolution dominates. */
const MIN_INTERVAL_MS = 1_000;

interface Sample {
  readonly nanoseconds: number;
  readonly atMs: number;
  /** Undefined before the second sample. */
  readonly nanoCores: number | undefined;
}

/** Returns nanocores; undefined without an earlier sample. */
export type Rate = (key: string, nanoseconds: number, atMs: number) => number | undefined;

interface Taking {
  readonly rate: Rate;
  readonly end: () => void;
}

export class CpuRates {
  #samples = new Map<string, Sample>();

  /**
   * Takes one request's samples. Series that are not sampled in it are removed.
   */
  begin(): Taking {
    const before = this.#samples;
    const now = new Map<string, Sample>();
    return {
      rate: (key, nanoseconds, atMs) => {
        const next = following(before.get(key), nanoseconds, atMs);
        now.set(key, next);
        return next.nanoCores;
      },
      end: () => {
        this.#samples = now;
      },
    };
  }
}

function following(last: Sample | undefined, nanoseconds: number, atMs: number): Sample {
  // Less than before: another container, or another boot, under the same name.
  if (last === undefined || nanoseconds < last.nanoseconds) return { nanoseconds, atMs, nanoCores: undefined };
  const elapsedMs = atMs - last.atMs;
  if (elapsedMs < MIN_INTERVAL_MS && last.nanoCores !== undefined) return last;
  if (elapsedMs <= 0) return last;
  return { nanoseconds, atMs, nanoCores: Math.round(((nanoseconds - last.nanoseconds) * 1000) / elapsedMs) };
}
