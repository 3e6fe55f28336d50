/** Clients that send what no decent client would, and that wait no longer than a limit for the answer. */
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import tls from 'node:tls';
import type { HostileBytes, HostileRequest } from './table.ts';
import { TOKENS } from './world.ts';

export interface Target {
  readonly port: number;
  /** Shown by clients of the node API, whose callers are known by it. */
  readonly identity?: { readonly cert: string; readonly key: string };
}

export interface Answer {
  readonly code: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly text: string;
}

/** No request may be left without an answer for longer. */
const RESPONSE_TIMEOUT_MS = 10_000;
const HOST = '127.0.0.1';
/** The certificate is not what is under attack here. */
const trusting = ({ identity }: Target) => ({ host: HOST, rejectUnauthorized: false, ...identity });

function bodyOf({ body }: HostileRequest): string | Buffer | undefined {
  if (typeof body === 'function') return (body as () => string | Buffer)();
  return body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
}

function headersOf(row: HostileRequest, body: string | Buffer | undefined): Record<string, string | string[]> {
  const { as = 'admin', type = 'application/json' } = row;
  return {
    accept: 'application/json',
    ...(as !== 'anonymous' && { authorization: `Bearer ${TOKENS[as]}` }),
    ...(body !== undefined && { 'content-type': type, 'content-length': String(Buffer.byteLength(body)) }),
    ...(row.headers as Record<string, string | string[]> | undefined),
  };
}

/** Rejects when the answer has not come within the limit; `giveUp` ends what is waited for. */
async function inTime<T>(answer: Promise<T>, giveUp: () => void): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${RESPONSE_TIMEOUT_MS} ms`)), RESPONSE_TIMEOUT_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
    giveUp();
  }
}

/** Sends one row over a connection of its own. Rejects when the server closes it without an answer. */
export function send(target: Target, row: HostileRequest): Promise<Answer> {
  const space = row.request.indexOf(' ');
  const [method, path] = [row.request.slice(0, space), row.request.slice(space + 1)];
  const body = bodyOf(row);
  const headers = headersOf(row, body);
  return row.over === 'HTTP/2'
    ? sendHttp2(target, method, path, headers, body)
    : sendHttp1(target, method, path, headers, body);
}

function sendHttp1(
  target: Target,
  method: string,
  path: string,
  headers: Record<string, string | string[]>,
  body: string | Buffer | undefined,
): Promise<Answer> {
  const request = https.request({ ...trusting(target), port: target.port, method, path, headers, agent: false });
  const answer = new Promise<Answer>((resolve, reject) => {
    request.on('error', reject);
    request.on('upgrade', (response, socket) => {
      socket.destroy();
      resolve({ code: response.statusCode ?? 0, headers: response.headers, text: '' });
    });
    request.on('response', (response) => {
      response.toArray().then(
        (chunks: Buffer[]) =>
          resolve({
            code: response.statusCode ?? 0,
            headers: response.headers,
            text: Buffer.concat(chunks).toString(),
          }),
        reject,
      );
    });
    request.end(body);
  });
  return inTime(answer, () => request.destroy());
}

function sendHttp2(
  target: Target,
  method: string,
  path: string,
  headers: Record<string, string | string[]>,
  body: string | Buffer | undefined,
): Promise<Answer> {
  const session = http2.connect(`https://${HOST}:${target.port}`, trusting(target));
  const answer = new Promise<Answer>((resolve, reject) => {
    session.on('error', reject);
    const stream = session.request({ ':method': method, ':path': path, ...headers }, { endStream: body === undefined });
    stream.on('error', reject);
    stream.on('response', (response) => {
      stream
        .toArray()
        .then(
          (chunks: Buffer[]) =>
            resolve({ code: response[':status'] ?? 0, headers: response, text: Buffer.concat(chunks).toString() }),
          reject,
        );
    });
    stream.on('close', () => reject(new Error('the stream was closed without an answer')));
    if (body !== undefined) stream.end(body);
  });
  return inTime(answer, () => session.destroy());
}

export interface RawAnswer {
  /** Latin-1: a byte a character. */
  readonly text: string;
  readonly closed: boolean;
}

/** Sends bytes and reads until the server closes, or, where the row does not expect that, until the answer is there. */
export function sendBytes(target: Target, row: HostileBytes): Promise<RawAnswer> {
  const { over = 'HTTP/1.1', bytes, answer: expected, closes } = row;
  const data = typeof bytes === 'function' ? bytes() : bytes;
  const socket =
    over === 'none'
      ? net.connect(target.port, HOST)
      : tls.connect({
          ...trusting(target),
          port: target.port,
          ALPNProtocols: [over === 'HTTP/2' ? 'h2' : 'http/1.1'],
        });
  const answer = new Promise<RawAnswer>((resolve) => {
    let text = '';
    const done = (closed: boolean) => resolve({ text, closed });
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (!closes && expected.test(text)) done(false);
    });
    // A reset is a way to close.
    socket.on('error', () => done(true));
    socket.on('close', () => done(true));
    socket.write(data);
  });
  return inTime(answer, () => socket.destroy());
}
