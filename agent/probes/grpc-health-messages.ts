/** The two messages of grpc.health.v1, in protobuf's encoding and gRPC's framing. Pure. */

const STATUSES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
export const SERVING = 1;
/** Both messages have their only field as number 1. */
const SERVICE_KEY = 0x0a;
const STATUS_FIELD = 1;
const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;
/** 64 bits in groups of seven. */
const MAX_VARINT_BYTES = 10;

export const statusName = (status: number): string => STATUSES[status] ?? String(status);

/** A flag (not compressed) and the length of the message. */
const FRAME_HEAD_BYTES = 5;

export function frame(message: Buffer): Buffer {
  const head = Buffer.alloc(FRAME_HEAD_BYTES);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** The message in a body. Throws for an invalid one. */
export function unframe(body: Buffer): Buffer {
  if (body.length < FRAME_HEAD_BYTES || body[0] !== 0) throw malformed();
  const end = FRAME_HEAD_BYTES + body.readUInt32BE(1);
  if (body.length !== end) throw malformed();
  return body.subarray(FRAME_HEAD_BYTES, end);
}

/** HealthCheckRequest. */
export function encodeHealthRequest(service: string): Buffer {
  const name = Buffer.from(service);
  return name.length === 0 ? name : Buffer.concat([Buffer.from([SERVICE_KEY, ...varint(name.length)]), name]);
}

/** The status of a HealthCheckResponse; unknown fields are skipped. Throws for an invalid message. */
export function decodeServingStatus(message: Buffer): number {
  const reader = new Reader(message);
  let status = 0n;
  while (!reader.isAtEnd) {
    const key = reader.varint();
    const wire = Number(key & 7n);
    if (Number(key >> 3n) === STATUS_FIELD && wire === WIRE.varint) status = reader.varint();
    else reader.skip(wire);
  }
  return Number(BigInt.asIntN(32, status));
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 0x80; left >>>= 7) bytes.push((left & 0x7f) | 0x80);
  bytes.push(left);
  return bytes;
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  varint(): bigint {
    let value = 0n;
    for (let group = 0; group < MAX_VARINT_BYTES; group++) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) break;
      this.#at++;
      value |= BigInt(byte & 0x7f) << BigInt(7 * group);
      if (byte < 0x80) return value;
    }
    throw malformed();
  }

  skip(wire: number): void {
    switch (wire) {
      case WIRE.varint:
        this.varint();
        return;
      case WIRE.fixed64:
        return this.#pass(8n);
      case WIRE.bytes:
        return this.#pass(this.varint());
      case WIRE.fixed32:
        return this.#pass(4n);
      default:
        throw malformed();
    }
  }

  #pass(length: bigint): void {
    if (length > BigInt(this.#bytes.length - this.#at)) throw malformed();
    this.#at += Number(length);
  }
}

const malformed = (): Error => new Error('response is not a grpc.health.v1.HealthCheckResponse');
