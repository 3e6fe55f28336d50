/** SPDY/3.1 on the wire: https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1. */
const VERSION = 0x8003;
export const FRAME_HEAD_BYTES = 8;
export const FLAG_FIN = 0x01;

export const FrameType = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;

export const RST_REFUSED_STREAM = 3;
const RST_CANCEL = 5;

const STREAM_ID_MASK = 0x7fffffff;

/** The eight bytes that every frame begins with. */
export type FrameHead =
  | { readonly control: false; readonly streamId: number; readonly flags: number; readonly length: number }
  | { readonly control: true; readonly type: number; readonly flags: number; readonly length: number };

export function parseFrameHead(buffer: Buffer, at: number): FrameHead {
  const flags = buffer.readUInt8(at + 4);
  const length = buffer.readUIntBE(at + 5, 3);
  if (buffer.readUInt8(at) < 0x80) return { control: false, streamId: buffer.readUInt32BE(at), flags, length };
  return { control: true, type: buffer.readUInt16BE(at + 2), flags, length };
}

/** A stream id in a control frame's payload. */
export const streamIdAt = (payload: Buffer, at: number): number => payload.readUInt32BE(at) & STREAM_ID_MASK;

/** The head of a data frame; the payload follows it. */
export function dataFrameHead(streamId: number, length: number, fin: boolean): Buffer {
  const head = Buffer.alloc(FRAME_HEAD_BYTES);
  head.writeUInt32BE(streamId, 0);
  head.writeUInt8(fin ? FLAG_FIN : 0, 4);
  head.writeUIntBE(length, 5, 3);
  return head;
}

function controlFrame(type: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(FRAME_HEAD_BYTES);
  head.writeUInt16BE(VERSION, 0);
  head.writeUInt16BE(type, 2);
  head.writeUIntBE(payload.length, 5, 3);
  return Buffer.concat([head, payload]);
}

export function rstStreamFrame(streamId: number, status: number = RST_CANCEL): Buffer {
  const payload = Buffer.alloc(8);
  payload.writeUInt32BE(streamId, 0);
  payload.writeUInt32BE(status, 4);
  return controlFrame(FrameType.rstStream, payload);
}

export const pingFrame = (payload: Buffer): Buffer => controlFrame(FrameType.ping, payload);

/** A SYN_STREAM of the highest priority; `headerBlock` comes from a HeaderBlockWriter. */
export function synStreamFrame(streamId: number, headerBlock: Buffer): Buffer {
  const ids = Buffer.alloc(10);
  ids.writeUInt32BE(streamId, 0);
  return controlFrame(FrameType.synStream, Buffer.concat([ids, headerBlock]));
}

/** zlib's head for a stream with a preset dictionary, and the Adler-32 of SPDY/3's dictionary. */
const ZLIB_HEAD = Buffer.from([0x78, 0xbb, 0xe3, 0xc6, 0xa7, 0xc2]);
/** An empty stored block: how a zlib stream is flushed, which readers wait for before they hand out what they have read. */
const ZLIB_FLUSH = Buffer.from([0x00, 0x00, 0x00, 0xff, 0xff]);

/**
 * Writes the header blocks of one connection, which are one zlib stream between them. The few short headers that are ever
 * sent go as stored blocks, which need neither the compressor nor the dictionary.
 */
export class HeaderBlockWriter {
  #started = false;

  /** Names are in lower case. */
  write(headers: Readonly<Record<string, string>>): Buffer {
    const count = Buffer.alloc(4);
    const entries = Object.entries(headers);
    count.writeUInt32BE(entries.length);
    const block = Buffer.concat([count, ...entries.flat().flatMap(sized)]);
    const storedHead = Buffer.alloc(5);
    storedHead.writeUInt16LE(block.length, 1);
    storedHead.writeUInt16LE(block.length ^ 0xffff, 3);
    const head = this.#started ? Buffer.alloc(0) : ZLIB_HEAD;
    this.#started = true;
    return Buffer.concat([head, storedHead, block, ZLIB_FLUSH]);
  }
}

function sized(text: string): Buffer[] {
  const bytes = Buffer.from(text, 'latin1');
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return [length, bytes];
}
