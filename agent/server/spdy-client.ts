/**
 * The client's end of a SPDY/3.1 connection, as the streaming servers of container runtimes speak it (moby/spdystream): no
 * flow-control windows, so what slows a sender down is TCP; and reply headers carry nothing that is needed.
 */
import type { Duplex } from 'node:stream';
import {
  dataFrameHead,
  FLAG_FIN,
  FRAME_HEAD_BYTES,
  FrameType,
  HeaderBlockWriter,
  parseFrameHead,
  pingFrame,
  RST_REFUSED_STREAM,
  rstStreamFrame,
  streamIdAt,
  synStreamFrame,
} from './spdy-frames.ts';

/** No control frame that a streaming server sends comes near this. */
const MAX_CONTROL_FRAME_BYTES = 64 * 1024;

export interface SpdyStreamEvents {
  /** The bytes are only good until the call returns unless they are copied or written on. */
  data(chunk: Buffer): void;
  /** The other end is done with the stream: it finished, reset it, or the connection closed. Comes once. */
  end(): void;
}

export class SpdyStream {
  readonly id: number;
  /** Resolves when the other end has taken the stream (what is sent before that would be dropped), or it has ended. */
  readonly accepted: Promise<void>;
  readonly #client: SpdyClient;
  readonly #events: SpdyStreamEvents;
  readonly #acceptance = Promise.withResolvers<void>();
  #finished = false;
  #ended = false;

  /** Made by SpdyClient.open. */
  constructor(client: SpdyClient, id: number, events: SpdyStreamEvents) {
    this.#client = client;
    this.id = id;
    this.#events = events;
    this.accepted = this.#acceptance.promise;
  }

  /** Returns false when the connection cannot keep up: wait for `drain`. */
  write(chunk: Buffer): boolean {
    return this.#finished || this.#client.send(dataFrameHead(this.id, chunk.length, false), chunk);
  }

  /** Nothing more will be written. */
  finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#client.send(dataFrameHead(this.id, 0, true));
  }

  /** Called by SpdyClient. */
  handleAccepted(): void {
    this.#acceptance.resolve();
  }

  /** Called by SpdyClient. */
  handleData(chunk: Buffer): void {
    if (!this.#ended) this.#events.data(chunk);
  }

  /** Called by SpdyClient. */
  handleEnd(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#acceptance.resolve();
    this.#events.end();
  }
}

export class SpdyClient {
  readonly #socket: Duplex;
  readonly #headers = new HeaderBlockWriter();
  readonly #streams = new Map<number, SpdyStream>();
  #nextId = 1;
  /** The beginning of a frame head or control frame whose end has not come yet. */
  #rest: Buffer = Buffer.alloc(0);
  /** The data frame that is being read. */
  #data = { streamId: 0, left: 0, fin: false };

  /** `head` is what was read past the upgrade's headers. The caller closes the socket. */
  constructor(socket: Duplex, head: Buffer) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      for (const stream of this.#streams.values()) stream.handleEnd();
      this.#streams.clear();
    });
    if (head.length > 0) socket.unshift(head);
  }

  open(headers: Readonly<Record<string, string>>, events: SpdyStreamEvents): SpdyStream {
    const stream = new SpdyStream(this, this.#nextId, events);
    this.#nextId += 2;
    this.#streams.set(stream.id, stream);
    this.send(synStreamFrame(stream.id, this.#headers.write(headers)));
    return stream;
  }

  /** Returns false when the connection cannot keep up: wait for `drain`. */
  send(frame: Buffer, payload?: Buffer): boolean {
    if (this.#socket.destroyed) return true;
    if (payload === undefined) return this.#socket.write(frame);
    this.#socket.cork();
    this.#socket.write(frame);
    const more = this.#socket.write(payload);
    this.#socket.uncork();
    return more;
  }

  #read(chunk: Buffer): void {
    const buffer = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    let at = 0;
    for (;;) {
      if (this.#data.left > 0) {
        if (at === buffer.length) break;
        const piece = buffer.subarray(at, at + this.#data.left);
        at += piece.length;
        this.#data.left -= piece.length;
        this.#streams.get(this.#data.streamId)?.handleData(piece);
        if (this.#data.left === 0 && this.#data.fin) this.#end(this.#data.streamId);
        continue;
      }
      if (buffer.length - at < FRAME_HEAD_BYTES) break;
      const head = parseFrameHead(buffer, at);
      if (!head.control) {
        at += FRAME_HEAD_BYTES;
        const fin = (head.flags & FLAG_FIN) !== 0;
        this.#data = { streamId: head.streamId, left: head.length, fin };
        if (head.length === 0 && fin) this.#end(head.streamId);
        continue;
      }
      if (head.length > MAX_CONTROL_FRAME_BYTES) {
        this.#socket.destroy();
        return;
      }
      if (buffer.length - at < FRAME_HEAD_BYTES + head.length) break;
      at += FRAME_HEAD_BYTES;
      this.#control(head.type, head.flags, buffer.subarray(at, at + head.length));
      at += head.length;
    }
    this.#rest = Buffer.from(buffer.subarray(at));
  }

  #control(type: number, flags: number, payload: Buffer): void {
    // All that matter begin with four bytes: a stream's id, or a ping's.
    if (payload.length < 4) return;
    const streamId = streamIdAt(payload, 0);
    switch (type) {
      case FrameType.synReply:
        this.#streams.get(streamId)?.handleAccepted();
        if ((flags & FLAG_FIN) !== 0) this.#end(streamId);
        break;
      case FrameType.rstStream:
        this.#end(streamId);
        break;
      case FrameType.synStream:
        // The server may not open streams.
        this.send(rstStreamFrame(streamId, RST_REFUSED_STREAM));
        break;
      case FrameType.ping:
        // Even ids are the server's own pings, odd ones its answers.
        if (streamId % 2 === 0) this.send(pingFrame(payload));
        break;
    }
  }

  #end(streamId: number): void {
    const stream = this.#streams.get(streamId);
    this.#streams.delete(streamId);
    stream?.handleEnd();
  }
}
