/** One request and its response, of either HTTP version. */
import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Body } from '../../../api/machinery/body.ts';
import { badRequest, tooLarge, tooManyRequests, type StatusError } from '../../../api/machinery/status-error.ts';
import { writeYaml } from '../../../api/machinery/yaml-writer.ts';
import type { Span } from '../../../daemon/tracing/span.ts';
import { JSON_OBJECT, PROTOBUF_TYPE, type Accepted } from './negotiate.ts';
import type { ProtobufBodies } from './protobuf-bodies.ts';
import { ANONYMOUS, type User } from './user.ts';
import type { RequestInfo } from './request-info.ts';
import type { ServedResource } from '../catalogue/served-resource.ts';
import { AwaitedOthers } from './awaited-others.ts';
import type { BodyParser } from './request-body.ts';
import { ClientGoneError, ended } from './back-pressure.ts';
import {
  acceptsGzip,
  COMPRESSED_ABOVE_BYTES,
  GzipBody,
  PlainBody,
  type Compressor,
  type ResponseBody,
} from './compression.ts';
import type { Request, Response } from './message.ts';
import type { BodyMemory } from './body-memory.ts';
import type { RequestAudit } from './request-audit.ts';
import type { Upgrade } from './upgrade.ts';
import { own } from '../../../api/machinery/own.ts';
import { Warnings } from './warnings.ts';

/** Upstream's limit for request bodies: 3 MiB. */
const MAX_BODY_BYTES = 3 * 1024 * 1024;
/** A response of this size is in flight until the client has taken it: the kernel's buffers would not hold it. */
const LONG_ANSWER_BYTES = 64 * 1024;
/** User agents that show responses to people, as upstream's `isPrettyPrint` recognizes them. */
const READABLE_CLIENTS = /^(curl|Wget|Mozilla\/5\.0)/;
/** Values that may be returned verbatim in a header. */
const PLAIN_TEXT = /^[\x21-\x7e]{1,256}$/;
const TRUE = /^(1|t|T|true|TRUE|True)$/;

export class Exchange {
  readonly request: Request;
  readonly response: Response;
  readonly info: RequestInfo;
  readonly auditId: string;
  /** Set when the client requests an upgrade of the connection. */
  readonly upgrade: Upgrade | undefined;
  /** Set by authentication and impersonation (`admission/pipeline.ts`). */
  user: User = ANONYMOUS;
  /**
   * The namespace of the stored object: '' for cluster-scoped kinds, and for a namespace, whose authorization namespace is
   * itself.
   */
  namespace: string;
  /** The served resource that the path names, if any. */
  resource: ServedResource | undefined;
  /** The negotiated form of the response. */
  accepted: Accepted = JSON_OBJECT;
  /** Of the response: which flow the request is counted among (`fairness/`). */
  flowHeaders: Readonly<Record<string, string>> | undefined;
  /** To be called when a watch has sent its initial events: from then on it costs little. */
  initialized: (() => void) | undefined;
  /** Where the audit policy wants the request recorded (`audit/`). */
  audit: RequestAudit | undefined;
  readonly awaited = new AwaitedOthers();
  /** Where the request is traced. */
  span: Span | undefined;
  /** Pending until the client has received all of a long response. */
  underWay: Promise<void> | undefined;
  readonly #bodies: BodyParser;
  #warnings: Warnings | undefined;
  #gone: AbortController | undefined;
  #annotations: Map<string, string> | undefined;
  readonly #memory: BodyMemory;
  readonly #compressor: Compressor;
  #bodyBytes = 0;

  constructor(
    request: Request,
    response: Response,
    info: RequestInfo,
    bodies: BodyParser,
    memory: BodyMemory,
    compressor: Compressor,
    upgrade?: Upgrade,
  ) {
    this.upgrade = upgrade;
    upgrade?.onTaken((code) => this.audit?.started(code));
    this.#bodies = bodies;
    this.#memory = memory;
    this.#compressor = compressor;
    this.request = request;
    this.response = response;
    this.info = info;
    this.namespace = info.namespace;
    const given = request.headers['audit-id'];
    this.auditId = typeof given === 'string' && PLAIN_TEXT.test(given) ? given : randomUUID();
  }

  /** Adds a `Warning` header to the response; duplicates are dropped. */
  readonly warn = (message: string): void => {
    this.#warnings ??= new Warnings();
    this.#warnings.add(message);
  };

  /** Aborted when the request has been answered, or its client has gone: nothing needs to be done for it any more. */
  get gone(): AbortSignal {
    if (!this.#gone) {
      const gone = new AbortController();
      this.response.once('close', () => gone.abort());
      this.#gone = gone;
    }
    return this.#gone.signal;
  }

