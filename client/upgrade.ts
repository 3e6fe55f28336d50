/** HTTP upgrades (SPDY/3.1, WebSocket): requests one, and relays bytes between two upgraded connections. */
import { request as httpRequest, type Agent, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { LookupFunction, Socket } from 'node:net';
import type { Duplex, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ConnectionOptions } from 'node:tls';
import { DeadlineError, withDeadline } from './deadline.ts';

export interface UpgradeRequest {
  readonly url: URL;
  readonly method: string;
  /** Includes `Connection` and `Upgrade`. */
  readonly headers: OutgoingHttpHeaders;
  readonly tls?: Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'rejectUnauthorized' | 'servername'>;
  readonly agent?: Agent | false;
  readonly lookup?: LookupFunction;
  /** Aborts connecting and waiting for the response. */
  readonly signal?: AbortSignal;
}

/** The server's response: upgraded, or an ordinary response. */
export type UpgradeResponse = Upgraded | { readonly upgraded: false; readonly response: IncomingMessage };

export interface Upgraded {
  readonly upgraded: true;
  readonly response: IncomingMessage;
  readonly socket: Duplex;
  /** Bytes read past the response's headers. */
  readonly head: Buffer;
}

/** Maximum size of a request's headers, as in Go's net/http: exec puts a command in the URL. Node.js's default is 16 KiB. */
export const MAX_HEADER_BYTES = 1024 * 1024;

/** How long connecting and the response may take. The server responds before it runs the requested command. */
const RESPONSE_TIMEOUT_MS = 30_000;

/** Rejects when the server cannot be reached; with the code ETIMEDOUT when it does not respond in time. */
export async function requestUpgrade(request: UpgradeRequest, limitMs = RESPONSE_TIMEOUT_MS): Promise<UpgradeResponse> {
  try {
    const what = `the upgrade at ${request.url.host}`;
    return await withDeadline({ what, limitMs, signal: request.signal }, (signal) => upgrade(request, signal));
  } catch (error) {
    if (!(error instanceof DeadlineError)) throw error;
    throw Object.assign(new Error('timed out waiting for a response', { cause: error }), { code: 'ETIMEDOUT' });
  }
}

/** The same on behalf of a client: rejects, and closes the connection to the server, when that of the client closes. */
export async function requestUpgradeFor(client: Duplex, request: UpgradeRequest): Promise<UpgradeResponse> {
  const gone = new AbortController();
  const leave = (): void => gone.abort(new Error('the client has closed its connection'));
  client.once('close', leave);
  if (client.destroyed) leave();
  try {
    return await requestUpgrade({ ...request, signal: gone.signal });
  } finally {
    client.removeListener('close', leave);
  }
}

function upgrade(
  { url, method, headers, tls, agent, lookup }: UpgradeRequest,
  signal: AbortSignal,
): Promise<UpgradeResponse> {
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    // The signal covers the response only: it is never aborted afterwards.
    const outgoing = send(url, { method, headers, agent, lookup, signal, ...tls });
    outgoing.on('upgrade', (response, socket, head) => {
      signal.addEventListener('abort', () => socket.destroy());
      // Until the new owner adds its own listener; the error closes the socket.
      socket.on('error', () => socket.destroy());
      resolve({ upgraded: true, response, socket, head });
    });
    outgoing.on('response', (response) => resolve({ upgraded: false, response }));
    outgoing.on('error', reject);
    outgoing.end();
  });
}

/** Those of an ordinary response that concern the connection it came by (RFC 9112, 6 and 9). */
const OF_CONNECTION = /^(connection|keep-alive|transfer-encoding)$/i;

/** The head of an upgrade's answer as it came, for a client that is to see it unchanged. */
export function responseHead({
  statusCode,
  statusMessage,
  rawHeaders,
}: Pick<IncomingMessage, 'statusCode' | 'statusMessage' | 'rawHeaders'>): Buffer {
  let head = `HTTP/1.1 ${statusCode} ${statusMessage}\r\n`;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) head += `${rawHeaders[i]}: ${rawHeaders[i + 1]}\r\n`;
  // Node reads headers as Latin-1.
  return Buffer.from(`${head}\r\n`, 'latin1');
}

