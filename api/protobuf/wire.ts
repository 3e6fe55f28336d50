/** Reads protobuf's wire format. */

export type WireValue = number | Uint8Array;

export interface WireField {
  readonly number: number;
  /** Varints (signed, 64 bits) and fixed numbers as numbers, everything else as its bytes. */
  readonly value: WireValue;
}

/** The bytes are no protobuf message. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;
/** Varints of up to so many bytes fit a number's integers. */
const EXACT_VARINT_BYTES = 7;
const MAX_VARINT_BYTES = 10;

export function* readFields(bytes: Uint8Array): Generator<WireField> {
  const reader = new WireReader(bytes);
  while (!reader.done) {
    const tag = reader.varint();
    const number = Math.floor(tag / 8);
    yield { number, value: reader.value(tag % 8) };
  }
}

class WireReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  value(wireType: number): WireValue {
    switch (wireType) {
      case VARINT:
        return this.varint();
      case LENGTH_DELIMITED:
        return this.#take(this.varint());
      case FIXED64: {
        const bytes = this.#take(8);
        return new DataView(bytes.buffer, bytes.byteOffset, 8).getFloat64(0, true);
      }
      case FIXED32: {
        const bytes = this.#take(4);
        return new DataView(bytes.buffer, bytes.byteOffset, 4).getFloat32(0, true);
      }
      default:
        throw new WireError(`unknown wire type ${wireType}`);
    }
  }

  varint(): number {
    const start = this.#at;
    let low = 0;
    let factor = 1;
    for (let length = 1; length <= EXACT_VARINT_BYTES; length++) {
      const byte = this.#next();
      low += (byte & 0x7f) * factor;
      factor *= 128;
      if (byte < 0x80) return low;
    }
    this.#at = start;
    let all = 0n;
    for (let length = 0; length < MAX_VARINT_BYTES; length++) {
      const byte = this.#next();
      all |= BigInt(byte & 0x7f) << BigInt(7 * length);
      if (byte < 0x80) return Number(BigInt.asIntN(64, all));
    }
    throw new WireError('a varint is too long');
  }

  #next(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new WireError('unexpected end of the message');
    return byte;
  }

  #take(length: number): Uint8Array {
    const end = this.#at + length;
    if (length < 0 || end > this.#bytes.length) throw new WireError('unexpected end of the message');
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}
