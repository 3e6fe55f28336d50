import { statfsSync } from 'node:fs';
import type { FileSystemUsage } from './requests.ts';

/** Of the whole file system that a path is on, as df(1) has it. Asks the server of a network file system. */
export function fileSystemUsage(path: string): FileSystemUsage {
  const { bsize, blocks, bfree, bavail, files, ffree } = statfsSync(path);
  return {
    bytes: (blocks - bfree) * bsize,
    inodes: files - ffree,
    capacityBytes: blocks * bsize,
    availableBytes: bavail * bsize,
    totalInodes: files,
    freeInodes: ffree,
  };
}
