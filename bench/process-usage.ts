/** Memory and CPU usage of processes, from /proc. */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

export interface Memory {
  /** In MB, as all fields. */
  readonly resident: number;
  readonly anonymous: number;
  readonly file: number;
  readonly shared: number;
  readonly peak: number;
}

export async function memoryOf(pid: number): Promise<Memory> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8');
  const field = (name: string): number =>
    (Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) * 1024) / 1e6;
  return {
    resident: field('VmRSS'),
    anonymous: field('RssAnon'),
    file: field('RssFile'),
    shared: field('RssShmem'),
    peak: field('VmHWM'),
  };
}

/** Memory has settled when it has shrunk by less than this within the interval. */
const SHRINKS_MB = 2;
const SETTLED_MS = 8_000;
const LOOK_MS = 1_000;

/** Waits until the process's memory has settled, at most `limitMs`. */
export async function settledMemory(pid: number, limitMs = 45_000): Promise<Memory> {
  const deadline = performance.now() + limitMs;
  let lowest = await memoryOf(pid);
  let since = performance.now();
  while (performance.now() < Math.min(since + SETTLED_MS, deadline)) {
    await delay(LOOK_MS);
    const now = await memoryOf(pid);
    if (now.resident < lowest.resident - SHRINKS_MB) [lowest, since] = [now, performance.now()];
  }
  return memoryOf(pid);
}

/** Prints the composition of the memory to stderr; returns the resident size in MB. */
export function printMemory(whose: string, { resident, anonymous, file, shared }: Memory): number {
  const parts = Object.entries({ anonymous, file, shared }).map(([name, value]) => `${name} ${value.toFixed(0)}`);
  console.error(`memory, ${whose}: ${resident.toFixed(0)} MB (${parts.join(', ')})`);
  return resident;
}

/** USER_HZ: fixed in the kernel's interface. */
const TICKS_PER_SECOND = 100;

/** CPU time of the process in user and kernel mode, in seconds. */
export async function cpuSecondsOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

export interface CpuUse {
  readonly at: number;
  /** CPU time of the whole machine, in seconds. */
  readonly busy: number;
  /** CPU time of the benchmark's own processes, in seconds. */
  readonly own: number;
}

/** CPU time used by other programs during a measurement, since the machine may be shared. */
export const foreignLoad = {
  async read(own: readonly number[]): Promise<CpuUse> {
    const [total = ''] = (await readFile('/proc/stat', 'utf8')).split('\n');
    const [user = 0, nice = 0, system = 0, , , , softirq = 0] = total.trim().split(/\s+/).slice(1).map(Number);
    const used = await Promise.all(own.map(cpuSecondsOf));
    return {
      at: performance.now(),
      busy: (user + nice + system + softirq) / TICKS_PER_SECOND,
      own: used.reduce((sum, seconds) => sum + seconds, 0),
    };
  },

  /** The number of cores kept busy by other programs. */
  between(before: CpuUse, after: CpuUse): number {
    const seconds = (after.at - before.at) / 1000;
    return Math.max(0, (after.busy - before.busy - (after.own - before.own)) / seconds);
  },
};
