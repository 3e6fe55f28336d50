/** Reads files of a directory that other tools write to, where there may be links, pipes, sockets and devices, too. */
import { constants } from 'node:fs';
import { open, stat } from 'node:fs/promises';

/** O_NONBLOCK: does not block on a pipe that has replaced the file in the meantime. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
const CHUNK_BYTES = 64 * 1024;

/**
 * What a regular file holds; links are followed. Throws Error for anything else, which is not opened (opening some devices does
 * something), and for a file of more than `maxBytes`, whatever size stat(2) reports.
 */
export async function readRegularFile(file: string, maxBytes: number): Promise<Buffer> {
  const check = (stats: { isFile(): boolean; size: number }): void => {
    if (!stats.isFile()) throw new Error('not a regular file');
    if (stats.size > maxBytes) throw new Error(`larger than ${maxBytes} bytes`);
  };
  check(await stat(file));
  const handle = await open(file, FLAGS);
  try {
    check(await handle.stat());
    const chunks: Buffer[] = [];
    for (let bytes = 0; ;) {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, null);
      if (bytesRead === 0) return Buffer.concat(chunks);
      bytes += bytesRead;
      if (bytes > maxBytes) throw new Error(`larger than ${maxBytes} bytes`);
      chunks.push(buffer.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
}
