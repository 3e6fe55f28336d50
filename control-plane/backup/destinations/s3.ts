/** Backups in a bucket of an S3-compatible store: PUT, GET, LIST and DELETE, with addresses by path, which all of them have. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm, stat } from 'node:fs/promises';
import { request as requestHttp, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import os from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { withDeadline } from '../../../client/deadline.ts';
import { BackupError, writeFailure } from '../backup-error.ts';
import { oldestFirst, storedBackup, type Destination, type StoredBackup } from './destination.ts';
import type { S3Settings } from './s3-settings.ts';
import { EMPTY_SHA256, encodedPath, queryText, sign } from './sigv4.ts';

/** S3's limit of what can be sent in one request. */
const MAX_OBJECT_BYTES = 5 * 2 ** 30;
/** Of a request without a file. */
const CALL_LIMIT_MS = 60_000;
/** Of one with a file: at least a megabyte per second, and the time of a request. */
const MIN_BYTES_PER_MS = 1000;
const MAX_ANSWER_BYTES = 8 * 2 ** 20;
/** No bucket has so many pages of a thousand, or so many backups. */
const MAX_PAGES = 100;
const MAX_LISTED = 100_000;
const SHOWN_BYTES = 300;

interface Call {
  readonly method: 'GET' | 'PUT' | 'DELETE';
  /** Below the bucket. */
  readonly key?: string;
  readonly query?: ReadonlyMap<string, string>;
  readonly body?: { readonly file: string; readonly bytes: number; readonly sha256: string };
  readonly limitMs: number;
  readonly signal: AbortSignal;
}

