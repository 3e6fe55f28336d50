/** What the kernel counts of the host and of processes: the files of proc(5). Pure parsers, and the readers that use them. */
import { readFileSync } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { hasCode, readTextIfThere } from './files.ts';

/** USER_HZ, the unit of CPU time in /proc; 100 on every architecture that Linux' containers run on. */
const TICKS_PER_SECOND = 100;
export const NS_PER_TICK = 1e9 / TICKS_PER_SECOND;
const KIB = 1024;
const PAGE_BYTES = 4096;

/** Counters of one network interface since it was created. */
export interface InterfaceCounters {
  readonly name: string;
  readonly rxBytes: number;
  readonly rxPackets: number;
  readonly rxErrors: number;
  readonly rxDropped: number;
  readonly txBytes: number;
  readonly txPackets: number;
  readonly txErrors: number;
  readonly txDropped: number;
}

/** /proc/net/dev: two lines of headings, then one line per interface. Without the loopback. */
export function parseNetDev(text: string): InterfaceCounters[] {
  const interfaces: InterfaceCounters[] = [];
  for (const line of text.split('\n')) {
    const [, name = '', numbers = ''] = /^\s*([^:|]+):(.*)$/.exec(line) ?? [];
    if (name === '' || name === 'lo') continue;
    const at = numbers.trim().split(/\s+/).map(Number);
    interfaces.push({
      name,
      ...{ rxBytes: at[0] ?? 0, rxPackets: at[1] ?? 0, rxErrors: at[2] ?? 0, rxDropped: at[3] ?? 0 },
      ...{ txBytes: at[8] ?? 0, txPackets: at[9] ?? 0, txErrors: at[10] ?? 0, txDropped: at[11] ?? 0 },
    });
  }
  return interfaces;
}

/** The interfaces of the network namespace that a process is in; undefined when it has ended. */
export async function readInterfaces(pid: number | 'self'): Promise<InterfaceCounters[] | undefined> {
  try {
    // Not awaited: the kernel answers from memory, and waiting costs 64 KiB for a file of unknown size.
    return parseNetDev(readFileSync(`/proc/${pid}/net/dev`, 'utf8'));
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH', 'EINVAL')) return undefined;
    throw error;
  }
}

/** The interface of the default route, of IPv4; undefined when there is none. */
export const readDefaultInterface = async (): Promise<string | undefined> =>
  parseDefaultInterface(await readFile('/proc/self/net/route', 'utf8'));

/** The interface of the default route in /proc/net/route: a destination and a mask of zeros. */
export function parseDefaultInterface(text: string): string | undefined {
  for (const line of text.split('\n').slice(1)) {
    const [name, destination, , , , , , mask] = line.split('\t');
    if (destination === '00000000' && mask === '00000000') return name;
  }
  return undefined;
}

export interface HostUsage {
  readonly bootedAtMs: number;
  readonly cpuNanoseconds: number;
  readonly memoryTotalBytes: number;
  readonly memoryUsedBytes: number;
  readonly workingSetBytes: number;
  readonly rssBytes: number;
  readonly cacheBytes: number;
  readonly mappedFileBytes: number;
  readonly swapUsedBytes: number;
  readonly swapAvailableBytes: number;
  readonly pageFaults: number;
  readonly majorPageFaults: number;
  readonly threads: number;
  readonly maxPid: number;
}

/** What the whole host uses. */
export async function readHostUsage(): Promise<HostUsage> {
  const [stat, meminfo, vmstat, loadavg, pidMax] = await Promise.all(
    ['stat', 'meminfo', 'vmstat', 'loadavg', 'sys/kernel/pid_max'].map((name) => readFile(`/proc/${name}`, 'utf8')),
  );
  return hostUsage({ stat, meminfo, vmstat, loadavg, pidMax });
}

type HostTexts = Readonly<Record<'stat' | 'meminfo' | 'vmstat' | 'loadavg' | 'pidMax', string | undefined>>;

