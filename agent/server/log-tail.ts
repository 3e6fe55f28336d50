/** Finds where the last lines of a log start by reading it from its end. */
import type { FileHandle } from 'node:fs/promises';
import { LINE_END, parseLogLine } from '../pods/logs/log-line.ts';

const BLOCK_BYTES = 64 * 1024;

/**
 * The offset at which the last `lines` lines of `file[0, size)` start. A line that the runtime wrote in parts counts once; a
 * last line that has no end yet counts too.
 */
export async function tailOffset(file: FileHandle, size: number, lines: number): Promise<number> {
  if (lines === 0) return size;
  let ends = 0;
  let blockStart = size;
  // `window` is file[blockStart, lineEnd): `lineEnd` is where the line ends that is looked for next.
  let window: Buffer = Buffer.alloc(0);
  let lineEnd = size;
  while (blockStart > 0) {
    const length = Math.min(BLOCK_BYTES, blockStart);
    blockStart -= length;
    const block = Buffer.alloc(length);
    const { bytesRead } = await file.read(block, 0, length, blockStart);
    if (bytesRead < length) return 0;
    window = Buffer.concat([block, window]);
    for (;;) {
      const end = lineEnd - blockStart;
      // Byte end - 1 is the newline of the line itself, so the one before it is looked for ahead of that.
      const before = end < 2 ? -1 : window.lastIndexOf(LINE_END, end - 2);
      if (before < 0 && blockStart > 0) break;
      const line = parseLogLine(window, before + 1, end);
      if (line?.partial !== true || lineEnd === size) ends++;
      if (ends > lines) return lineEnd;
      if (before < 0) return 0;
      lineEnd = blockStart + before + 1;
    }
    window = Buffer.from(window.subarray(0, lineEnd - blockStart));
  }
  return 0;
}
