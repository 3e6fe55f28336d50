/** The last words of a container: https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/ */
import { open } from 'node:fs/promises';
import { hasCode } from '../host/files.ts';

/** The kubelet's limits. */
const MAX_MESSAGE_BYTES = 4096;
const MAX_TAIL_BYTES = 2048;
const MAX_TAIL_LINES = 80;
/** A log line carries a time stamp and a stream beside the text. */
const TAIL_READ_BYTES = 4 * MAX_TAIL_BYTES;

/** What the container has written, up to the limit; '' when it has written nothing. */
export async function readTerminationMessage(file: string): Promise<string> {
  return readPart(file, (size) => [0, Math.min(size, MAX_MESSAGE_BYTES)]);
}

/** The last lines of a log in the CRI's format. */
export async function readLogTail(logFile: string): Promise<string> {
  if (!logFile) return '';
  const text = await readPart(logFile, (size) => [Math.max(0, size - TAIL_READ_BYTES), TAIL_READ_BYTES]);
  const lines = text.split('\n').flatMap((line) => {
    const match = /^\S+ (?:stdout|stderr) ([FP]) (.*)$/s.exec(line);
    return match ? [match[2] + (match[1] === 'F' ? '\n' : '')] : [];
  });
  const tail = Buffer.from(lines.slice(-MAX_TAIL_LINES).join(''));
  return tail.subarray(Math.max(0, tail.length - MAX_TAIL_BYTES)).toString('utf8');
}

async function readPart(file: string, part: (size: number) => [position: number, length: number]): Promise<string> {
  try {
    await using handle = await open(file, 'r');
    const { size } = await handle.stat();
    const [position, length] = part(size);
    const buffer = Buffer.alloc(length);
    const { bytesRead } = await handle.read(buffer, 0, length, position);
    return buffer.subarray(0, bytesRead).toString('utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return '';
    throw error;
  }
}
