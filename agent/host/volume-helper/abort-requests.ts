/**
 * Lets processes go that an NFS server which is away holds in uninterruptible sleep. One that has been killed flushes and closes each
 * of its files, and waits for the server each time: so it takes as many rounds as it has files, in which it gets from one to the next.
 */
import { closeSync, openSync } from 'node:fs';
import { abortRequests } from '../mounts.ts';
import { O_PATH } from './bind.ts';

/** Each aborts many times. Whoever asks does so again while there are such processes. */
const ROUNDS = 4;

/** Of a mount point. It stays mounted, as what it takes to do this again. */
export async function abortAllRequests(mountPoint: string, signal: AbortSignal): Promise<void> {
  // Names the root of the mount, and so keeps it busy, without asking the server.
  const held = openSync(mountPoint, O_PATH);
  try {
    for (let round = 0; round < ROUNDS; round++) await abortRequests(mountPoint, signal);
  } finally {
    closeSync(held);
  }
}
