import { failure, ok, warning, type Finding } from './finding.ts';

export interface MemoryFacts {
  readonly totalBytes: number;
  readonly availableBytes: number;
}

const MIB = 1024 * 1024;
/** An agent, containerd and a pod or two. */
const LEAST_TOTAL = 900 * MIB;
/** `eviction-hard`. */
const LEAST_AVAILABLE = 100 * MIB;

/** Pure. */
export function judgeMemory({ totalBytes, availableBytes }: MemoryFacts): Finding[] {
  const found = `${Math.round(availableBytes / MIB)} MiB of ${Math.round(totalBytes / MIB)} MiB are available`;
  if (availableBytes < LEAST_AVAILABLE)
    return [
      failure(found, '100 MiB or more: pods are evicted below that', 'kedge top --sort memory shows who uses it'),
    ];
  if (totalBytes < LEAST_TOTAL) return [warning(found, '1 GiB in all', 'use a larger machine')];
  return [ok(found)];
}
