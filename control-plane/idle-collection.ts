/**
 * Gives memory back after a burst of work. V8 collects garbage when it needs the room, not when there is time: a server that
 * has taken thousands of writes would keep a hundred megabytes of what is left of them until the next burst. What V8 then lets
 * go of, the C library keeps; see `process-memory.ts`.
 */
import { PerformanceObserver, performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread } from 'node:worker_threads';
import { memoryRelease } from './process-memory.ts';

/** How long a thread has to be quiet before it collects. */
const QUIET_MS = 3_000;
/** And before V8 moves together what is left, and lets go of the pages that it keeps in reserve: that takes twice as long. */
const LONG_QUIET_MS = 30_000;
/** A thread that is busy for less of that time than this is quiet. */
const QUIET_UTILIZATION = 0.1;
/** It is not worth a pause of some 50 ms to look for less than this. */
const WORTHWHILE_BYTES = 16 * 2 ** 20;
/** What a thread may keep of its start: in a small cluster there is nothing to give back. */
const SMALL_BYTES = 32 * 2 ** 20;

/**
 * What connections held is freed when they end, without a collection of V8's: a process of this size is looked at every so often,
 * by its main thread. That takes some ten milliseconds.
 */
const LARGE_BYTES = 200 * 2 ** 20;
const LOOK_MS = 30_000;

/**
 * Of the calling thread, until the signal is aborted. Costs nothing while nothing is allocated: V8's own collections wake it.
 * @param mappedFile of which pages that were read are let go of, too
 */
export function collectWhenIdle(signal: AbortSignal, mappedFile?: string): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as NodeJS.GCFunction;
  const release = memoryRelease();
  let kept = SMALL_BYTES;
  let keptResident = process.memoryUsage.rss();
  let timer: NodeJS.Timeout | undefined;
  const size = (): number => {
    const { heapTotal, external } = process.memoryUsage();
    return heapTotal + external;
  };
  const giveBack = (): void => {
    kept = size();
    release.freed();
    if (mappedFile !== undefined) release.mapped(mappedFile);
    keptResident = process.memoryUsage.rss();
  };
  const afterQuiet = (quietMs: number, step: () => void): void => {
    const before = performance.eventLoopUtilization();
    timer = setTimeout(() => {
      timer = undefined;
      if (performance.eventLoopUtilization(before).utilization > QUIET_UTILIZATION) afterQuiet(QUIET_MS, tidy);
      else step();
    }, quietMs).unref();
  };
  const tidy = (): void => {
    const worthwhile = size() - kept >= WORTHWHILE_BYTES;
    if (worthwhile) collect();
    if (!worthwhile && process.memoryUsage.rss() - keptResident < WORTHWHILE_BYTES) return;
    giveBack();
    afterQuiet(LONG_QUIET_MS, shrink);
  };
  const shrink = (): void => {
    collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
    giveBack();
  };
  const observer = new PerformanceObserver(() => {
    if (!timer) afterQuiet(QUIET_MS, tidy);
  });
  observer.observe({ entryTypes: ['gc'] });
  const look = setInterval(() => {
    if (isMainThread && !timer && process.memoryUsage.rss() >= LARGE_BYTES) afterQuiet(QUIET_MS, release.freed);
  }, LOOK_MS).unref();
  signal.addEventListener('abort', () => {
    observer.disconnect();
    clearInterval(look);
    clearTimeout(timer);
  });
}
