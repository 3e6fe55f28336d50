/**
 * Returns unused memory of this process to the kernel. glibc keeps freed memory that lies between blocks in use until it is
 * trimmed; and every page of a mapped file that was once read counts as resident.
 */
import { readFileSync } from 'node:fs';
import { dlopen } from 'node:ffi';

/** `MADV_DONTNEED`: for a shared file mapping, pages stay in the page cache and are mapped again when they are read. */
const MADV_DONTNEED = 4;

export interface MemoryRelease {
  /** Releases freed heap memory of all threads: malloc_trim(3). */
  readonly freed: () => void;
  /** Releases resident pages of a mapped file: madvise(2). */
  readonly mapped: (path: string) => void;
}

/** The functions do nothing when the C library is not glibc. */
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

/** Parses `START-END MODE OFFSET DEVICE INODE PATH`: proc_pid_maps(5). */
function* mappingsOf(path: string): Generator<{ readonly address: bigint; readonly bytes: bigint }> {
  for (const line of readFileSync('/proc/self/maps', 'utf8').split('\n')) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \d+\s+(.*)$/.exec(line);
    if (!match || match[3] !== path) continue;
    const [address, end] = [BigInt(`0x${match[1]}`), BigInt(`0x${match[2]}`)];
    yield { address, bytes: end - address };
  }
}
