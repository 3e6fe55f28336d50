/**
 * Reads a tar archive of somebody else's: regular files and folders with relative names, as scripts/package.ts makes them, and nothing
 * else. https://www.gnu.org/software/tar/manual/html_node/Standard.html
 */
import { HostError } from '../host/host-error.ts';

export interface TarEntry {
  /** Relative, without `.` and `..`; a folder's without a slash at its end. */
  readonly name: string;
  readonly isFolder: boolean;
  readonly isExecutable: boolean;
  readonly size: number;
  /** Of a file; it has to be read, or not at all, before the next entry is asked for. */
  readonly content: AsyncIterable<Buffer>;
}

export interface TarLimits {
  readonly entries: number;
  /** Of all files together. */
  readonly bytes: number;
}

const BLOCK = 512;
const MAX_NAME = 4096;
const MAX_SEGMENT = 255;
/** Types of entries: POSIX's of files and folders, and GNU's of a name that is too long for its field. */
const FILES: ReadonlySet<string> = new Set(['0', '\0', '']);
const FOLDER = '5';
const LONG_NAME = 'L';
const FORBIDDEN: ReadonlyMap<string, string> = new Map([
  ['1', 'a hard link'],
  ['2', 'a symbolic link'],
  ['3', 'a device'],
  ['4', 'a device'],
  ['6', 'a named pipe'],
]);

/** Throws HostError for an archive that has anything but files and folders below itself, is larger than the limits, or ends early. */
export async function* tarEntries(source: AsyncIterable<Buffer>, limits: TarLimits): AsyncGenerator<TarEntry> {
  const bytes = new ByteSource(source);
  let [entries, total] = [0, 0];
  let longName: string | undefined;
  for (;;) {
    const header = await bytes.take(BLOCK);
    if (header.every((byte) => byte === 0)) return;
    checkSum(header);
    const type = header.toString('latin1', 156, 157);
    const size = octal(header, 124, 12);
    const shown = longName ?? nameIn(header);
    const padding = (BLOCK - (size % BLOCK)) % BLOCK;
    if (type === LONG_NAME) {
      if (size > MAX_NAME) throw new HostError('the package has a name that is too long');
      longName = text(await bytes.take(size));
      await bytes.take(padding);
      continue;
    }
    longName = undefined;
    if (++entries > limits.entries) throw new HostError(`the package has more than ${limits.entries} files`);
    if (type !== FOLDER && !FILES.has(type))
      throw new HostError(
        `the package has ${FORBIDDEN.get(type) ?? 'an entry of an unknown type'}: ${JSON.stringify(shown)}`,
      );
    const name = safeName(shown);
    const isFolder = type === FOLDER;
    total += size;
    if (total > limits.bytes) throw new HostError(`the package has more than ${limits.bytes} bytes`);
    const content = bytes.part(size);
    yield { name, isFolder, size, content, isExecutable: (octal(header, 100, 8) & 0o100) !== 0 };
    await bytes.drain(content);
    await bytes.take(padding);
  }
}

/** Throws HostError for a name that leads out of the folder that it is unpacked to, or that a terminal or file system may not bear. */
function safeName(shown: string): string {
  const name = shown.replace(/^(\.\/)+/, '').replace(/\/+$/, '');
  const segments = name.split('/');
  const isSafe =
    name.length <= MAX_NAME &&
    segments.every(
      (segment) =>
        /^[\x20-\x7e]{1,255}$/.test(segment) && segment.length <= MAX_SEGMENT && segment !== '.' && segment !== '..',
    );
  if (isSafe && !name.includes('\\')) return name;
  throw new HostError(`the package has a file with a name that is not allowed: ${JSON.stringify(shown.slice(0, 100))}`);
}

const text = (field: Buffer): string => {
  const end = field.indexOf(0);
  return field.toString('latin1', 0, end < 0 ? field.length : end);
};

function nameIn(header: Buffer): string {
  const name = text(header.subarray(0, 100));
  const prefix = header.toString('latin1', 257, 263) === 'ustar\0' ? text(header.subarray(345, 500)) : '';
  return prefix === '' ? name : `${prefix}/${name}`;
}

function octal(header: Buffer, from: number, length: number): number {
  const digits = text(header.subarray(from, from + length)).trim();
  if (!/^[0-7]{1,11}$/.test(digits)) throw new HostError('the package is not a tar archive, or is damaged');
  return parseInt(digits, 8);
}

function checkSum(header: Buffer): void {
  let sum = 0;
  for (const [index, byte] of header.entries()) sum += index >= 148 && index < 156 ? 0x20 : byte;
  if (sum !== octal(header, 148, 8)) throw new HostError('the package is not a tar archive, or is damaged');
}

/** Chunks of any size, read as pieces of given ones. */
class ByteSource {
  readonly #chunks: AsyncIterator<Buffer>;
  #held: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer>) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  async take(length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for await (const part of this.part(length)) parts.push(part);
    return Buffer.concat(parts);
  }

  /** Reads what is left of a part. */
  async drain(part: AsyncIterable<Buffer>): Promise<void> {
    const chunks = part[Symbol.asyncIterator]();
    while (!(await chunks.next()).done);
  }

  /** Each byte once, whoever reads it. */
  part(length: number): AsyncIterable<Buffer> {
    let left = length;
    const next = async (): Promise<IteratorResult<Buffer>> => {
      if (left === 0) return { done: true, value: undefined };
      if (this.#held.length === 0) {
        const chunk = await this.#chunks.next();
        if (chunk.done) throw new HostError('the package ends early');
        this.#held = chunk.value;
        return next();
      }
      const value = this.#held.subarray(0, left);
      this.#held = this.#held.subarray(value.length);
      left -= value.length;
      return { done: false, value };
    };
    return { [Symbol.asyncIterator]: () => ({ next }) };
  }
}
