/** Keeps the logs of containers within bounds, as the kubelet does: a file of 10 MiB, five of them, old ones compressed. */
import { createReadStream, createWriteStream } from 'node:fs';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { createGzip } from 'node:zlib';
import type { Logger } from '../../../client/logger.ts';
import type { CriClient } from '../../cri/client.ts';
import { hasCode } from '../../host/files.ts';

export interface LogRotationOptions {
  readonly cri: CriClient;
  readonly logger: Logger;
  /** The running containers with their log files. */
  readonly logs: () => Iterable<{ readonly containerId: string; readonly file: string }>;
  readonly maxBytes?: number;
  /** Including the one that is being written. */
  readonly maxFiles?: number;
  readonly periodMs?: number;
}

/** The kubelet's containerLogMaxSize, containerLogMaxFiles and containerLogMonitorInterval. */
const MAX_BYTES = 10 * 1024 * 1024;
const MAX_FILES = 5;
const PERIOD_MS = 10_000;

/** Checks the logs until the signal is aborted. */
export async function rotateLogs(options: LogRotationOptions, signal: AbortSignal): Promise<void> {
  const { logs, logger, maxBytes = MAX_BYTES, periodMs = PERIOD_MS } = options;
  while (!signal.aborted) {
    await sleep(periodMs, undefined, { signal }).catch(() => undefined);
    for (const { containerId, file } of logs()) {
      if (signal.aborted) return;
      try {
        if ((await sizeOf(file)) > maxBytes) await rotate(containerId, file, options, signal);
      } catch (error) {
        if (signal.aborted) return;
        logger.warn({ file, err: error }, 'failed to rotate container log');
      }
    }
  }
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return 0;
    throw error;
  }
}

async function rotate(
  containerId: string,
  file: string,
  options: LogRotationOptions,
  signal: AbortSignal,
): Promise<void> {
  const { cri, maxFiles = MAX_FILES } = options;
  const rotated = await rotatedFiles(file);
  // One file is being written, one is the result of this rotation.
  const surplus = rotated.splice(0, Math.max(0, rotated.length - (maxFiles - 2)));
  for (const old of surplus) await rm(old, { force: true });
  for (const old of rotated) if (!old.endsWith('.gz')) await compress(old, signal);
  const target = `${file}.${timeStamp(new Date())}`;
  await rename(file, target);
  try {
    await cri.reopenContainerLog(containerId, { signal });
  } catch (error) {
    // The runtime keeps writing to the open file: rename it back.
    await rename(target, file);
    throw error;
  }
}

/** The oldest first. */
async function rotatedFiles(file: string): Promise<string[]> {
  const directory = path.dirname(file);
  const prefix = `${path.basename(file)}.`;
  const names = (await readdir(directory)).filter((name) => name.startsWith(prefix));
  for (const name of names.filter((name) => name.endsWith('.tmp')))
    await rm(path.join(directory, name), { force: true });
  return names
    .filter((name) => !name.endsWith('.tmp'))
    .sort()
    .map((name) => path.join(directory, name));
}

async function compress(file: string, signal: AbortSignal): Promise<void> {
  const temporary = `${file}.tmp`;
  await pipeline(createReadStream(file), createGzip(), createWriteStream(temporary), { signal });
  await rename(temporary, `${file}.gz`);
  await rm(file);
}

/** 20060102-150405, as the kubelet names rotated logs. */
const timeStamp = (date: Date): string => date.toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '-');