/**
 * Gives a client that asked for an upgrade the ordinary response that came instead, whose end is that of the connection. When
 * the response breaks off or the client leaves, both connections are closed: there is nothing more to tell anybody.
 */
export async function relayResponse(response: IncomingMessage, socket: Duplex): Promise<void> {
  const { statusCode, statusMessage } = response;
  const rawHeaders = ['Connection', 'close'];
  for (let i = 0; i + 1 < response.rawHeaders.length; i += 2)
    if (!OF_CONNECTION.test(response.rawHeaders[i]!)) rawHeaders.push(...response.rawHeaders.slice(i, i + 2));
  holdOpen(socket);
  socket.write(responseHead({ statusCode, statusMessage, rawHeaders }));
  try {
    await pipeline(response, socket, { end: false });
    endConnection(socket, '', LINGER_IDLE_MS);
  } catch {
    socket.destroy();
  }
}

/** How long a client may take to read a few lines and to close its connection. */
const CLOSE_TIMEOUT_MS = 5000;

/**
 * Sends the last bytes of a connection that has left its HTTP server, and closes it: at the latest after `limitMs`, since that
 * server no longer watches over it and its client need not close it ever.
 */
export function endConnection(socket: Duplex, last: string | Buffer, limitMs = CLOSE_TIMEOUT_MS): void {
  const timer = setTimeout(() => socket.destroy(), limitMs);
  socket.once('close', () => clearTimeout(timer));
  socket.end(last);
  // What the client has sent after its request would otherwise have the kernel reset the connection.
  socket.resume();
}

/** Idle timeout of a streaming connection: kubelet's `streamingConnectionIdleTimeout`. */
export const STREAM_IDLE_MS = 4 * 3600 * 1000;

/** Idle timeout of the remaining side while it takes the last output, once the other side has closed. */
export const LINGER_IDLE_MS = 15 * 60_000;
/** Idle time after which the kernel probes the connection, to detect a peer that is gone. */
const TCP_KEEP_ALIVE_MS = 30_000;

type SocketLike = Duplex & Partial<Pick<Socket, 'setTimeout' | 'setNoDelay' | 'setKeepAlive'>>;

/** Sets TCP options of a streaming connection: no delay, keep-alive, closed after STREAM_IDLE_MS without a byte. */
export function holdOpen(socket: SocketLike): void {
  socket.setNoDelay?.(true);
  socket.setKeepAlive?.(true, TCP_KEEP_ALIVE_MS);
  socket.setTimeout?.(STREAM_IDLE_MS, () => socket.destroy());
}

/** Optional transforms per direction. */
export interface JoinOptions {
  readonly toOne?: Transform;
  readonly toOther?: Transform;
  /** LINGER_IDLE_MS. */
  readonly lingerMs?: number;
}

/**
 * Relays bytes between two connections, with back-pressure; resolves when both have closed. When one closes, the other is only
 * half-closed, since destroying it at once would make the kernel discard data in flight.
 */
export function joinConnections(
  one: SocketLike,
  other: SocketLike,
  { toOne, toOther, lingerMs = LINGER_IDLE_MS }: JoinOptions = {},
): Promise<void> {
  return new Promise((resolve) => {
    let open = 2;
    const carry = (from: SocketLike, to: SocketLike, through: Transform | undefined): void => {
      const ended = (): void => {
        (through ?? to).end();
        to.unpipe();
        to.resume();
        closeWhenStalled(to, lingerMs);
        if (--open === 0) resolve();
      };
      holdOpen(from);
      from.pipe(through ?? to);
      through?.pipe(to);
      // The error itself does not matter: the connection closes.
      from.on('error', () => from.destroy());
      if (from.closed) ended();
      else from.on('close', ended);
    };
    carry(one, other, toOther);
    carry(other, one, toOne);
  });
}

/** What the peer itself sends, and nobody is left to read, is no reason to keep it. */
function closeWhenStalled(socket: Duplex, limitMs: number): void {
  if (socket.closed) return;
  const timer = setTimeout(() => socket.destroy(), limitMs);
  socket.on('drain', () => timer.refresh());
  socket.once('close', () => clearTimeout(timer));
}
