import { lstatSync, readdirSync } from 'node:fs';

/** The unit of `blocks` in stat(2). */
export const BLOCK_BYTES = 512;

/** What a directory holds, as du(1) counts: blocks on disk, a file with several links once, no other file systems. */
export function measure(root: string): { bytes: number; inodes: number } {
  const device = lstatSync(root).dev;
  const seen = new Set<number>();
  let bytes = 0;
  const waiting = [root];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (!stats || stats.dev !== device || seen.has(stats.ino)) continue;
    seen.add(stats.ino);
    bytes += stats.blocks * BLOCK_BYTES;
    if (stats.isDirectory()) for (const name of readdirSync(path)) waiting.push(`${path}/${name}`);
  }
  return { bytes, inodes: seen.size };
}
