/** Reads what the recorder has written, also while it writes, and after an agent that was killed in the middle of a line. */
import { open } from 'node:fs/promises';
import { hasCode } from '../host/files.ts';
import { parseRecord } from './parse.ts';
import { listSegments, type Segment } from './segments.ts';
import { MAX_LINE, type LifeRecord, type StoredRecord } from './stored.ts';

/** A record with the life of the agent that it belongs to; undefined where that has been dropped. */
export interface ReadRecord {
  readonly record: StoredRecord;
  readonly life: LifeRecord | undefined;
}

const CHUNK_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

export class RecordReader {
  readonly #directory: string;
  #number = 0;
  #offset = 0;
  #life: LifeRecord | undefined;
  /** Lines that are no records, and the end of one that was never written whole. */
  broken = 0;
  /** The bytes of the last line, which has no end (yet). */
  unfinishedBytes = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** The records that have been written since the last call, the oldest first. */
  async *read(): AsyncGenerator<ReadRecord> {
    for (const segment of await listSegments(this.#directory)) {
      if (segment.number < this.#number) continue;
      if (segment.number > this.#number) {
        if (this.unfinishedBytes > 0) this.broken++;
        this.#number = segment.number;
        this.#offset = 0;
        this.unfinishedBytes = 0;
      }
      yield* this.#readSegment(segment);
    }
  }

  async *#readSegment({ path }: Segment): AsyncGenerator<ReadRecord> {
    for await (const line of this.#lines(path)) {
      const record = parseRecord(line);
      if (record?.kind === 'life') this.#life = record;
      if (record) yield { record, life: this.#life };
      else if (line.length > 0) this.broken++;
    }
  }

  /** Whole lines from the offset on, without their ends. One that is too long is returned in part: it is no record. */
  async *#lines(path: string): AsyncGenerator<string> {
    let file;
    try {
      file = await open(path);
    } catch (error) {
      // The agent may have dropped it meanwhile.
      if (hasCode(error, 'ENOENT')) return;
      throw error;
    }
    try {
      let rest = Buffer.alloc(0);
      for (;;) {
        const { bytesRead, buffer } = await file.read(
          Buffer.alloc(CHUNK_BYTES),
          0,
          CHUNK_BYTES,
          this.#offset + rest.length,
        );
        if (bytesRead === 0) break;
        rest = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
        let start = 0;
        for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE, start)) {
          yield rest.toString('utf8', start, end);
          start = end + 1;
        }
        if (rest.length - start > MAX_LINE) {
          yield rest.toString('utf8', start, start + MAX_LINE);
          start = rest.length;
        }
        this.#offset += start;
        rest = rest.subarray(start);
      }
      this.unfinishedBytes = rest.length;
    } finally {
      await file.close();
    }
  }
}