  /** Notes what admission has to say about the request: upstream's audit annotations. The first value of a key stays. */
  readonly annotate = (key: string, value: string): void => {
    this.#annotations ??= new Map();
    if (!this.#annotations.has(key)) this.#annotations.set(key, value);
  };

  get annotations(): ReadonlyMap<string, string> | undefined {
    return this.#annotations;
  }

  header(name: string): string | undefined {
    const value = own(this.request.headers, name);
    return typeof value === 'string' ? value : value?.[0];
  }

  /**
   * Reads the whole body and waits for its turn to be parsed. Throws a StatusError: 413 past the size limit, 429 past the
   * memory limit of all bodies.
   */
  readBody(): Promise<Buffer> {
    const { request } = this;
    const announced = Number(this.header('content-length') ?? 0);
    if (announced > MAX_BODY_BYTES) return Promise.reject(bodyTooLarge());
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => {
        const refusal = this.#refuse(chunk.length);
        if (refusal) {
          request.removeAllListeners('data');
          request.resume();
          reject(refusal);
        } else {
          chunks.push(chunk);
        }
      });
      request.on('end', () => {
        resolve(this.#bodies.queue.enqueue(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
      });
      request.on('error', reject);
      request.on('aborted', () => reject(badRequest('the client went away')));
    });
  }

  /** Counts bytes of the body that have been received. Returns the error when they are too many. */
  #refuse(bytes: number): StatusError | undefined {
    if (this.#bodyBytes + bytes > MAX_BODY_BYTES) return bodyTooLarge();
    if (!this.#memory.take(this.user, bytes))
      return tooManyRequests('request bodies exceed the memory limit of the server', 1);
    this.#bodyBytes += bytes;
    return undefined;
  }

  /** Releases the body's memory; to be called when the request has been answered. */
  forgetBody(): void {
    if (this.#bodyBytes === 0) return;
    this.#memory.release(this.user, this.#bodyBytes);
    this.#bodyBytes = 0;
  }

  /** Parses a body by the request's Content-Type. Throws StatusError: 400 and 415. */
  parseBody(body: Buffer, findDuplicates: boolean): Body {
    return this.#bodies.parse(body, this.header('content-type') ?? '', findDuplicates);
  }

  /** Whether JSON is indented: by `?pretty`, or else by the user agent. */
  get indents(): boolean {
    const asked = this.info.query.get('pretty');
    return asked ? TRUE.test(asked) : READABLE_CLIENTS.test(this.header('user-agent') ?? '');
  }

  get protobuf(): ProtobufBodies {
    return this.#bodies.protobuf;
  }

  /** Sends JSON bytes in the negotiated encoding. */
  send(code: number, json: Buffer): void {
    if (this.audit?.wantsResponse) this.audit.responded(json);
    this.#sendJson(code, json);
  }

  #sendJson(code: number, json: Buffer): void {
    if (this.accepted.encoding === 'protobuf') {
      this.sendBytes(code, PROTOBUF_TYPE, this.protobuf.encode(JSON.parse(json.toString()) as object));
    } else if (this.accepted.encoding === 'yaml') {
      this.sendBytes(code, 'application/yaml', Buffer.from(writeYaml(JSON.parse(json.toString()))));
    } else if (this.indents) {
      this.sendBytes(code, 'application/json', Buffer.from(indented(json.toString())));
    } else {
      this.sendBytes(code, 'application/json', json);
    }
  }

  sendObject(code: number, object: object): void {
    this.audit?.responded(object);
    if (this.accepted.encoding === 'protobuf') return this.sendBytes(code, PROTOBUF_TYPE, this.protobuf.encode(object));
    this.#sendJson(code, Buffer.from(JSON.stringify(object)));
  }

  /** Sends an object that has been encoded: compressed, where it is long and the client accepts that. */
  sendBytes(code: number, contentType: string, body: Buffer): void {
    if (body.length <= COMPRESSED_ABOVE_BYTES || !this.#acceptsGzip) return this.write(code, contentType, body);
    this.underWay = this.#sendWhole(this.startBody(code, contentType, body.length), body);
  }

  /** Never rejects: it is awaited by nobody while the request is still being served. */
  async #sendWhole(body: ResponseBody, bytes: Buffer): Promise<void> {
    try {
      await body.end(bytes);
      await ended(this.response);
    } catch (error) {
      if (!(error instanceof ClientGoneError)) this.response.destroy(error as Error);
    }
  }

  /**
   * Sends the response headers of an object that is written in chunks.
   * @param length in bytes; undefined when it is not known, but longer than COMPRESSED_ABOVE_BYTES.
   */
  startBody(code: number, contentType: string, length: number | undefined): ResponseBody {
    if ((length ?? Infinity) > COMPRESSED_ABOVE_BYTES && this.#acceptsGzip) {
      this.start(code, contentType, { 'Content-Encoding': 'gzip', Vary: 'Accept-Encoding' });
      return new GzipBody(this.response, this.#compressor);
    }
    this.start(code, contentType, length === undefined ? {} : { 'Content-Length': String(length) });
    return new PlainBody(this.response);
  }

  get #acceptsGzip(): boolean {
    return acceptsGzip(this.header('accept-encoding'));
  }

  write(code: number, contentType: string, body: Buffer | string, headers: Record<string, string> = {}): void {
    const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    this.start(code, contentType, { ...headers, 'Content-Length': String(length) });
    this.response.end(body);
    if (length >= LONG_ANSWER_BYTES) this.underWay = ended(this.response);
  }

  /** Sends the response headers; the body is written to `response`. */
  start(code: number, contentType: string, headers: Record<string, string | string[]> = {}): void {
    // The request has timed out and was answered then.
    if (this.response.headersSent) throw new ClientGoneError();
    this.audit?.started(code);
    const all: Record<string, string | string[]> = {
      'Audit-Id': this.auditId,
      'Cache-Control': 'no-cache, private',
      'Content-Type': contentType,
      ...this.flowHeaders,
      ...headers,
    };
    if (this.#warnings) all.Warning = this.#warnings.headers();
    // The overloads of the two responses differ; both take a plain object.
    (this.response as ServerResponse).writeHead(code, all);
  }
}

export const indented = (json: string): string => JSON.stringify(JSON.parse(json), null, 2);

const bodyTooLarge = () => tooLarge(`Request entity too large: limit is ${MAX_BODY_BYTES}`);