/** `s3://bucket/prefix`: undefined when it is none. */
export function parseS3Url(text: string): { readonly bucket: string; readonly prefix: string } | undefined {
  const [, bucket, prefix = ''] =
    /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/([A-Za-z0-9._/-]*))?$/.exec(text) ?? [];
  if (bucket === undefined || prefix.split('/').some((part) => part === '..' || part === '.')) return undefined;
  return { bucket, prefix: prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/` };
}

export class S3Destination implements Destination {
  readonly where: string;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #settings: S3Settings;

  constructor(bucket: string, prefix: string, settings: S3Settings) {
    this.where = `s3://${bucket}/${prefix}`;
    this.#bucket = bucket;
    this.#prefix = prefix;
    this.#settings = settings;
  }

  async list(signal: AbortSignal): Promise<readonly StoredBackup[]> {
    const found: StoredBackup[] = [];
    let token: string | undefined;
    for (let page = 0; page < MAX_PAGES; page++) {
      const query = new Map([
        ['list-type', '2'],
        ['prefix', `${this.#prefix}kedge-`],
        ...(token === undefined ? [] : [['continuation-token', token] as const]),
      ]);
      const text = await this.#call({ method: 'GET', query, limitMs: CALL_LIMIT_MS, signal }, readText);
      for (const { key, bytes } of listed(text)) {
        const backup = key.startsWith(this.#prefix) && storedBackup(key.slice(this.#prefix.length), bytes);
        if (backup) found.push(backup);
      }
      if (found.length > MAX_LISTED) throw new BackupError(`${this.where} has more than ${MAX_LISTED} backups`);
      token = /<IsTruncated>true</.test(text) ? fieldOf(text, 'NextContinuationToken') : undefined;
      if (token === undefined) return oldestFirst(found);
    }
    throw new BackupError(`${this.where} does not end: the store keeps saying that there is more`);
  }

  async save(name: string, write: (file: string) => Promise<void>, signal: AbortSignal): Promise<void> {
    await inTemporary(async (directory) => {
      const file = path.join(directory, name);
      await write(file);
      const { size } = await stat(file);
      if (size > MAX_OBJECT_BYTES)
        throw new BackupError(`${name} has ${size} bytes, and S3 takes ${MAX_OBJECT_BYTES} at once: use a directory`);
      const body = { file, bytes: size, sha256: await sha256Of(file) };
      const limitMs = CALL_LIMIT_MS + size / MIN_BYTES_PER_MS;
      await this.#call({ method: 'PUT', key: this.#prefix + name, body, limitMs, signal }, readText);
    });
  }

  use<T>(name: string, use: (file: string) => Promise<T>, signal: AbortSignal): Promise<T> {
    return inTemporary(async (directory) => {
      const file = path.join(directory, name);
      const limitMs = CALL_LIMIT_MS + MAX_OBJECT_BYTES / MIN_BYTES_PER_MS;
      await this.#call({ method: 'GET', key: this.#prefix + name, limitMs, signal }, (response) =>
        download(response, file),
      );
      return use(file);
    });
  }

  async delete(name: string, signal: AbortSignal): Promise<void> {
    await this.#call({ method: 'DELETE', key: this.#prefix + name, limitMs: CALL_LIMIT_MS, signal }, readText);
  }

  async #call<T>(call: Call, read: (response: IncomingMessage) => Promise<T>): Promise<T> {
    const { method, limitMs, signal } = call;
    const what = `${method} of ${this.where}`;
    try {
      return await withDeadline({ what, limitMs, signal }, async (within) => {
        const response = await this.#send(call, within);
        const { statusCode = 0 } = response;
        if (statusCode >= 200 && statusCode < 300) return read(response);
        throw new BackupError(refusal(this.where, statusCode, (await readText(response)).slice(0, 4096)));
      });
    } catch (error) {
      if (error instanceof BackupError || signal.aborted) throw error;
      throw new BackupError(`${this.where}: ${(error as Error).message}`, { cause: error });
    }
  }

  #send({ method, key = '', query = new Map(), body }: Call, signal: AbortSignal): Promise<IncomingMessage> {
    const { endpoint, ca } = this.#settings;
    const target = `/${this.#bucket}${key === '' ? '' : `/${key}`}`;
    const signed = sign(
      {
        ...{ method, path: target, query, now: Date.now() },
        headers: new Map([['host', endpoint.host]]),
        bodySha256: body?.sha256 ?? EMPTY_SHA256,
      },
      this.#settings,
    );
    const options = {
      method,
      agent: false,
      path: `${encodedPath(target)}${query.size > 0 ? `?${queryText(query)}` : ''}`,
      headers: { ...Object.fromEntries(signed), 'content-length': String(body?.bytes ?? 0) },
      signal,
      ...(ca !== undefined && { ca }),
    };
    return new Promise((resolve, reject) => {
      const send = endpoint.protocol === 'https:' ? requestHttps : requestHttp;
      const request = send(endpoint, options, resolve);
      request.on('error', reject);
      if (body) pipeline(createReadStream(body.file), request).catch(reject);
      else request.end();
    });
  }
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_ANSWER_BYTES) throw new BackupError(`the store answers with more than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

async function download(response: IncomingMessage, file: string): Promise<void> {
  const handle = await open(file, 'wx', 0o600);
  try {
    let bytes = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MAX_OBJECT_BYTES) throw new BackupError('the store sends more than a backup can have');
      await handle.appendFile(chunk);
    }
  } catch (error) {
    throw writeFailure(path.dirname(file), error);
  } finally {
    await handle.close();
  }
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) hash.update(chunk);
  return hash.digest('hex');
}

async function inTemporary<T>(use: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'kedge-backup-'));
  try {
    return await use(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** The objects of an answer to ListObjectsV2. */
function* listed(xml: string): Generator<{ key: string; bytes: number }> {
  for (const item of contentsOf(xml, 'Contents')) {
    const bytes = Number(fieldOf(item, 'Size'));
    yield { key: fieldOf(item, 'Key') ?? '', bytes: Number.isSafeInteger(bytes) ? bytes : 0 };
  }
}

/** What is between the tags of each element of this name. Linear in the text, which is the store's: it may have no end. */
function* contentsOf(xml: string, element: string): Generator<string, undefined> {
  const [open, close] = [`<${element}>`, `</${element}>`];
  for (let at = xml.indexOf(open); at >= 0;) {
    const end = xml.indexOf(close, at);
    if (end < 0) return undefined;
    yield xml.slice(at + open.length, end);
    at = xml.indexOf(open, end);
  }
  return undefined;
}

const ENTITIES: ReadonlyMap<string, string> = new Map([
  ['&lt;', '<'],
  ['&gt;', '>'],
  ['&quot;', '"'],
  ['&apos;', "'"],
  ['&amp;', '&'],
]);

/** Of the first element of this name. */
function fieldOf(xml: string, name: string): string | undefined {
  const text = contentsOf(xml, name).next().value;
  return text?.replace(/&(?:lt|gt|quot|apos|amp);/g, (entity) => ENTITIES.get(entity) ?? entity);
}

function refusal(where: string, status: number, body: string): string {
  const [code, message] = [fieldOf(body, 'Code'), fieldOf(body, 'Message')];
  const why = code === undefined ? '' : `: ${code}${message === undefined ? '' : `, ${message}`}`;
  return `${where}: the store answers with ${status}${why.slice(0, SHOWN_BYTES)}`;
}
