/**
 * What is stored under a key, as a line of text: the stored bytes are in it as they are, so that `jq` reads a backup, unless they are no
 * JSON object in one line (encrypted values, protobuf), which is base64. Both ways give the same bytes back.
 */
import { isUtf8 } from 'node:buffer';
import { isJsonObject, own } from '../../api/machinery/own.ts';
import { BackupError } from './backup-error.ts';

export interface StoredRecord {
  readonly key: string;
  /** Of its last write. */
  readonly revision: number;
  readonly value: Buffer;
}

const OBJECT = Buffer.from(',"object":');
const NEWLINE = 0x0a;
const [OPEN, CLOSE, RETURN] = [0x7b, 0x7d, 0x0d];

const isLine = (value: Buffer): boolean =>
  value[0] === OPEN && value.at(-1) === CLOSE && !value.includes(NEWLINE) && !value.includes(RETURN) && isUtf8(value);

/** With its newline. */
export function encodeRecord({ key, revision, value }: StoredRecord): Buffer {
  if (!isLine(value)) return Buffer.from(`${JSON.stringify({ key, revision, bytes: value.toString('base64') })}\n`);
  const head = JSON.stringify({ key, revision }).slice(0, -1);
  return Buffer.concat([Buffer.from(head), OBJECT, value, Buffer.from('}\n')]);
}

/** Without its newline. Throws BackupError. */
export function decodeRecord(line: Buffer): StoredRecord {
  // Quotes within the key are escaped, so that the first such sequence ends the head.
  const at = line.indexOf(OBJECT);
  const head = parsed(at < 0 ? line.toString() : `${line.toString('utf8', 0, at)}}`);
  const [key, revision, bytes] = ['key', 'revision', 'bytes'].map((name) => own(head, name));
  if (typeof key !== 'string' || !Number.isSafeInteger(revision) || Number(revision) < 1) throw damaged();
  if (at >= 0 && line.at(-1) === CLOSE)
    return { key, revision: Number(revision), value: line.subarray(at + OBJECT.length, -1) };
  if (at >= 0 || typeof bytes !== 'string') throw damaged();
  return { key, revision: Number(revision), value: Buffer.from(bytes, 'base64') };
}

/** The lines of a text, without newlines. */
export function* linesOf(text: Buffer): Generator<Buffer> {
  for (let from = 0; from < text.length;) {
    const end = text.indexOf(NEWLINE, from);
    if (end < 0) throw damaged();
    yield text.subarray(from, end);
    from = end + 1;
  }
}

function parsed(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (isJsonObject(value)) return value;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw damaged();
}

const damaged = (): BackupError => new BackupError('the backup is damaged: a line of its objects cannot be read');
