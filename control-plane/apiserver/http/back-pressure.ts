/** Writes to a response with back-pressure, so that a bounded number of bytes is buffered per client. */
import type { Http2ServerResponse } from 'node:http2';
import type { EventSink, Request, Response } from './message.ts';

const isHttp2 = (response: EventSink): response is Http2ServerResponse => 'stream' in response;

/** Whether the client is disconnected. HTTP/2's response has no `destroyed` of its own; its stream has. */
export const isClosed = (response: EventSink): boolean =>
  isHttp2(response) ? response.stream.destroyed || response.stream.closed : response.destroyed;

/**
 * Throws ClientGoneError when the client has cancelled the request in the same breath: on HTTP/2 that costs it nothing, and the
 * server a long response.
 */
export async function stillConnected(response: Response): Promise<void> {
  if ('stream' in response) await new Promise((resume) => setImmediate(resume));
  if (isClosed(response)) throw new ClientGoneError();
}

/** Ends a request whose body is incomplete together with its response, without waiting for the rest. */
export function abandonRequest(request: Request, response: Response): void {
  if (request.complete) return;
  if ('stream' in response) response.stream.once('finish', () => response.stream.close());
  else response.once('finish', () => request.destroy());
}

/** Returns false when the client cannot keep up: then wait for `drained`. */
export const writeTo = (response: EventSink, chunk: Buffer): boolean =>
  // The overloads of the two responses differ in types alone.
  (response as { write(chunk: Buffer): boolean }).write(chunk);

/** Resolves when the bytes have been passed on and their memory can be reused; rejects when the client is gone. */
export function written(response: Response, chunk: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const onClose = (): void => reject(new ClientGoneError());
    if (isClosed(response)) return onClose();
    response.once('close', onClose);
    // The overloads of the two responses differ in types alone.
    (response as { write(chunk: Buffer, done: (error?: Error | null) => void): boolean }).write(chunk, (error) => {
      response.off('close', onClose);
      if (error) onClose();
      else resolve();
    });
  });
}

/** Resolves when the client has received the whole response or is gone. */
export function ended(response: Response): Promise<void> {
  if (isClosed(response)) return Promise.resolve();
  return new Promise((resolve) => response.once('close', resolve));
}

/** Resolves when the response accepts more; rejects with ClientGoneError when the client is gone. */
export function drained(response: EventSink): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => () => {
      response.off('drain', onDrain);
      response.off('close', onClose);
      act();
    };
    const onDrain = settle(resolve);
    const onClose = settle(() => reject(new ClientGoneError()));
    response.on('drain', onDrain);
    response.on('close', onClose);
    if (isClosed(response)) onClose();
  });
}

/** Writes a chunk; resolves when the response accepts more, rejects with ClientGoneError. */
export async function taken(response: EventSink, chunk: Buffer): Promise<void> {
  if (isClosed(response) || response.writableEnded) throw new ClientGoneError();
  if (!writeTo(response, chunk)) await drained(response);
}

/**
 * Writes pieces of any size: small pieces are combined, long ones are split, and a chunk is written when the client has
 * taken the previous one. At most `maxPendingBytes` are buffered for a slow client.
 */
export class ChunkedWriter {
  readonly #write: (chunk: Buffer) => Promise<void>;
  readonly #chunkBytes: number;
  #pieces: Buffer[] = [];
  #bytes = 0;

  /** @param write resolves when the next chunk may be written; rejects with ClientGoneError. */
  constructor(write: (chunk: Buffer) => Promise<void>, maxPendingBytes: number) {
    this.#write = write;
    // The last of the combined pieces may itself be as long as a chunk.
    this.#chunkBytes = maxPendingBytes / 2;
  }

  /** A returned promise must be awaited before more is added. It rejects with ClientGoneError. */
  add(piece: Buffer): Promise<void> | undefined {
    if (piece.length > this.#chunkBytes) return this.#addLong(piece);
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    return this.#bytes < this.#chunkBytes ? undefined : this.flush();
  }

  async flush(): Promise<void> {
    const pieces = this.#pieces;
    if (pieces.length === 0) return;
    this.#pieces = [];
    this.#bytes = 0;
    await this.#write(pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces));
  }

  async #addLong(piece: Buffer): Promise<void> {
    await this.flush();
    for (let at = 0; at < piece.length; at += this.#chunkBytes) {
      await this.#write(piece.subarray(at, at + this.#chunkBytes));
    }
  }
}

/** The client closed its connection before it had the whole response: not a failure of the server. */
export class ClientGoneError extends Error {
  override readonly name = 'ClientGoneError';
  constructor() {
    super('the client went away');
  }
}
