/** DNS messages over TCP: each behind its length in two bytes (RFC 1035, section 4.2.2). */
const LENGTH_BYTES = 2;

/** Joins what comes over a connection. A sender costs the memory of one message, however small its pieces are. */
export class TcpMessages {
  readonly #length = Buffer.alloc(LENGTH_BYTES);
  /** Undefined while its length is read. */
  #message: Buffer | undefined;
  #filled = 0;

  /** Each message that this piece completes; of one that is never complete, nobody hears. */
  *add(piece: Buffer): Generator<Buffer> {
    for (let at = 0; at < piece.length;) {
      const target = this.#message ?? this.#length;
      const count = piece.copy(target, this.#filled, at);
      at += count;
      this.#filled += count;
      if (this.#filled < target.length) return;
      this.#filled = 0;
      const complete = this.#message;
      const next = complete ? 0 : this.#length.readUInt16BE(0);
      this.#message = next > 0 ? Buffer.alloc(next) : undefined;
      if (complete) yield complete;
    }
  }
}

export function withLength(message: Buffer): Buffer {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt16BE(message.length, 0);
  return Buffer.concat([length, message]);
}
