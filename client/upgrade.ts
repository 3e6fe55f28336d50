/** Connections that stop being HTTP: asks a server to upgrade one (SPDY/3.1, WebSocket) and joins two of them byte for byte. */
import { request as httpRequest, type Agent, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { LookupFunction, Socket } from 'node:net';
import type { Duplex, Transform } from 'node:stream';
import type { ConnectionOptions } from 'node:tls';
import { DeadlineError, withDeadline } from './deadline.ts';

export interface UpgradeRequest {
  readonly url: URL;
  readonly method: string;
  /** `Connection` and `Upgrade` are among them. */
  readonly headers: OutgoingHttpHeaders;
  readonly tls?: Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'rejectUnauthorized'>;
  readonly agent?: Agent | false;
  readonly lookup?: LookupFunction;
  /** Gives up connecting and waiting for the answer. */
  readonly signal?: AbortSignal;
}

/** The server's answer: upgraded, or an ordinary response. */
export type UpgradeAnswer = Upgraded | { readonly upgraded: false; readonly response: IncomingMessage };

export interface Upgraded {
  readonly upgraded: true;
  readonly response: IncomingMessage;
  readonly socket: Duplex;
  /** What was read past the response's headers. */
  readonly head: Buffer;
}

/** The longest head of a request that a server takes, as Go's do: a command and its arguments travel in the URL. Node's is 16 KiB. */
export const LONGEST_HEAD_BYTES = 1024 * 1024;

/** How long a server may take to accept the connection and to answer: it answers before it does what is asked. */
const ANSWER_LIMIT_MS = 30_000;

/** Rejects when the server cannot be reached, with ETIMEDOUT when it does not answer. */
export async function requestUpgrade(request: UpgradeRequest, limitMs = ANSWER_LIMIT_MS): Promise<UpgradeAnswer> {
  try {
    const what = `the upgrade at ${request.url.host}`;
    return await withDeadline({ what, limitMs, signal: request.signal }, (signal) => upgrade(request, signal));
  } catch (error) {
    if (!(error instanceof DeadlineError)) throw error;
    throw Object.assign(new Error('timed out waiting for a response', { cause: error }), { code: 'ETIMEDOUT' });
  }
}

function upgrade(
  { url, method, headers, tls, agent, lookup }: UpgradeRequest,
  signal: AbortSignal,
): Promise<UpgradeAnswer> {
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    // The signal is of the answer alone: it is never aborted once that is there.
    const outgoing = send(url, { method, headers, agent, lookup, signal, ...tls });
    outgoing.on('upgrade', (response, socket, head) => {
      // Until its new owner listens; what goes wrong with it closes it.
      socket.on('error', () => socket.destroy());
      resolve({ upgraded: true, response, socket, head });
    });
    outgoing.on('response', (response) => resolve({ upgraded: false, response }));
    outgoing.on('error', reject);
    outgoing.end();
  });
}

/** The head of a response as it came, for a client that is to see it unchanged. */
export function responseHead({ statusCode, statusMessage, rawHeaders }: IncomingMessage): string {
  let head = `HTTP/1.1 ${statusCode} ${statusMessage}\r\n`;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) head += `${rawHeaders[i]}: ${rawHeaders[i + 1]}\r\n`;
  return `${head}\r\n`;
}

/** kubelet's and upstream's idle limit of a streaming connection. */
export const STREAM_IDLE_MS = 4 * 3600 * 1000;

/** How long the side that outlives the other may stand still while it takes the last of the output. */
export const LINGER_IDLE_MS = 15 * 60_000;
/** When a silent connection is probed by the kernel: a peer that vanished is noticed. */
const TCP_KEEP_ALIVE_MS = 30_000;

type SocketLike = Duplex & Partial<Pick<Socket, 'setTimeout' | 'setNoDelay' | 'setKeepAlive'>>;

/** Prepares a connection that carries a stream: no delays, dead peers noticed, closed after STREAM_IDLE_MS without a byte. */
export function holdOpen(socket: SocketLike): void {
  socket.setNoDelay?.(true);
  socket.setKeepAlive?.(true, TCP_KEEP_ALIVE_MS);
  socket.setTimeout?.(STREAM_IDLE_MS, () => socket.destroy());
}

/** What goes one way passes through these; nothing where they are left out. */
export interface Through {
  readonly toOne?: Transform;
  readonly toOther?: Transform;
}

/**
 * Joins two connections until both have ended. Each is read only as fast as the other takes it. What one has sent before it
 * ended still reaches the other: closing that one at once would let the kernel throw away what is on its way.
 */
export function joinConnections(one: SocketLike, other: SocketLike, { toOne, toOther }: Through = {}): Promise<void> {
  return new Promise((resolve) => {
    let open = 2;
    const carry = (from: SocketLike, to: SocketLike, through: Transform | undefined): void => {
      holdOpen(from);
      from.pipe(through ?? to);
      through?.pipe(to);
      // A connection that fails closes; that is all that there is to say about it.
      from.on('error', () => from.destroy());
      from.on('close', () => {
        (through ?? to).end();
        to.unpipe();
        to.resume();
        to.setTimeout?.(LINGER_IDLE_MS, () => to.destroy());
        if (--open === 0) resolve();
      });
    };
    carry(one, other, toOther);
    carry(other, one, toOne);
  });
}
