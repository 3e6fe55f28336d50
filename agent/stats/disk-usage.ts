/** Disk usage of directories and container layers. */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import type { ContainerStats } from '../cri/types.ts';
import { hasCode } from '../host/files.ts';

/** The unit of `blocks` in stat(2). */
const BLOCK_BYTES = 512;

export interface DiskUsage {
  readonly usedBytes: number;
  readonly inodesUsed: number;
}

/** A directory of logs: files on the host's own disk, and nothing below. */
export async function diskUsageOf(directory: string): Promise<DiskUsage> {
  const unlessGone = (error: unknown): undefined => {
    if (!hasCode(error, 'ENOENT')) throw error;
  };
  const names = (await readdir(directory).catch(unlessGone)) ?? [];
  const files = await Promise.all(names.map((name) => stat(path.join(directory, name)).catch(unlessGone)));
  return {
    usedBytes: files.reduce((sum, file) => sum + (file?.blocks ?? 0) * BLOCK_BYTES, 0),
    inodesUsed: names.length + 1,
  };
}

/** Usage of the containers' writable layers, by container id. */
export const writableLayers = (stats: readonly ContainerStats[]): ReadonlyMap<string, DiskUsage> =>
  new Map(
    stats.flatMap(({ attributes, writableLayer }) =>
      writableLayer
        ? [[attributes.id, { usedBytes: value(writableLayer.usedBytes), inodesUsed: value(writableLayer.inodesUsed) }]]
        : [],
    ),
  );

const value = (of: { readonly value: number } | null): number => of?.value ?? 0;
