/**
 * Releases memory after a burst of work. V8 collects garbage when it needs room, not when it is idle: a server that has handled
 * thousands of writes would keep a hundred megabytes of garbage until the next burst. What V8 frees, the C library keeps; see
 * `process-memory.ts`.
 */
import { PerformanceObserver, performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread } from 'node:worker_threads';
import { memoryRelease } from './process-memory.ts';

/** How long a thread must be idle before it collects garbage. */
const QUIET_MS = 3_000;
/** How long before V8 also compacts the heap and frees its reserve pages, which takes twice as long. */
const LONG_QUIET_MS = 30_000;
/** A thread is idle while its event loop utilization is below this. */
const QUIET_UTILIZATION = 0.1;
/** Less garbage than this is not worth a pause of some 50 ms. */
const WORTHWHILE_BYTES = 16 * 2 ** 20;
/** The part of the heap that a thread may keep from its start: a small cluster has nothing to release. */
const SMALL_BYTES = 32 * 2 ** 20;

/**
 * Memory of connections is freed when they close, without a garbage collection: the main thread of a process of this size
 * checks periodically. That takes some ten milliseconds.
 */
const LARGE_BYTES = 200 * 2 ** 20;
const LOOK_MS = 30_000;

/**
 * Collects garbage of the calling thread while it is idle, until the signal is aborted. Free of cost while nothing is allocated:
 * it is triggered by V8's own collections.
 * @param mappedFile a memory-mapped file whose resident pages are released, too
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
  const look = isMainThread
    ? setInterval(() => {
        if (!timer && process.memoryUsage.rss() >= LARGE_BYTES) afterQuiet(QUIET_MS, release.freed);
      }, LOOK_MS).unref()
    : undefined;
  signal.addEventListener('abort', () => {
    observer.disconnect();
    clearInterval(look);
    clearTimeout(timer);
  });
}
