/** What the processes of a cgroup have read from and written to disks, by device. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { CgroupTree } from './cgroup-tree.ts';
import { hasCode } from './files.ts';

export interface DeviceIo {
  /** As `8:0`. */
  readonly device: string;
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly reads: number;
  readonly writes: number;
}

type IoCount = 'readBytes' | 'writtenBytes' | 'reads' | 'writes';

/** Empty when the cgroup is gone, or nothing counts. */
export function readIo(tree: CgroupTree, cgroup: string): readonly DeviceIo[] {
  const directory = tree.ioDirectory(cgroup);
  if (directory === undefined) return [];
  if (tree.version === 2) return parseIoStat(readNow(path.join(directory, 'io.stat')));
  const file = (name: string): string => readNow(path.join(directory, `blkio.throttle.${name}_recursive`));
  return parseBlkio(file('io_service_bytes'), file('io_serviced'));
}

/** `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6` a line. Pure. */
export function parseIoStat(text: string): DeviceIo[] {
  return text.split('\n').flatMap((line) => {
    const [device = '', ...fields] = line.split(' ');
    if (!isDevice(device)) return [];
    const counts = new Map(fields.map((field) => field.split('=', 2) as [string, string]));
    const of = (name: string): number => Number(counts.get(name) ?? 0);
    return [{ device, readBytes: of('rbytes'), writtenBytes: of('wbytes'), reads: of('rios'), writes: of('wios') }];
  });
}

/** `8:0 Read 1`, `8:0 Write 2` and others, a line each. Pure. */
export function parseBlkio(bytes: string, operations: string): DeviceIo[] {
  const found = new Map<string, Record<IoCount, number>>();
  const add = (text: string, read: IoCount, write: IoCount): void => {
    for (const line of text.split('\n')) {
      const [device = '', operation, count] = line.split(' ');
      if (!isDevice(device) || (operation !== 'Read' && operation !== 'Write')) continue;
      const counts = found.get(device) ?? { readBytes: 0, writtenBytes: 0, reads: 0, writes: 0 };
      found.set(device, counts);
      counts[operation === 'Read' ? read : write] = Number(count);
    }
  };
  add(bytes, 'readBytes', 'writtenBytes');
  add(operations, 'reads', 'writes');
  return Array.from(found, ([device, counts]) => ({ device, ...counts }));
}

/** The names of the host's disks by their numbers, as `8:0` -> `/dev/sda`. */
export const readDeviceNames = (): ReadonlyMap<string, string> => parseDiskstats(readNow('/proc/diskstats'));

/** Pure. */
export function parseDiskstats(text: string): Map<string, string> {
  const names = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [major, minor, name] = line.trim().split(/\s+/);
    if (name !== undefined) names.set(`${major}:${minor}`, `/dev/${name}`);
  }
  return names;
}

const isDevice = (text: string): boolean => /^\d+:\d+$/.test(text);

/** The kernel answers from memory. A cgroup may be gone, and kernels and containers lack some of these files. */
function readNow(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENODEV', 'EOPNOTSUPP')) return '';
    throw error;
  }
}
