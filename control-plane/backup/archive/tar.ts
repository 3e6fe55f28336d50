/**
 * The part of the tar format that a backup is made of: plain files with short names, as `tar` of any system reads and writes them.
 * Everything else is refused. https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html (ustar Interchange Format)
 */
import { BackupError } from '../backup-error.ts';
import { ByteReader } from './byte-reader.ts';

export interface ArchiveEntry {
  readonly name: string;
  readonly content: Buffer;
}

const BLOCK = 512;
const NAME_BYTES = 100;
const MODE = 0o600;
const AT = { name: 0, mode: 100, uid: 108, gid: 116, size: 124, time: 136, sum: 148, type: 156, magic: 257 } as const;
const MAGIC = 'ustar\x0000';
const PLAIN_FILE = '0';

const padding = (length: number): number => (BLOCK - (length % BLOCK)) % BLOCK;

/** The sum of a header's bytes, with its own field as spaces. */
function sumOf(header: Buffer): number {
  let sum = 0;
  for (const [index, byte] of header.entries()) sum += index >= AT.sum && index < AT.sum + 8 ? 0x20 : byte;
  return sum;
}

function headerOf({ name, content }: ArchiveEntry, seconds: number): Buffer {
  if (Buffer.byteLength(name) > NAME_BYTES) throw new RangeError(`the name of a part is too long: ${name}`);
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, digits: number): number =>
    header.write(value.toString(8).padStart(digits, '0'), at, 'latin1');
  header.write(name, AT.name);
  octal(MODE, AT.mode, 7);
  octal(0, AT.uid, 7);
  octal(0, AT.gid, 7);
  octal(content.length, AT.size, 11);
  octal(seconds, AT.time, 11);
  header.write(PLAIN_FILE, AT.type, 'latin1');
  header.write(MAGIC, AT.magic, 'latin1');
  octal(sumOf(header), AT.sum, 6);
  header.write('\0 ', AT.sum + 6, 'latin1');
  return header;
}

/** @param now when the files were made, in milliseconds since the epoch */
export async function* writeTar(entries: AsyncIterable<ArchiveEntry>, now: number): AsyncGenerator<Buffer> {
  for await (const entry of entries) {
    yield headerOf(entry, Math.floor(now / 1000));
    yield entry.content;
    yield Buffer.alloc(padding(entry.content.length));
  }
  yield Buffer.alloc(2 * BLOCK);
}

/**
 * @param maxBytes of the content of an entry of this name; undefined for one that must not be there
 * Throws BackupError for what is no such archive, or ends early. Names are as `maxBytes` has accepted them.
 */
export async function* readTar(
  stream: AsyncIterable<Buffer>,
  maxBytes: (name: string) => number | undefined,
): AsyncGenerator<ArchiveEntry> {
  const reader = new ByteReader(stream);
  const exactly = async (length: number): Promise<Buffer> => {
    const bytes = await reader.take(length);
    if (bytes.length < length) throw new BackupError('the backup is incomplete: it ends in the middle');
    return bytes;
  };
  for (;;) {
    const header = await exactly(BLOCK);
    if (header.every((byte) => byte === 0)) break;
    const name = textAt(header, AT.name, NAME_BYTES);
    if (
      textAt(header, AT.magic, 5) !== 'ustar' ||
      octalAt(header, AT.sum, 8) !== sumOf(header) ||
      header.toString('latin1', AT.type, AT.type + 1) !== PLAIN_FILE
    )
      throw new BackupError(`the backup is damaged: what follows is no part of one (${JSON.stringify(name)})`);
    const limit = maxBytes(name);
    if (limit === undefined) throw new BackupError(`the backup has a part that none has: ${JSON.stringify(name)}`);
    const size = octalAt(header, AT.size, 12);
    if (size === undefined || size > limit)
      throw new BackupError(`the backup is damaged: its part ${name} would have more than ${limit} bytes`);
    const content = await exactly(size);
    await exactly(padding(size));
    yield { name, content };
  }
  await exactly(BLOCK);
  if ((await reader.take(1)).length > 0) throw new BackupError('the backup is damaged: something follows its end');
}

function textAt(header: Buffer, at: number, length: number): string {
  const end = header.indexOf(0, at);
  return header.toString('utf8', at, end < 0 || end > at + length ? at + length : end);
}

function octalAt(header: Buffer, at: number, length: number): number | undefined {
  const text = textAt(header, at, length).trim();
  return /^[0-7]{1,11}$/.test(text) ? parseInt(text, 8) : undefined;
}
