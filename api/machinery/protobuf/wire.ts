/**
 * Reads protobuf's wire format (https://protobuf.dev/programming-guides/encoding): a message is a row of fields, each a
 * number and a wire type, and the value in the form that the wire type says.
 */
import { MAX_VALUES } from '../limits.ts';
import { tooLarge } from '../status-error.ts';

/** The bytes are no protobuf message, or hold another type than the field has. The wording is that of upstream's decoder. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const START_GROUP = 3;
const END_GROUP = 4;
const FIXED32 = 5;
/** Varints of up to so many bytes fit a number's integers. */
const EXACT_VARINT_BYTES = 7;
const MAX_VARINT_BYTES = 10;
const MAX_FIELD_NUMBER = 2 ** 29 - 1;
/** An entry of a map is a field with two within it, for one value. */
const MAX_FIELDS = 4 * MAX_VALUES;

/** Stands within one message at a time: `enter` goes into the message that is the current field, `leave` comes back. */
export class WireReader {
  readonly #bytes: Buffer;
  #at: number;
  #end: number;
  /** Of the field that `next` has come to. */
  field = 0;
  #type = 0;
  #fields = 0;

  constructor(bytes: Buffer, start = 0) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = bytes.length;
  }

  /** Goes to the message's next field, whose value is to be read or skipped; false at the end of the message. */
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

  /** Appends the integers of a repeated field, which come one by one or packed into one value. */
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

  /** Goes into the message that is the field's value. What it returns is for `leave`. */
  enter(): number {
    this.#expect(LENGTH_DELIMITED);
    const start = this.#take(this.#varint());
    const end = this.#end;
    this.#end = this.#at;
    this.#at = start;
    return end;
  }

  /** Goes back to behind the message that `enter` went into. */
  leave(end: number): void {
    this.#at = this.#end;
    this.#end = end;
  }

  /** Where the value lies in the bytes that this reader was made from. */
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

  /** Groups nest; a loop, since a hostile message may nest them a million deep. */
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

  /** Goes past so many bytes and says where they begin. */
  #take(length: number): number {
    const start = this.#at;
    if (length < 0) throw new WireError('proto: negative length found during unmarshaling');
    if (start + length > this.#end) throw unexpectedEnd();
    this.#at = start + length;
    return start;
  }
}

const unexpectedEnd = () => new WireError('unexpected EOF');
