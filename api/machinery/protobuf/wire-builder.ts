/**
 * Builds messages in protobuf's wire format (https://protobuf.dev/programming-guides/encoding) from their last byte to their first:
 * the length of a nested message is known when what precedes it is written. `wire.ts` reads them.
 */
import { FIXED64, LENGTH_DELIMITED, VARINT } from './wire.ts';

const FIRST_BYTES = 4 * 1024;
/** The two's complement of a negative integer has 64 bits. */
const NEGATIVE_VARINT_BYTES = 10;

export class WireBuilder {
  #bytes = Buffer.allocUnsafe(FIRST_BYTES);
  #at = FIRST_BYTES;

  /** The number of bytes that have been written. */
  get length(): number {
    return this.#bytes.length - this.#at;
  }

  /** Returns a copy of what has been written, and starts again. */
  take(): Buffer {
    const taken = Buffer.from(this.#bytes.subarray(this.#at));
    this.#at = this.#bytes.length;
    return taken;
  }

  /** Completes a message that began, seen from its end, when `length` was `end`. */
  message(field: number, end: number): void {
    this.header(field, this.length - end);
  }

  /** What precedes a value of this length, in bytes. */
  header(field: number, length: number): void {
    this.#varint(length);
    this.#varint(field * 8 + LENGTH_DELIMITED);
  }

  /** An integer of 64 bits, or a boolean as 0 or 1. */
  integer(field: number, value: number): void {
    if (value < 0) this.#negative(value);
    else this.#varint(value);
    this.#varint(field * 8 + VARINT);
  }

  #negative(value: number): void {
    let rest = BigInt.asUintN(64, BigInt(value));
    const start = this.#reserve(NEGATIVE_VARINT_BYTES);
    for (let index = 0; index < NEGATIVE_VARINT_BYTES; index++) {
      const isLast = index === NEGATIVE_VARINT_BYTES - 1;
      this.#bytes[start + index] = Number(rest & 0x7fn) | (isLast ? 0 : 0x80);
      rest >>= 7n;
    }
  }

  /** Bytes as they are. */
  raw(bytes: Buffer): void {
    bytes.copy(this.#bytes, this.#reserve(bytes.length));
  }

  double(field: number, value: number): void {
    this.#bytes.writeDoubleLE(value, this.#reserve(8));
    this.#varint(field * 8 + FIXED64);
  }

  text(field: number, value: string, encoding: 'utf8' | 'base64' = 'utf8'): void {
    const length = Buffer.byteLength(value, encoding);
    const start = this.#reserve(length);
    // `byteLength` of base64 is an estimate: it trusts the padding.
    const written = this.#bytes.write(value, start, length, encoding);
    if (written < length) this.#bytes.copyWithin((this.#at = start + length - written), start, start + written);
    this.header(field, written);
  }

  #varint(value: number): void {
    let length = 1;
    for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length++;
    const start = this.#reserve(length);
    let rest = value;
    for (let index = 0; index < length - 1; index++) {
      this.#bytes[start + index] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[start + length - 1] = rest;
  }

  /** Makes room before what has been written; returns where it begins. */
  #reserve(length: number): number {
    if (length > this.#at) this.#grow(length);
    this.#at -= length;
    return this.#at;
  }

  #grow(length: number): void {
    const written = this.length;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, written + length));
    const at = larger.length - written;
    this.#bytes.copy(larger, at, this.#at);
    this.#bytes = larger;
    this.#at = at;
  }
}
