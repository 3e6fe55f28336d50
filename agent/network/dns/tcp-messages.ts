/** DNS messages over TCP: each behind its length in two bytes (RFC 1035, section 4.2.2). */
import type { Socket } from 'node:net';

const LENGTH_BYTES = 2;

/** Calls `take` with each whole message; of one that is not whole at the end, nobody hears. */
export function readMessages(socket: Socket, take: (message: Buffer) => void): void {
  let parts: Buffer[] = [];
  let size = 0;
  socket.on('data', (data: Buffer) => {
    parts.push(data);
    size += data.length;
    // Not joined for each byte of a slow sender.
    if (size < LENGTH_BYTES || size < wantedBytes(parts)) return;
    let rest = Buffer.concat(parts);
    while (rest.length >= LENGTH_BYTES) {
      const end = LENGTH_BYTES + rest.readUInt16BE(0);
      if (rest.length < end) break;
      take(rest.subarray(LENGTH_BYTES, end));
      rest = rest.subarray(end);
    }
    parts = rest.length > 0 ? [Buffer.from(rest)] : [];
    size = rest.length;
  });
}

/** How long the first message is with its length, of which the first byte may have come alone. */
function wantedBytes([first, ...others]: readonly Buffer[]): number {
  const second = first!.length > 1 ? first![1] : others.find(({ length }) => length > 0)?.[0];
  return LENGTH_BYTES + (first![0]! << 8) + (second ?? 0);
}

export function withLength(message: Buffer): Buffer {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt16BE(message.length, 0);
  return Buffer.concat([length, message]);
}
