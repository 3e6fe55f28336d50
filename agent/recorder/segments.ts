/** The files of the recorder: a bounded number of segments, of which the oldest goes when a new one begins. */
import { constants, writeSync } from 'node:fs';
import { mkdir, open, readdir, rm, stat, type FileHandle } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { hasCode } from '../host/files.ts';

/** Where the agent with this data directory records. */
export const recorderDirectory = (dataDir: string): string => join(resolve(dataDir), 'recorder');

const NAME = /^segment-(\d{10})\.jsonl$/;
const nameOf = (number: number): string => `segment-${String(number).padStart(10, '0')}.jsonl`;

/** More of them lose less when the oldest is dropped. */
const SEGMENTS = 8;
/** Room for the line that a life begins with. */
const HEADER_BYTES = 512;
const NEWLINE = 0x0a;
const PRIVATE_DIRECTORY = 0o700;
const PRIVATE_FILE = 0o600;
/** A name that leads elsewhere is nobody's segment. */
const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW;

export interface Segment {
  readonly number: number;
  readonly path: string;
  readonly bytes: number;
  readonly modifiedAt: number;
}

/** Those that are there, the oldest first; none when there is no such directory. */
export async function listSegments(directory: string): Promise<Segment[]> {
  const found: Segment[] = [];
  for (const name of await names(directory)) {
    const number = NAME.exec(name)?.[1];
    if (number === undefined) continue;
    const path = join(directory, name);
    try {
      const { size, mtimeMs } = await stat(path);
      found.push({ number: Number(number), path, bytes: size, modifiedAt: mtimeMs });
    } catch (error) {
      // The agent may have dropped it meanwhile.
      if (!hasCode(error, 'ENOENT')) throw error;
    }
  }
  return found.sort((a, b) => a.number - b.number);
}

async function names(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}

export class SegmentWriter implements AsyncDisposable {
  readonly #directory: string;
  readonly #segmentBytes: number;
  readonly #header: () => string;
  #file: FileHandle | undefined;
  #bytes = 0;
  /** The last write may have left a line without its end. */
  #isTorn = false;

  /**
   * @param totalBytes of all segments together
   * @param header the line that every segment begins with
   */
  constructor(directory: string, totalBytes: number, header: () => string) {
    this.#directory = directory;
    this.#segmentBytes = Math.floor(totalBytes / SEGMENTS) - HEADER_BYTES;
    this.#header = header;
  }

  /** Opens the segment that the next lines go to. */
  async prepare(): Promise<void> {
    this.#file ??= await this.#open(0);
  }

  /** Appends whole lines. When this throws, some of them may have been written; the next call begins a line of its own. */
  async write(lines: string): Promise<void> {
    for (const data of pieces(Buffer.from(lines), this.#segmentBytes)) {
      if (this.#file && this.#bytes + data.length > this.#segmentBytes) await this.#close();
      this.#file ??= await this.#open(data.length);
      await this.#append(this.#file, data);
    }
  }

  /** For the end of the process: what the file does not take is lost. */
  writeLast(lines: string): void {
    if (this.#file) writeSync(this.#file.fd, lines);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }

  async #append(file: FileHandle, data: Buffer): Promise<void> {
    if (this.#isTorn) {
      await file.write('\n');
      this.#bytes++;
      this.#isTorn = false;
    }
    for (let done = 0; done < data.length;) {
      this.#isTorn = true;
      const { bytesWritten } = await file.write(data, done);
      done += bytesWritten;
      this.#bytes += bytesWritten;
    }
    this.#isTorn = false;
  }

  async #close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  /** The newest segment while it has room, otherwise a new one. */
  async #open(bytes: number): Promise<FileHandle> {
    await mkdir(this.#directory, { recursive: true, mode: PRIVATE_DIRECTORY });
    const segments = await listSegments(this.#directory);
    const newest = segments.at(-1);
    const hasRoom = newest !== undefined && newest.bytes + bytes <= this.#segmentBytes;
    const number = hasRoom ? newest.number : (newest?.number ?? 0) + 1;
    if (!hasRoom) for (const { path } of segments.slice(0, -(SEGMENTS - 1))) await rm(path, { force: true });
    const file = await open(join(this.#directory, nameOf(number)), APPEND, PRIVATE_FILE);
    try {
      await file.chmod(PRIVATE_FILE);
      this.#bytes = hasRoom ? newest.bytes : 0;
      // An agent that was killed may have left half a line.
      this.#isTorn = this.#bytes > 0;
      await this.#append(file, Buffer.from(this.#header()));
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  }
}

/** Whole lines, as many at once as fit into so many bytes; a longer line is a piece of its own. */
function* pieces(lines: Buffer, maxBytes: number): Generator<Buffer> {
  let start = 0;
  while (lines.length - start > maxBytes) {
    const last = lines.lastIndexOf(NEWLINE, start + maxBytes - 1);
    const end = last >= start ? last : lines.indexOf(NEWLINE, start + maxBytes);
    if (end < 0) break;
    yield lines.subarray(start, end + 1);
    start = end + 1;
  }
  if (start < lines.length) yield lines.subarray(start);
}
