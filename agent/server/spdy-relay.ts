/**
 * Between a SPDY/3.1 client and a container runtime, which speak to each other frame by frame. Only the client's pings end here
 * (kubectl 1.22 and later sends one every five seconds). A runtime closes its connection when a command ends, while the last of
 * the output may still wait for a slow client; a ping that arrives after that makes the kernel reset the connection and throw
 * that output away, and the client takes the early end for a success.
 */
import { Transform, type TransformCallback } from 'node:stream';
import { FRAME_HEAD_BYTES, FrameType, parseFrameHead, streamIdAt } from './spdy-frames.ts';

const PING_BYTES = FRAME_HEAD_BYTES + 4;
/** A client that has more answers waiting than this does not read them. */
const MOST_WAITING_ANSWERS = 64;

interface Piece {
  readonly bytes: Buffer;
  /** A whole ping of the client's; its answer is the same bytes. */
  readonly isPing: boolean;
}

/** Finds where frames begin in bytes that come in chunks. Heads and pings come whole, the rest as it arrives. */
class FrameSplitter {
  #left = 0;
  /** The beginning of a frame of which too little has come. */
  rest: Buffer = Buffer.alloc(0);

  /** Whether all that was handed out are whole frames. */
  get isBetweenFrames(): boolean {
    return this.#left === 0;
  }

  *split(chunk: Buffer): Generator<Piece> {
    const buffer = this.rest.length > 0 ? Buffer.concat([this.rest, chunk]) : chunk;
    let at = 0;
    while (at < buffer.length) {
      // Only where a frame begins: what is inside one may look like anything.
      let isPing = false;
      if (this.#left === 0) {
        const size = wholeFrame(buffer, at);
        if (size === undefined) break;
        this.#left = size;
        isPing = size === PING_BYTES && buffer.length - at >= size && isClientPing(buffer.subarray(at, at + size));
      }
      const bytes = buffer.subarray(at, at + this.#left);
      at += bytes.length;
      this.#left -= bytes.length;
      yield { bytes, isPing };
    }
    this.rest = Buffer.from(buffer.subarray(at));
  }
}

/** The bytes of the frame at `at`; undefined when more has to come before anything can be said or done. */
function wholeFrame(buffer: Buffer, at: number): number | undefined {
  const there = buffer.length - at;
  if (there < FRAME_HEAD_BYTES) return undefined;
  const head = parseFrameHead(buffer, at);
  const size = FRAME_HEAD_BYTES + head.length;
  return head.control && head.type === FrameType.ping && size === PING_BYTES && there < size ? undefined : size;
}

/** Clients number theirs with odd ids; even ones answer the runtime's. */
function isClientPing(frame: Buffer): boolean {
  const head = parseFrameHead(frame, 0);
  return head.control && head.type === FrameType.ping && streamIdAt(frame, FRAME_HEAD_BYTES) % 2 === 1;
}

/** What goes to the client: the runtime's frames, with the answers to pings between them. */
class ToClient extends Transform {
  readonly #frames = new FrameSplitter();
  readonly #answers: Buffer[] = [];

  answer(ping: Buffer): void {
    if (this.#answers.length < MOST_WAITING_ANSWERS) this.#answers.push(Buffer.from(ping));
    if (this.readableLength < this.readableHighWaterMark) this.#sendAnswers();
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    for (const { bytes } of this.#frames.split(chunk)) {
      this.push(bytes);
      this.#sendAnswers();
    }
    done();
  }

  override _flush(done: TransformCallback): void {
    done(null, this.#frames.rest);
  }

  override _read(size: number): void {
    this.#sendAnswers();
    super._read(size);
  }

  #sendAnswers(): void {
    if (!this.#frames.isBetweenFrames || this.writableEnded) return;
    for (const answer of this.#answers.splice(0)) this.push(answer);
  }
}

/** What goes to the runtime. */
class ToRuntime extends Transform {
  readonly #frames = new FrameSplitter();
  readonly #client: ToClient;

  constructor(client: ToClient) {
    super();
    this.#client = client;
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    for (const { bytes, isPing } of this.#frames.split(chunk))
      if (isPing) this.#client.answer(bytes);
      else this.push(bytes);
    done();
  }

  override _flush(done: TransformCallback): void {
    done(null, this.#frames.rest);
  }
}

export interface SpdyRelay {
  readonly toClient: Transform;
  readonly toRuntime: Transform;
}

export function spdyRelay(): SpdyRelay {
  const toClient = new ToClient();
  return { toClient, toRuntime: new ToRuntime(toClient) };
}
