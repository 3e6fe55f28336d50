/** The termination message of a container: https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/ */
import { open } from 'node:fs/promises';
import { hasCode } from '../../host/files.ts';
import { LINE_END, parseLogLine } from '../logs/log-line.ts';

/** The kubelet's limits. */
const MAX_MESSAGE_BYTES = 4096;
const MAX_TAIL_BYTES = 2048;
const MAX_TAIL_LINES = 80;
/** How much of a log is read at first, then four times as much each time. A line may be of any length. */
const FIRST_READ_BYTES = 4 * MAX_TAIL_BYTES;
const LAST_READ_BYTES = 2 * 1024 * 1024;

/** What the container has written, up to the limit; '' when it has written nothing. */
export async function readTerminationMessage(file: string): Promise<string> {
  const message = await readPart(file, (size) => [0, Math.min(size, MAX_MESSAGE_BYTES)]);
  return message.toString('utf8');
}

/** The last lines of a log in the CRI format, within the kubelet's limits. */
export async function readLogTail(logFile: string): Promise<string> {
  if (!logFile) return '';
  for (let bytes = FIRST_READ_BYTES; ; bytes *= 4) {
    const raw = await readPart(logFile, (size) => [Math.max(0, size - bytes), Math.min(size, bytes)]);
    const isWhole = raw.length < bytes;
    const { text, isEnough } = lastText(raw, isWhole);
    if (!isEnough && !isWhole && bytes < LAST_READ_BYTES) continue;
    // Of a line longer than the buffer only its end counts.
    return endOf(text.length > 0 || isWhole ? text : raw);
  }
}

/** The text of the last lines of `raw`, up to the limits. `isWhole`: `raw` begins at the start of a line. */
function lastText(raw: Buffer, isWhole: boolean): { text: Buffer; isEnough: boolean } {
  const pieces: Buffer[] = [];
  let bytes = 0;
  let lines = 0;
  let end = raw.length;
  while (end > 0 && bytes < MAX_TAIL_BYTES) {
    const start = end < 2 ? 0 : raw.lastIndexOf(LINE_END, end - 2) + 1;
    if (start === 0 && !isWhole) break;
    const line = parseLogLine(raw, start, end);
    if (line) {
      if (!line.partial && ++lines > MAX_TAIL_LINES) break;
      const piece = raw.subarray(line.text, line.partial && raw[end - 1] === LINE_END ? end - 1 : end);
      pieces.unshift(piece);
      bytes += piece.length;
    }
    end = start;
  }
  return { text: Buffer.concat(pieces), isEnough: bytes >= MAX_TAIL_BYTES || lines > MAX_TAIL_LINES };
}

/** At most MAX_TAIL_BYTES, beginning with a whole character. */
function endOf(text: Buffer): string {
  let start = Math.max(0, text.length - MAX_TAIL_BYTES);
  while (start > 0 && ((text[start] ?? 0) & 0xc0) === 0x80) start++;
  return text.toString('utf8', start);
}

async function readPart(file: string, part: (size: number) => [position: number, length: number]): Promise<Buffer> {
  try {
    await using handle = await open(file, 'r');
    const { size } = await handle.stat();
    const [position, length] = part(size);
    const buffer = Buffer.alloc(length);
    const { bytesRead } = await handle.read(buffer, 0, length, position);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return Buffer.alloc(0);
    throw error;
  }
}
