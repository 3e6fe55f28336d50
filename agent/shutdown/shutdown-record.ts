/**
 * When the node was last shut down gracefully, and when its pods had ended: on disk, for the metrics of the agent that starts after it.
 * https://kubernetes.io/docs/concepts/cluster-administration/node-shutdown/
 */
import { join } from 'node:path';
import { withDeadline } from '../../client/deadline.ts';
import type { Logger } from '../../client/logger.ts';
import { writeFileAtomically } from '../../daemon/atomic-file.ts';
import { Exposition } from '../../daemon/metrics/exposition.ts';
import { readTextIfThere } from '../host/files.ts';

/** Upstream's name. */
const STATE_FILE = 'graceful_node_shutdown_state';
const FILE_MODE = 0o644;
/** A disk that hangs does not hold up the shutdown. */
const WRITE_LIMIT_MS = 2_000;

/** In milliseconds since the epoch; 0: not yet. */
export interface ShutdownTimes {
  readonly startMs: number;
  readonly endMs: number;
}

export const NO_SHUTDOWN: ShutdownTimes = { startMs: 0, endMs: 0 };

/** What Go's zero time is written as. */
const ZERO_TIME = '0001-01-01T00:00:00Z';
const timeText = (ms: number): string => (ms === 0 ? ZERO_TIME : new Date(ms).toISOString());

/** In the format of the kubelet's file of this name. */
export const encodeTimes = ({ startMs, endMs }: ShutdownTimes): string =>
  JSON.stringify({ startTime: timeText(startMs), endTime: timeText(endMs) });

/** Undefined for what is none. */
export function decodeTimes(text: string): ShutdownTimes | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { startTime, endTime } = value as { startTime?: unknown; endTime?: unknown };
  const [startMs, endMs] = [startTime, endTime].map((time) => (typeof time === 'string' ? Date.parse(time) : NaN));
  if (startMs === undefined || endMs === undefined || Number.isNaN(startMs) || Number.isNaN(endMs)) return undefined;
  return { startMs: Math.max(0, startMs), endMs: Math.max(0, endMs) };
}

export class ShutdownRecord {
  readonly #file: string;
  readonly #logger: Logger;
  #times: ShutdownTimes;
  #written: Promise<void> = Promise.resolve();

  private constructor(file: string, logger: Logger, times: ShutdownTimes) {
    this.#file = file;
    this.#logger = logger;
    this.#times = times;
  }

  static async open(dataDir: string, logger: Logger): Promise<ShutdownRecord> {
    const file = join(dataDir, STATE_FILE);
    const text = await readTextIfThere(file);
    const times = text === undefined ? NO_SHUTDOWN : decodeTimes(text);
    if (!times) logger.warn({ path: file }, 'ignoring an invalid record of the last shutdown');
    return new ShutdownRecord(file, logger, times ?? NO_SHUTDOWN);
  }

  /** Resolves when it is on disk, or cannot be: nobody has to wait for it. */
  started(): Promise<void> {
    return this.#set({ startMs: Date.now(), endMs: 0 });
  }

  ended(): Promise<void> {
    return this.#set({ ...this.#times, endMs: Date.now() });
  }

  /** One after the other, so that the last one stays. */
  #set(times: ShutdownTimes): Promise<void> {
    this.#times = times;
    this.#written = this.#written.then(() => this.#write(times));
    return this.#written;
  }

  /** A failure is logged: a shutdown does not fail for its metrics. */
  async #write(times: ShutdownTimes): Promise<void> {
    try {
      await withDeadline({ what: `writing ${STATE_FILE}`, limitMs: WRITE_LIMIT_MS }, () =>
        writeFileAtomically(this.#file, encodeTimes(times), FILE_MODE),
      );
    } catch (error) {
      this.#logger.warn({ err: error, path: this.#file }, 'failed to record the shutdown');
    }
  }

  /** Upstream's names: https://kubernetes.io/docs/reference/instrumenting/metrics/ */
  write(to: Exposition): void {
    const { startMs, endMs } = this.#times;
    const seconds = (name: string, help: string, ms: number): unknown =>
      to.single(`kubelet_graceful_shutdown_${name}_time_seconds`, 'gauge', help, Math.floor(ms / 1000));
    seconds('start', 'Start of the last graceful shutdown since the epoch.', startMs);
    seconds('end', 'End of the last graceful shutdown since the epoch; 0 while it is under way.', endMs);
  }
}
