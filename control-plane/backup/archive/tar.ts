/**
 * The part of the tar format that a backup is made of: plain files with short names, as `tar` of any system reads and writes them.
 * Everything else is refused.
 */
import { ByteReader } from '../../../daemon/tar/byte-reader.ts';
import { BLOCK, isEndBlock, paddingOf, readHeader, tarEnd, tarMember } from '../../../daemon/tar/header.ts';
import { BackupError } from '../backup-error.ts';

export interface ArchiveEntry {
  readonly name: string;
  readonly content: Buffer;
}

const MODE = 0o600;
const PLAIN_FILE = '0';

/** @param now when the files were made, in milliseconds since the epoch */
export async function* writeTar(entries: AsyncIterable<ArchiveEntry>, now: number): AsyncGenerator<Buffer> {
  for await (const { name, content } of entries) yield* tarMember({ name, mode: MODE, modifiedAt: now }, content);
  yield tarEnd();
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
    const block = await exactly(BLOCK);
    if (isEndBlock(block)) break;
    const header = readHeader(block);
    if (!header?.isUstar || header.type !== PLAIN_FILE)
      throw new BackupError(`the backup is damaged: what follows is no part of one (${JSON.stringify(header?.name)})`);
    const { name, size } = header;
    const limit = maxBytes(name);
    if (limit === undefined) throw new BackupError(`the backup has a part that none has: ${JSON.stringify(name)}`);
    if (size > limit)
      throw new BackupError(`the backup is damaged: its part ${name} would have more than ${limit} bytes`);
    const content = await exactly(size);
    await exactly(paddingOf(size));
    yield { name, content };
  }
  await exactly(BLOCK);
  if ((await reader.take(1)).length > 0) throw new BackupError('the backup is damaged: something follows its end');
}