function hostUsage({ stat = '', meminfo = '', vmstat = '', loadavg = '', pidMax = '' }: HostTexts): HostUsage {
  const bytes = (name: string): number => field(meminfo, `${name}:`) * KIB;
  const memoryTotalBytes = bytes('MemTotal');
  const memoryUsedBytes = memoryTotalBytes - bytes('MemFree');
  return {
    bootedAtMs: field(stat, 'btime ') * 1000,
    cpuNanoseconds: busyTicks(stat) * NS_PER_TICK,
    memoryTotalBytes,
    memoryUsedBytes,
    workingSetBytes: Math.max(0, memoryUsedBytes - bytes('Inactive(file)')),
    rssBytes: bytes('AnonPages'),
    cacheBytes: bytes('Cached'),
    mappedFileBytes: bytes('Mapped'),
    swapUsedBytes: bytes('SwapTotal') - bytes('SwapFree'),
    swapAvailableBytes: bytes('SwapFree'),
    pageFaults: field(vmstat, 'pgfault '),
    majorPageFaults: field(vmstat, 'pgmajfault '),
    threads: Number(/\/(\d+)/.exec(loadavg)?.[1] ?? 0),
    maxPid: Number(pidMax),
  };
}

/** The first line of /proc/stat is user, nice, system, idle, iowait, irq, softirq, steal: all but the two idle ones. */
function busyTicks(stat: string): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] =
    /^cpu +(.*)$/m.exec(stat)?.[1]?.split(' ').map(Number) ?? [];
  return user + nice + system + irq + softirq + steal;
}

/** The number after a name at the start of a line; 0 where the kernel does not have it. */
function field(text: string, name: string): number {
  const at = `\n${text}`.indexOf(`\n${name}`);
  return at < 0 ? 0 : Number.parseInt(text.slice(at + name.length), 10) || 0;
}

export interface ProcessUsage {
  readonly startedAtMs: number;
  readonly cpuNanoseconds: number;
  readonly rssBytes: number;
  readonly virtualBytes: number;
  readonly pageFaults: number;
  readonly majorPageFaults: number;
}

/** /proc/PID/stat, whose second field may hold anything between its parentheses. */
export function parseProcessStat(text: string, bootedAtMs: number): ProcessUsage {
  const at = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  // proc(5) counts from 1, and the first field here is its third.
  const nth = (number: number): number => at[number - 3] ?? 0;
  return {
    startedAtMs: bootedAtMs + (nth(22) / TICKS_PER_SECOND) * 1000,
    cpuNanoseconds: (nth(14) + nth(15)) * NS_PER_TICK,
    rssBytes: nth(24) * PAGE_BYTES,
    virtualBytes: nth(23),
    pageFaults: nth(10),
    majorPageFaults: nth(12),
  };
}

/** Undefined when there is no such process. */
export async function readProcess(pid: number | 'self', bootedAtMs: number): Promise<ProcessUsage | undefined> {
  const text = await readTextIfThere(`/proc/${pid}/stat`).catch((error: unknown) => {
    if (hasCode(error, 'ESRCH')) return undefined;
    throw error;
  });
  return text === undefined ? undefined : parseProcessStat(text, bootedAtMs);
}

/** How many files this process has open, and may have. */
export async function readOwnFiles(): Promise<{ open: number; max: number }> {
  const [names, limits] = await Promise.all([readdir('/proc/self/fd'), readFile('/proc/self/limits', 'utf8')]);
  return { open: names.length, max: Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? 0) };
}

/** The process that listens on a unix socket of this network namespace; undefined when there is none. */
export async function findListener(socket: string): Promise<number | undefined> {
  const lines = (await readFile('/proc/net/unix', 'utf8')).split('\n').map((line) => line.trim().split(/\s+/));
  // The columns are: address, reference count, protocol, flags, type, state, inode, path. 00010000 is a listening one.
  const inode = lines.find(([, , , flags, , , , path]) => path === socket && flags === '00010000')?.[6];
  if (inode === undefined) return undefined;
  for (const name of await readdir('/proc')) {
    if (/^\d+$/.test(name) && (await holds(name, `socket:[${inode}]`))) return Number(name);
  }
  return undefined;
}

/** Whether a process has a file open. One that has ended, or that is not ours to look into, has not. */
async function holds(pid: string, target: string): Promise<boolean> {
  const none = (error: unknown): undefined => {
    if (!hasCode(error, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM')) throw error;
  };
  for (const fd of (await readdir(`/proc/${pid}/fd`).catch(none)) ?? []) {
    if ((await readlink(`/proc/${pid}/fd/${fd}`).catch(none)) === target) return true;
  }
  return false;
}
