/** Reads a container's log as the API serves it, and follows it while the container runs and its log is rotated. */
import { watch } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { LogFormatter, type LogFormat } from './log-formatter.ts';
import { tailOffset } from './log-tail.ts';

/** Read at once: large enough for throughput, small enough that a hundred followers cost little. */
const CHUNK_BYTES = 64 * 1024;
/** As upstream's `logForceCheckPeriod`: so long a change goes unseen of which there is no notice. */
const LOOK_AGAIN_MS = 1_000;

export interface LogSource {
  readonly path: string;
  readonly format: LogFormat;
  /** Starts with the last so many lines. */
  readonly tailLines?: number;
  /** When given, the log is followed until the returned promise settles and the file is read to its end. */
  readonly stopped?: () => Promise<void>;
  /** Ends the following. */
  readonly signal: AbortSignal;
}

/**
 * Yields output as it arrives, with back-pressure. Rejects when the file cannot be read. Without
 * following it is the log as it was at the call, without what is written meanwhile.
 */
export async function* readLog(source: LogSource): AsyncGenerator<Buffer> {
  const formatter = new LogFormatter(source.format);
  let file = await open(source.path);
  let following: Following | undefined;
  try {
    following = source.stopped && new Following(source.path, source.stopped, source.signal);
    const { size } = await file.stat();
    const end = following ? Infinity : size;
    let position = source.tailLines === undefined ? 0 : await tailOffset(file, size, source.tailLines);
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    for (;;) {
      const last = following === undefined || following.mark();
      for (;;) {
        const { bytesRead } = await file.read(chunk, 0, Math.min(CHUNK_BYTES, end - position), position);
        if (bytesRead === 0) break;
        position += bytesRead;
        const output = formatter.push(chunk.subarray(0, bytesRead));
        if (output.length > 0) yield output;
        if (formatter.full || source.signal.aborted) return;
      }
      if (following === undefined) break;
      const next = await successor(source.path, file, position);
      if (next !== undefined) {
        if (next.file !== file) await file.close();
        ({ file, position } = next);
        continue;
      }
      if (last) break;
      await following.wait();
      if (source.signal.aborted) return;
    }
    const output = formatter.flush();
    if (output.length > 0) yield output;
  } finally {
    following?.close();
    await file.close();
  }
}

/**
 * Where to go on at the end of `file`: in what was written to it since, in the file that now has its name (it was rotated by
 * renaming), at its own start (it was cut short in place), or nowhere yet.
 */
async function successor(
  path: string,
  file: FileHandle,
  position: number,
): Promise<{ file: FileHandle; position: number } | undefined> {
  const named = await stat(path).catch((error: NodeJS.ErrnoException) => {
    // Between the renaming and the runtime's opening of the new file.
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  const current = await file.stat();
  if (current.size > position) return { file, position };
  if (current.size < position) return { file, position: 0 };
  const rotated = named !== undefined && (named.ino !== current.ino || named.dev !== current.dev);
  return rotated ? { file: await open(path), position: 0 } : undefined;
}

/** Waits for changes in the log's directory, which sees both writing and rotation. */
class Following {
  readonly #watcher: ReturnType<typeof watch>;
  #changed = Promise.withResolvers<void>();
  #ended = false;
  readonly #signal: AbortSignal;
  readonly #wake = (): void => this.#changed.resolve();

  constructor(path: string, stopped: () => Promise<void>, signal: AbortSignal) {
    this.#signal = signal;
    this.#watcher = watch(dirname(path), this.#wake);
    // A watch that breaks (its directory is gone) leaves the end of the container to end the following.
    this.#watcher.on('error', this.#wake);
    signal.addEventListener('abort', this.#wake);
    const end = (): void => {
      this.#ended = true;
      this.#wake();
    };
    stopped().then(end, end);
  }

  /** Resets earlier changes; returns whether the container has stopped, so that the next read is the last. */
  mark(): boolean {
    this.#changed = Promise.withResolvers<void>();
    if (this.#signal.aborted) this.#wake();
    return this.#ended;
  }

  async wait(): Promise<void> {
    const again = setTimeout(this.#wake, LOOK_AGAIN_MS);
    await this.#changed.promise;
    clearTimeout(again);
  }

  close(): void {
    this.#watcher.close();
    this.#signal.removeEventListener('abort', this.#wake);
  }
}
