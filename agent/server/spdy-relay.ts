/**
 * Between a SPDY/3.1 client and a container runtime, which speak to each other frame by frame. Only the client's pings end here
 * (kubectl 1.22 and later sends one every five seconds). A runtime closes its connection when a command ends, while the last of
 * the output may still wait for a slow client; a ping that arrives after that makes the kernel reset the connection and throw
 * that output away, and the client takes the early end for a success: https://github.com/kubernetes/kubernetes/issues/60140.
 * Input that arrives after that does the same, as upstream. It cannot be held back while output waits: a Ctrl-C has to pass.
 */
import { Transform, type TransformCallback } from 'node:stream';
import { FRAME_HEAD_BYTES, FrameType, parseFrameHead, streamIdAt } from './spdy-frames.ts';

const PING_BYTES = FRAME_HEAD_BYTES + 4;
/** A client with more unsent replies than this does not read them. */
const MAX_PENDING_PINGS = 64;
/**
 * A ping that comes after so long without a byte is passed on: the runtime closes what is idle for some hours (containerd's
 * `stream_idle_timeout`), and clients ping so that it does not. Where nothing moves, no output waits that could be lost.
 */
const RUNTIME_KEEP_ALIVE_MS = 10 * 60_000;

interface Run {
  /** Frames one after the other, of which the first and the last may be parts. */
  readonly bytes: Buffer;
  /** Whole pings of the client's; their answers are the same bytes. */
  readonly arePings: boolean;
}

/**
 * Finds where frames begin in bytes that come in chunks. What comes in one chunk goes on in as few pieces as possible: a frame
 * may be a single byte of output. Heads and pings are only handed out whole.
 */
class FrameSplitter {
  /** How much of the frame that is under way is still to come. */
  #left = 0;
  /** The beginning of a frame of which too little has come. */
  rest: Buffer = Buffer.alloc(0);

  /** Whether all that was handed out are whole frames. */
  get isBetweenFrames(): boolean {
    return this.#left === 0;
  }

  /** What is left of the frame that is under way is a run of its own. */
  *split(chunk: Buffer): Generator<Run> {
    const buffer = this.rest.length > 0 ? Buffer.concat([this.rest, chunk]) : chunk;
    let at = Math.min(this.#left, buffer.length);
    this.#left -= at;
    if (at > 0) yield { bytes: buffer.subarray(0, at), arePings: false };
    let from = at;
    let arePings = false;
    while (at < buffer.length) {
      // Only where a frame begins: what is inside one may look like anything.
      const frame = frameAt(buffer, at);
      if (frame === undefined) break;
      if (frame.isPing !== arePings && at > from) {
        yield { bytes: buffer.subarray(from, at), arePings };
        from = at;
      }
      arePings = frame.isPing;
      const end = Math.min(at + frame.size, buffer.length);
      this.#left = at + frame.size - end;
      at = end;
    }
    if (at > from) yield { bytes: buffer.subarray(from, at), arePings };
    this.rest = Buffer.from(buffer.subarray(at));
  }
}

interface Frame {
  readonly size: number;
  /** Whether it is a ping of the client's: clients number theirs with odd ids, and even ones answer the runtime's. */
  readonly isPing: boolean;
}

/** The frame that begins at `at`; undefined when more has to come before anything can be said or done. */
function frameAt(buffer: Buffer, at: number): Frame | undefined {
  const there = buffer.length - at;
  if (there < FRAME_HEAD_BYTES) return undefined;
  const head = parseFrameHead(buffer, at);
  const size = FRAME_HEAD_BYTES + head.length;
  if (!head.control || head.type !== FrameType.ping || size !== PING_BYTES) return { size, isPing: false };
  return there < size ? undefined : { size, isPing: streamIdAt(buffer, at + FRAME_HEAD_BYTES) % 2 === 1 };
}

/** What goes to the client: the runtime's frames, with the answers to pings between them. */
class ToClient extends Transform {
  readonly #frames = new FrameSplitter();
  readonly #now: () => number;
  #answers: Buffer = Buffer.alloc(0);
  #heardAt: number;

  constructor(now: () => number) {
    super();
    this.#now = now;
    this.#heardAt = now();
  }

  /** When the runtime last sent something; now, as long as the client has not taken that. */
  get heardAt(): number {
    return this.readableLength > 0 || this.writableLength > 0 ? this.#now() : this.#heardAt;
  }

  /** Answers as many as there is room for; of the others, some wait. */
  answer(pings: Buffer): void {
    const room = this.#isBetweenFrames ? this.readableHighWaterMark - this.readableLength : 0;
    if (room > 0) this.#sendAnswers();
    const sent = pings.subarray(0, Math.max(0, Math.ceil(room / PING_BYTES) * PING_BYTES));
    if (sent.length > 0) this.push(sent);
    const waiting = Buffer.concat([this.#answers, pings.subarray(sent.length)]);
    this.#answers = Buffer.from(waiting.subarray(0, MAX_PENDING_PINGS * PING_BYTES));
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    this.#heardAt = this.#now();
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
    // The runtime had to wait until now, and more of its output may come.
    if (this.writableLength > 0) this.#heardAt = this.#now();
    super._read(size);
  }

  /** After the runtime's last byte there is no place for an answer any more. */
  get #isBetweenFrames(): boolean {
    return this.#frames.isBetweenFrames && !this.writableEnded;
  }

  #sendAnswers(): void {
    if (this.#answers.length === 0 || !this.#isBetweenFrames) return;
    const answers = this.#answers;
    this.#answers = Buffer.alloc(0);
    this.push(answers);
  }
}

/** What goes to the runtime. */
class ToRuntime extends Transform {
  readonly #frames = new FrameSplitter();
  readonly #client: ToClient;
  readonly #now: () => number;
  #sentAt: number;

  constructor(client: ToClient, now: () => number) {
    super();
    this.#client = client;
    this.#now = now;
    this.#sentAt = now();
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    for (const { bytes, arePings } of this.#frames.split(chunk))
      if (arePings && !this.#hasBeenIdle()) this.#client.answer(bytes);
      else {
        this.#sentAt = this.#now();
        this.push(bytes);
      }
    done();
  }

  override _flush(done: TransformCallback): void {
    done(null, this.#frames.rest);
  }

  #hasBeenIdle(): boolean {
    return this.#now() - Math.max(this.#sentAt, this.#client.heardAt) >= RUNTIME_KEEP_ALIVE_MS;
  }
}

export interface SpdyRelay {
  readonly toClient: Transform;
  readonly toRuntime: Transform;
}

/** `now` is in milliseconds, since whenever. */
export function spdyRelay(now: () => number = () => performance.now()): SpdyRelay {
  const toClient = new ToClient(now);
  return { toClient, toRuntime: new ToRuntime(toClient, now) };
}
