/** One request and its response, of either HTTP version. */
import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Body } from '../../../api/machinery/body.ts';
import { badRequest, tooLarge, tooManyRequests, type StatusError } from '../../../api/machinery/status-error.ts';
import { writeYaml } from '../../../api/machinery/yaml-writer.ts';
import { JSON_OBJECT, type Accepted } from './negotiate.ts';
import { ANONYMOUS, type User } from './user.ts';
import type { RequestInfo } from './request-info.ts';
import type { ServedResource } from '../catalogue/served-resource.ts';
import type { BodyParser } from './request-body.ts';
import { ClientGoneError, ended } from './back-pressure.ts';
import type { Request, Response } from './message.ts';
import type { BodyMemory } from './body-memory.ts';
import type { Upgrade } from './upgrade.ts';
import { own } from '../../../api/machinery/own.ts';
import { Warnings } from './warnings.ts';

/** Upstream's limit for request bodies: 3 MiB. */
const MAX_BODY_BYTES = 3 * 1024 * 1024;
/** An answer from this length on is under way until the client has taken it: the kernel would not hold it all. */
const LONG_ANSWER_BYTES = 64 * 1024;
/** Programs that show their user what comes: those that upstream takes for such. */
const SHOWS_ANSWERS = /^(curl|Wget|Mozilla\/5\.0)/;
/** What goes back in a header as it came. */
const PLAIN_TEXT = /^[\x21-\x7e]{1,256}$/;
const TRUE = /^(1|t|T|true|TRUE|True)$/;

export class Exchange {
  readonly request: Request;
  readonly response: Response;
  readonly info: RequestInfo;
  readonly auditId: string;
  /** Where the client wants the connection for another protocol. */
  readonly upgrade: Upgrade | undefined;
  /** Set by authentication and impersonation (`admission/pipeline.ts`). */
  user: User = ANONYMOUS;
  /** Where the object is stored: '' for kinds of the cluster, also for a namespace, which is in itself to authorization. */
  namespace: string;
  /** What the path names, where it names one that is served. */
  resource: ServedResource | undefined;
  /** What the answer looks like. */
  accepted: Accepted = JSON_OBJECT;
  /** Until the client has taken all of a long answer. */
  underWay: Promise<void> | undefined;
  readonly #bodies: BodyParser;
  #warnings: Warnings | undefined;
  readonly #memory: BodyMemory;
  #bodyBytes = 0;

  constructor(
    request: Request,
    response: Response,
    info: RequestInfo,
    bodies: BodyParser,
    memory: BodyMemory,
    upgrade?: Upgrade,
  ) {
    this.upgrade = upgrade;
    this.#bodies = bodies;
    this.#memory = memory;
    this.request = request;
    this.response = response;
    this.info = info;
    this.namespace = info.namespace;
    const given = request.headers['audit-id'];
    this.auditId = typeof given === 'string' && PLAIN_TEXT.test(given) ? given : randomUUID();
  }

  /** Adds a `Warning` header to the answer; the same text once. */
  readonly warn = (message: string): void => {
    this.#warnings ??= new Warnings();
    this.#warnings.add(message);
  };

  header(name: string): string | undefined {
    const value = own(this.request.headers, name);
    return typeof value === 'string' ? value : value?.[0];
  }

  /** The whole body, when it may be parsed. Throws a StatusError: 413 past the limit, 429 while others' bodies take all the memory there is. */
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
        resolve(this.#bodies.turns.whenItsTurn(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
      });
      request.on('error', reject);
      request.on('aborted', () => reject(badRequest('the client went away')));
    });
  }

  /** Counts bytes of the body that have been received. Returns the error when they are too many. */
  #refuse(bytes: number): StatusError | undefined {
    if (this.#bodyBytes + bytes > MAX_BODY_BYTES) return bodyTooLarge();
    if (!this.#memory.take(this.user, bytes))
      return tooManyRequests('the bodies of requests take too much memory at the moment', 1);
    this.#bodyBytes += bytes;
    return undefined;
  }

  /** For when the request has been answered, and nothing of its body is needed any more. */
  forgetBody(): void {
    if (this.#bodyBytes === 0) return;
    this.#memory.giveBack(this.user, this.#bodyBytes);
    this.#bodyBytes = 0;
  }

  /** What a body of this request says, by its Content-Type. Throws StatusError: 400 and 415. */
  parseBody(body: Buffer, findDuplicates: boolean): Body {
    return this.#bodies.parse(body, this.header('content-type') ?? '', findDuplicates);
  }

  /** Whether JSON is indented: by `?pretty`, or else by the user agent. */
  get indents(): boolean {
    const asked = this.info.query.get('pretty');
    return asked ? TRUE.test(asked) : SHOWS_ANSWERS.test(this.header('user-agent') ?? '');
  }

  /** JSON bytes, as the client's encoding. */
  send(code: number, json: Buffer): void {
    if (this.accepted.encoding === 'yaml') {
      this.write(code, 'application/yaml', writeYaml(JSON.parse(json.toString())));
    } else if (this.indents) {
      this.write(code, 'application/json', indented(json.toString()));
    } else {
      this.write(code, 'application/json', json);
    }
  }

  sendObject(code: number, object: unknown): void {
    this.send(code, Buffer.from(JSON.stringify(object)));
  }

  write(code: number, contentType: string, body: Buffer | string, headers: Record<string, string> = {}): void {
    const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    this.start(code, contentType, { ...headers, 'Content-Length': String(length) });
    this.response.end(body);
    if (length >= LONG_ANSWER_BYTES) this.underWay = ended(this.response);
  }

  /** The head of the answer; what follows is written to `response`. */
  start(code: number, contentType: string, headers: Record<string, string | string[]> = {}): void {
    // The request has timed out and was answered then.
    if (this.response.headersSent) throw new ClientGoneError();
    const all: Record<string, string | string[]> = {
      'Audit-Id': this.auditId,
      'Cache-Control': 'no-cache, private',
      'Content-Type': contentType,
      ...headers,
    };
    if (this.#warnings) all.Warning = this.#warnings.headers();
    // The two responses type their overloads differently; both take a plain object.
    (this.response as ServerResponse).writeHead(code, all);
  }
}

export const indented = (json: string): string => JSON.stringify(JSON.parse(json), null, 2);

const bodyTooLarge = () => tooLarge(`Request entity too large: limit is ${MAX_BODY_BYTES}`);
