/**
 * Long responses in gzip (RFC 1952), for clients that accept it: what upstream calls APIResponseCompression
 * (https://kubernetes.io/docs/reference/using-api/api-concepts/#api-response-compression).
 */
import { promisify } from 'node:util';
import { constants, crc32, deflateRaw } from 'node:zlib';
import { written } from './back-pressure.ts';
import type { Response } from './message.ts';

/** Upstream's threshold: longer bodies are compressed. */
export const COMPRESSED_ABOVE_BYTES = 128 * 1024;
/** Pieces end at a byte and refer to nothing before them, so that nothing is kept from one to the next. */
const PIECE_OPTIONS = {
  // Upstream's level: the cheapest one, and not much longer than the others.
  level: constants.Z_BEST_SPEED,
  finishFlush: constants.Z_SYNC_FLUSH,
  chunkSize: 64 * 1024,
};
/** Some milliseconds of work. */
const PIECE_BYTES = 256 * 1024;
/** Pieces that are compressed at a time. Node.js has four threads, which the store's files need, too. */
const MAX_JOBS = 2;
/** Deflate, no name, no time, the fastest level, an unknown system. */
const HEAD = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255]);
/** An empty block that is the last one. */
const LAST_BLOCK = Buffer.from([0x03, 0x00]);

const deflatePiece = promisify<Buffer, typeof PIECE_OPTIONS, Buffer>(deflateRaw);

/** Whether an Accept-Encoding header has gzip. As upstream, preferences are not weighed. */
export const acceptsGzip = (header: string | undefined): boolean =>
  header?.split(',').some((token) => token.trim() === 'gzip') ?? false;

/** Compresses on other threads, in the order of arrival. */
export class Compressor {
  #jobs = 0;
  readonly #waiting: (() => void)[] = [];

  async deflate(piece: Buffer): Promise<Buffer> {
    if (this.#jobs === MAX_JOBS) await new Promise<void>((resume) => this.#waiting.push(resume));
    else this.#jobs++;
    try {
      return await deflatePiece(piece, PIECE_OPTIONS);
    } finally {
      // The next one takes the place over.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#jobs--;
    }
  }
}

/** The body of a response whose headers have been sent. */
export interface ResponseBody {
  /** Resolves when the memory of the chunk can be reused; rejects with ClientGoneError. */
  write(chunk: Buffer): Promise<void>;
  /** Writes the last chunk; rejects with ClientGoneError. */
  end(chunk: Buffer): Promise<void>;
}

export class PlainBody implements ResponseBody {
  readonly #response: Response;

  constructor(response: Response) {
    this.#response = response;
  }

  write(chunk: Buffer): Promise<void> {
    return written(this.#response, chunk);
  }

  end(chunk: Buffer): Promise<void> {
    this.#response.end(chunk);
    return Promise.resolve();
  }
}

/** Holds one compressed piece while the client takes it. */
export class GzipBody implements ResponseBody {
  readonly #response: Response;
  readonly #compressor: Compressor;
  #checksum = 0;
  #length = 0;

  constructor(response: Response, compressor: Compressor) {
    this.#response = response;
    this.#compressor = compressor;
  }

  async write(chunk: Buffer): Promise<void> {
    for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
      const piece = chunk.subarray(at, at + PIECE_BYTES);
      const compressed = await this.#compressor.deflate(piece);
      this.#checksum = crc32(piece, this.#checksum);
      await written(this.#response, this.#length === 0 ? Buffer.concat([HEAD, compressed]) : compressed);
      this.#length += piece.length;
    }
  }

  async end(chunk: Buffer): Promise<void> {
    await this.write(chunk);
    const tail = Buffer.alloc(LAST_BLOCK.length + 8);
    LAST_BLOCK.copy(tail);
    tail.writeUInt32LE(this.#checksum, LAST_BLOCK.length);
    tail.writeUInt32LE(this.#length % 2 ** 32, LAST_BLOCK.length + 4);
    this.#response.end(this.#length === 0 ? Buffer.concat([HEAD, tail]) : tail);
  }
}
