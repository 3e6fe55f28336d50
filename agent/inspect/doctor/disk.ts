import { failure, ok, warning, type Finding } from './finding.ts';

export interface DiskFacts {
  readonly disks: readonly {
    readonly path: string;
    readonly what: string;
    readonly totalBytes: number;
    readonly availableBytes: number;
    readonly totalInodes: number;
    readonly availableInodes: number;
    readonly isWritable: boolean;
  }[];
}

/** What pods are evicted at by default: `eviction-hard`. */
const FULL = 0.1;
const NEARLY_FULL = 0.15;
const NO_INODES = 0.05;

const percent = (part: number, of: number): string => `${Math.round((part / of) * 100)} %`;

/** Pure. */
export function judgeDisks({ disks }: DiskFacts): Finding[] {
  return disks.map(({ path, what, totalBytes, availableBytes, totalInodes, availableInodes, isWritable }) => {
    const found = `${path} (${what})`;
    const mend = `du -xh --max-depth=2 ${path} | sort -h shows what is large; kedge images lists the images`;
    if (!isWritable)
      return failure(
        `${found} cannot be written`,
        'a writable file system',
        `mount -o remount,rw: dmesg says why it is read-only`,
      );
    const free = totalBytes > 0 ? availableBytes / totalBytes : 1;
    // Some file systems make them as they go, and say 0.
    const freeInodes = totalInodes > 0 ? availableInodes / totalInodes : 1;
    if (freeInodes < NO_INODES)
      return failure(`${found} has ${percent(availableInodes, totalInodes)} of its inodes left`, '5 % or more', mend);
    const left = `${found} has ${percent(availableBytes, totalBytes)} left`;
    if (free < FULL) return failure(left, '10 % or more: pods are evicted below that', mend);
    return free < NEARLY_FULL ? warning(left, '15 % or more: images are removed below that', mend) : ok(left);
  });
}
