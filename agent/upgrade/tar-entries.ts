/**
 * Reads a tar archive of somebody else's: regular files and folders with relative names, as scripts/package.ts makes them, and nothing
 * else. https://www.gnu.org/software/tar/manual/html_node/Standard.html
 */
import { ByteReader } from '../../daemon/tar/byte-reader.ts';
import { BLOCK, isEndBlock, paddingOf, readHeader, textAt } from '../../daemon/tar/header.ts';
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

const MAX_NAME = 4096;
const MAX_SEGMENT = 255;
const OWNER_MAY_EXECUTE = 0o100;
/** Types of entries: POSIX's of files and folders, and GNU's of a name that is too long for its field. */
const FILES: ReadonlySet<string> = new Set(['0', '\0']);
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
  const bytes = new ByteReader(source);
  let [entries, total] = [0, 0];
  let longName: string | undefined;
  for (;;) {
    const block = await exactly(bytes, BLOCK);
    if (isEndBlock(block)) return;
    const header = readHeader(block);
    if (!header) throw new HostError('the package is not a tar archive, or is damaged');
    const { type, size } = header;
    const shown = longName ?? header.name;
    // Names that are entries of their own count, too.
    if (++entries > limits.entries) throw new HostError(`the package has more than ${limits.entries} files`);
    if (type === LONG_NAME) {
      if (size > MAX_NAME) throw new HostError('the package has a name that is too long');
      longName = textAt(await exactly(bytes, size), 0, size);
      await exactly(bytes, paddingOf(size));
      continue;
    }
    longName = undefined;
    if (type !== FOLDER && !FILES.has(type))
      throw new HostError(
        `the package has ${FORBIDDEN.get(type) ?? 'an entry of an unknown type'}: ${JSON.stringify(shown)}`,
      );
    const name = safeName(shown);
    total += size;
    if (total > limits.bytes) throw new HostError(`the package has more than ${limits.bytes} bytes`);
    const content = wholeParts(bytes, size);
    yield {
      ...{ name, size, content },
      isFolder: type === FOLDER,
      isExecutable: (header.mode & OWNER_MAY_EXECUTE) !== 0,
    };
    await drain(content);
    await exactly(bytes, paddingOf(size));
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

async function exactly(bytes: ByteReader, length: number): Promise<Buffer> {
  const taken = await bytes.take(length);
  if (taken.length < length) throw new HostError('the package ends early');
  return taken;
}

/** Throws when the archive ends before so many bytes. */
function wholeParts(bytes: ByteReader, size: number): AsyncIterable<Buffer> {
  const parts = bytes.parts(size)[Symbol.asyncIterator]();
  let left = size;
  const next = async (): Promise<IteratorResult<Buffer>> => {
    const part = await parts.next();
    if (part.done && left > 0) throw new HostError('the package ends early');
    if (!part.done) left -= part.value.length;
    return part;
  };
  return { [Symbol.asyncIterator]: () => ({ next }) };
}

/** Reads what is left of a part. */
async function drain(part: AsyncIterable<Buffer>): Promise<void> {
  const chunks = part[Symbol.asyncIterator]();
  while (!(await chunks.next()).done);
}
