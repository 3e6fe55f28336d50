/**
 * Gives the kernel back memory that this process holds and does not use. glibc keeps what was freed between blocks that are in
 * use, for ever if nobody asks; and of a file that is mapped, every page that was once read counts as the process's own.
 */
import { readFileSync } from 'node:fs';
import { dlopen } from 'node:ffi';

/** `MADV_DONTNEED`: of a shared file mapping the pages stay in the page cache, and come back when they are read. */
const MADV_DONTNEED = 4;

export interface MemoryRelease {
  /** What was freed, of all threads: malloc_trim(3). */
  readonly freed: () => void;
  /** Mapped pages of the file at this path: madvise(2). */
  readonly mapped: (path: string) => void;
}

/** Nothing is released where the C library is another one. */
export function memoryRelease(): MemoryRelease {
  let functions;
  try {
    ({ functions } = dlopen('libc.so.6', {
      malloc_trim: { arguments: ['uint64'], return: 'int32' },
      madvise: { arguments: ['uint64', 'uint64', 'int32'], return: 'int32' },
    }));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { freed: () => undefined, mapped: () => undefined };
  }
  const { malloc_trim: trim, madvise } = functions;
  return {
    freed: () => void trim(0n),
    mapped: (path) => {
      for (const { address, bytes } of mappingsOf(path)) madvise(address, bytes, MADV_DONTNEED);
    },
  };
}

/** `START-END MODE OFFSET DEVICE INODE PATH`: proc_pid_maps(5). */
function* mappingsOf(path: string): Generator<{ readonly address: bigint; readonly bytes: bigint }> {
  for (const line of readFileSync('/proc/self/maps', 'utf8').split('\n')) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \d+\s+(.*)$/.exec(line);
    if (!match || match[3] !== path) continue;
    const [address, end] = [BigInt(`0x${match[1]}`), BigInt(`0x${match[2]}`)];
    yield { address, bytes: end - address };
  }
}
