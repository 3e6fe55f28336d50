/**
 * A reader for protobuf's wire format (https://protobuf.dev/programming-guides/encoding): a message is a sequence of fields, each
 * with a number, a wire type, and a value whose encoding the wire type determines.
 */
import { MAX_VALUES } from '../limits.ts';
import { tooLarge } from '../status-error.ts';

/** The bytes are not a valid message, or a field has another wire type. The messages are those of upstream's decoder. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

export const VARINT = 0;
export const FIXED64 = 1;
export const LENGTH_DELIMITED = 2;
const START_GROUP = 3;
const END_GROUP = 4;
const FIXED32 = 5;
/** Varints of up to this length fit into the integers of a number. */
const EXACT_VARINT_BYTES = 7;
const MAX_VARINT_BYTES = 10;
const MAX_FIELD_NUMBER = 2 ** 29 - 1;
/** An entry of a map is a field with two nested ones, for one value. */
const MAX_FIELDS = 4 * MAX_VALUES;

/** The reader is in one message at a time: `enter` goes into the message of the current field, `leave` returns. */
export class WireReader {
  readonly #bytes: Buffer;
  #at: number;
  #end: number;
  /** The number of the current field. */
  field = 0;
  #type = 0;
  #fields = 0;

  constructor(bytes: Buffer, start = 0) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = bytes.length;
  }

  /** Advances to the next field of the message, whose value must be read or skipped; returns false at the end of the message. */
  next(): boolean {
    if (!this.#step()) return false;
    if (++this.#fields > MAX_FIELDS) throw tooLarge(`Request entity too large: limit is ${MAX_FIELDS} fields`);
    return true;
  }

  #step(): boolean {
    if (this.#at >= this.#end) return false;
    const key = this.#varint();
    this.field = Math.floor(key / 8);
    this.#type = key & 7;
    if (this.field <= 0 || this.field > MAX_FIELD_NUMBER) {
      throw new WireError(`proto: illegal tag ${this.field} (wire type ${this.#type})`);
    }
    return true;
  }

  /** A signed integer of 64 bits; past 2^53 the nearest number, as JSON.parse gives it. */
  integer(): number {
    this.#expect(VARINT);
    return this.#varint();
  }

  /** Appends the integers of a repeated field, packed or not. */
  integers(list: unknown[]): void {
    if (this.#type !== LENGTH_DELIMITED) {
      list.push(this.integer());
      return;
    }
    const end = this.enter();
    while (this.#at < this.#end) list.push(this.#varint());
    this.leave(end);
  }

  double(): number {
    this.#expect(FIXED64);
    const start = this.#take(8);
    return this.#bytes.readDoubleLE(start);
  }

  text(encoding: 'utf8' | 'base64' = 'utf8'): string {
    this.#expect(LENGTH_DELIMITED);
    const start = this.#take(this.#varint());
    return this.#bytes.toString(encoding, start, this.#at);
  }

  /** Enters the message that is the field's value. Returns the argument for `leave`. */
  enter(): number {
    this.#expect(LENGTH_DELIMITED);
    const start = this.#take(this.#varint());
    const end = this.#end;
    this.#end = this.#at;
    this.#at = start;
    return end;
  }

  /** Returns to the enclosing message, after the one that `enter` went into. */
  leave(end: number): void {
    this.#at = this.#end;
    this.#end = end;
  }

  /** The position of the value in the bytes of this reader. */
  range(): readonly [start: number, end: number] {
    this.#expect(LENGTH_DELIMITED);
    const start = this.#take(this.#varint());
    return [start, this.#at];
  }

  skip(): void {
    switch (this.#type) {
      case VARINT:
        this.#varint();
        break;
      case FIXED64:
        this.#take(8);
        break;
      case LENGTH_DELIMITED:
        this.#take(this.#varint());
        break;
      case START_GROUP:
        this.#skipGroup();
        break;
      case FIXED32:
        this.#take(4);
        break;
      default:
        throw new WireError(`proto: illegal wireType ${this.#type}`);
    }
  }

  /** Skips nested groups in a loop: a hostile message may nest them a million deep. */
  #skipGroup(): void {
    for (let depth = 1; depth > 0;) {
      if (!this.#step()) throw unexpectedEnd();
      if (this.#type === START_GROUP) depth++;
      else if (this.#type === END_GROUP) depth--;
      else this.skip();
    }
  }

  #expect(type: number): void {
    if (this.#type !== type) throw new WireError(`proto: wrong wireType = ${this.#type} for field ${this.field}`);
  }

  #varint(): number {
    const start = this.#at;
    let low = 0;
    let factor = 1;
    for (let length = 1; length <= EXACT_VARINT_BYTES; length++) {
      const byte = this.#byte();
      low += (byte & 0x7f) * factor;
      factor *= 128;
      if (byte < 0x80) return low;
    }
    this.#at = start;
    let all = 0n;
    for (let length = 0; length < MAX_VARINT_BYTES; length++) {
      const byte = this.#byte();
      all |= BigInt(byte & 0x7f) << BigInt(7 * length);
      if (byte < 0x80) return Number(BigInt.asIntN(64, all));
    }
    throw new WireError('proto: integer overflow');
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined || this.#at >= this.#end) throw unexpectedEnd();
    this.#at++;
    return byte;
  }

  /** Advances by `length` bytes and returns their position. */
  #take(length: number): number {
    const start = this.#at;
    if (length < 0) throw new WireError('proto: negative length found during unmarshaling');
    if (start + length > this.#end) throw unexpectedEnd();
    this.#at = start + length;
    return start;
  }
}

const unexpectedEnd = () => new WireError('unexpected EOF');
