/**
 * A small S3 over TLS, with objects in memory. It computes each signature by itself, of what has arrived, as
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html says, and refuses another one.
 */
import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';

export const BUCKET = 'backups';
export const ACCESS_KEY = 'test-key';
export const SECRET_KEY = 'test/secret+key';
/** So small that a few objects are several pages. */
const PAGE = 2;

export class S3Server implements AsyncDisposable {
  readonly objects = new Map<string, Buffer>();
  /** What the next request with a body is answered, instead of being served. */
  fails: number | undefined;
  /** Takes what it is sent, says so, and does not have it. */
  loses = false;
  /** What lists are, instead of what is there. */
  listing: string | undefined;
  readonly #server: Server;

  private constructor(certificate: string, key: string) {
    this.#server = createServer({ cert: certificate, key }, (request, response) => {
      this.#serve(request, response).catch((error: unknown) => response.destroy(error as Error));
    });
  }

  static async start(certificate: string, key: string): Promise<S3Server> {
    const server = new S3Server(certificate, key);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get endpoint(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>));
    const url = new URL(request.url ?? '', 'https://x');
    const refuse = (status: number, code: string, message: string): void => {
      response.writeHead(status, { 'content-type': 'application/xml' });
      response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`);
    };
    const problem = signatureProblem(request, url, body);
    if (problem) return refuse(403, problem, 'The request signature we calculated does not match.');
    if (this.fails !== undefined && body.length > 0) return refuse(this.fails, 'SlowDown', 'Reduce your request rate.');
    const [, bucket, ...rest] = decodeURIComponent(url.pathname).split('/');
    const key = rest.join('/');
    if (bucket !== BUCKET) return refuse(404, 'NoSuchBucket', 'The specified bucket does not exist');
    if (request.method === 'PUT') {
      if (!this.loses) this.objects.set(key, body);
    } else if (request.method === 'DELETE') this.objects.delete(key);
    else if (key === '') return this.#list(url, response);
    else {
      const found = this.objects.get(key);
      if (!found) return refuse(404, 'NoSuchKey', 'The specified key does not exist.');
      response.end(found);
      return;
    }
    response.end();
  }

  #list({ searchParams }: URL, response: ServerResponse): void {
    if (this.listing !== undefined) return void response.end(this.listing);
    const prefix = searchParams.get('prefix') ?? '';
    const from = searchParams.get('continuation-token') ?? '';
    const names = [...this.objects.keys()].filter((name) => name.startsWith(prefix) && name > from).sort();
    const shown = names.slice(0, PAGE);
    const items = shown.map(
      (name) => `<Contents><Key>${name}</Key><Size>${this.objects.get(name)?.length}</Size></Contents>`,
    );
    const isTruncated = names.length > PAGE;
    const token = isTruncated ? `<NextContinuationToken>${shown.at(-1)}</NextContinuationToken>` : '';
    response.end(
      `<ListBucketResult><IsTruncated>${isTruncated}</IsTruncated>${token}${items.join('')}</ListBucketResult>`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }
}

/** The code of the refusal; undefined when the request is signed as it has to be. */
function signatureProblem(request: IncomingMessage, url: URL, body: Buffer): string | undefined {
  const pattern =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request,SignedHeaders=([^,]+),Signature=(\w+)$/;
  const [, id, day = '', region = '', names = '', signature] = pattern.exec(request.headers.authorization ?? '') ?? [];
  if (id !== ACCESS_KEY) return 'InvalidAccessKeyId';
  const header = (name: string): string => String(request.headers[name] ?? '');
  const time = header('x-amz-date');
  const sentAt = Date.parse(time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  if (!(Math.abs(Date.now() - sentAt) < 15 * 60_000) || !time.startsWith(day)) return 'RequestTimeTooSkewed';
  if (!names.split(';').includes('host')) return 'SignatureDoesNotMatch';
  const sum = createHash('sha256').update(body).digest('hex');
  if (header('x-amz-content-sha256') !== sum) return 'XAmzContentSHA256Mismatch';
  const query = (request.url ?? '').split('?')[1] ?? '';
  const lines = [request.method, url.pathname, query.split('&').sort().join('&')];
  for (const name of names.split(';')) lines.push(`${name}:${header(name).trim()}`);
  const canonical = [...lines, '', names, sum].join('\n');
  const scope = `${day}/${region}/s3/aws4_request`;
  const digest = createHash('sha256').update(canonical).digest('hex');
  let key = Buffer.from(`AWS4${SECRET_KEY}`);
  for (const part of [day, region, 's3', 'aws4_request']) key = createHmac('sha256', key).update(part).digest();
  const expected = createHmac('sha256', key).update(`AWS4-HMAC-SHA256\n${time}\n${scope}\n${digest}`).digest('hex');
  return signature === expected ? undefined : 'SignatureDoesNotMatch';
}
