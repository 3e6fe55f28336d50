/**
 * Long-running requests as streams of a few HTTP/2 connections: a connection of its own for each watch takes some 250 KB at both
 * ends together, and a TLS handshake.
 */
import { once } from 'node:events';
import { connect as connectHttp2, constants, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import type { Readable } from 'node:stream';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { DeadlineError, withDeadline } from './deadline.ts';

/** The start of a response. */
export interface StreamResponse {
  readonly statusCode: number;
  readonly body: Readable;
  /** Once the body has ended: why that was not the server's end of the response. Node.js ends streams that are cancelled. */
  readonly cutOff?: () => Error | undefined;
}

export interface StreamRequest {
  readonly path: string;
  readonly headers: Record<string, string>;
  /** Limit for the response headers, in milliseconds. */
  readonly headersTimeoutMs: number;
  readonly signal?: AbortSignal;
}

/** Where to connect to; `limitMs` is for a connection with its handshakes. */
export interface Http2Target {
  readonly url: URL;
  readonly tls: ConnectionOptions;
  readonly limitMs: number;
  /** How long a connection without streams is kept. */
  readonly idleMs: number;
  /** Idle time after which the kernel probes a connection. */
  readonly keepAliveDelayMs: number;
}

/** Connections in a row that the server closes without taking a request, before the request fails: its caller waits before the next. */
const MAX_FRUITLESS = 3;
/** Below the limit of streams that a client of Kedge's api-server may reset at once. */
const MAX_STREAMS = 200;
/** Bytes that may be on their way, for a stream and for a connection: at 100 ms of round trip still 10 MB/s. */
const STREAM_WINDOW_BYTES = 1024 * 1024;
const CONNECTION_WINDOW_BYTES = 4 * STREAM_WINDOW_BYTES;

interface Connection {
  readonly session: ClientHttp2Session;
  streams: number;
  idleTimer?: NodeJS.Timeout;
}

export class Http2Streams implements Disposable {
  readonly #target: Http2Target;
  readonly #closed = new AbortController();
  readonly #connections = new Set<Connection>();
  #connecting: Promise<boolean> | undefined;
  /** How many requests were sent. */
  #sent = 0;

  constructor(target: Http2Target) {
    this.#target = target;
  }

  /** Sends a GET. Resolves with undefined when the server does not speak HTTP/2; rejects with errors of Node.js. */
  async open(request: StreamRequest): Promise<StreamResponse | undefined> {
    for (let fruitless = 0; fruitless < MAX_FRUITLESS;) {
      request.signal?.throwIfAborted();
      this.#closed.signal.throwIfAborted();
      const connection = this.#withRoom();
      if (connection) {
        const response = await this.#send(connection, request);
        if (response) return response;
        fruitless++;
        continue;
      }
      const sent = this.#sent;
      // All that wait for a connection wait for the same one.
      this.#connecting ??= this.#connect().finally(() => (this.#connecting = undefined));
      if (!(await this.#connecting)) return undefined;
      // Those that have waited with this one may have filled it.
      if (!this.#withRoom() && this.#sent === sent) fruitless++;
    }
    throw new ClosedError('CUT_OFF', 'the server closes connections without taking a request');
  }

  #withRoom(): Connection | undefined {
    return this.#connections.values().find(hasRoom);
  }

  /** Whether the server speaks HTTP/2. */
  #connect(): Promise<boolean> {
    const { url, limitMs } = this.#target;
    return withDeadline({ what: `connecting to ${url.host}`, limitMs, signal: this.#closed.signal }, async (signal) => {
      const socket = await this.#handshake(signal);
      if (socket.alpnProtocol !== 'h2') {
        socket.destroy();
        return false;
      }
      const session = connectHttp2(url, {
        createConnection: () => socket,
        settings: { enablePush: false, initialWindowSize: STREAM_WINDOW_BYTES },
      });
      signal.addEventListener('abort', () => session.destroy());
      await ready(session);
      session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
      this.#keep(session);
      return true;
    });
  }

  async #handshake(signal: AbortSignal): Promise<TLSSocket> {
    const { url, tls, keepAliveDelayMs } = this.#target;
    const socket = connectTls({
      host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: Number(url.port || 443),
      ALPNProtocols: ['h2', 'http/1.1'],
      ...tls,
    });
    signal.addEventListener('abort', () => socket.destroy());
    await once(socket, 'secureConnect', { signal });
    socket.setKeepAlive(true, keepAliveDelayMs).setNoDelay(true);
    return socket;
  }

  #keep(session: ClientHttp2Session): void {
    const connection: Connection = { session, streams: 0 };
    this.#connections.add(connection);
    const drop = (): void => {
      clearTimeout(connection.idleTimer);
      this.#connections.delete(connection);
    };
    // Its streams fail with it.
    session.on('error', drop);
    session.on('close', drop);
  }

  /** Resolves with undefined when the server has not taken it, because it is about to close the connection. */
  async #send(connection: Connection, request: StreamRequest): Promise<StreamResponse | undefined> {
    const { path, headers, headersTimeoutMs: limitMs, signal } = request;
    const stream = connection.session.request({ ...headers, ':method': 'GET', ':path': path }, { signal });
    this.#sent++;
    this.#count(connection, stream);
    try {
      return await withDeadline({ what: 'the response', limitMs, signal }, () => responseOf(stream));
    } catch (error) {
      stream.destroy();
      if (stream.rstCode === constants.NGHTTP2_REFUSED_STREAM && connection.session.closed) return undefined;
      throw error;
    }
  }

  #count(connection: Connection, stream: ClientHttp2Stream): void {
    const { session } = connection;
    clearTimeout(connection.idleTimer);
    if (connection.streams++ === 0) session.ref();
    stream.on('close', () => {
      if (--connection.streams > 0 || session.destroyed) return;
      session.unref();
      connection.idleTimer = setTimeout(() => session.close(), this.#target.idleMs).unref();
    });
  }

  /** Whether the server answers a ping on a connection that is open; undefined when there is none. Throws the signal's reason. */
  async ping(limitMs: number, signal: AbortSignal): Promise<boolean | undefined> {
    const open = this.#connections.values().find(({ session }) => !session.closed && !session.destroyed);
    if (!open) return undefined;
    try {
      await withDeadline({ what: 'a ping', limitMs, signal }, () => pinged(open.session));
      return true;
    } catch (error) {
      signal.throwIfAborted();
      // A connection that has just been closed by its server says nothing about a new one.
      return error instanceof DeadlineError ? false : undefined;
    }
  }

  /** Closes all connections; streams that are open fail with the reason. */
  close(reason: Error = new ClosedError()): void {
    this.#closed.abort(reason);
    for (const { session } of this.#connections) session.destroy(reason);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Resolves when the server has said how many streams it takes. The caller limits the wait. */
function ready(session: ClientHttp2Session): Promise<void> {
  return new Promise((resolve, reject) => {
    session.once('remoteSettings', () => resolve());
    session.once('error', reject);
    session.once('close', () => reject(new ClosedError('CUT_OFF', 'the connection was closed')));
  });
}

/** Resolves when the server has answered. The caller limits the wait. */
function pinged(session: ClientHttp2Session): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (): void => reject(new ClosedError('CUT_OFF', 'the connection was closed'));
    const isSent = session.ping((error) => (error ? reject(error) : resolve()));
    if (!isSent) failed();
  });
}

function hasRoom({ session, streams }: Connection): boolean {
  const { maxConcurrentStreams = MAX_STREAMS } = session.remoteSettings;
  return !session.closed && !session.destroyed && streams < Math.max(1, Math.min(maxConcurrentStreams, MAX_STREAMS));
}

function responseOf(stream: ClientHttp2Stream): Promise<StreamResponse> {
  return new Promise((resolve, reject) => {
    // Stays for the whole life of the stream: whoever reads the body hears of errors from it.
    stream.on('error', reject);
    stream.on('close', () => reject(new ClosedError('CUT_OFF', 'the connection was closed before the response')));
    const cutOff = (): Error | undefined =>
      stream.rstCode === constants.NGHTTP2_NO_ERROR
        ? undefined
        : new ClosedError('CUT_OFF', 'the connection was closed');
    stream.on('response', ({ ':status': statusCode = 0 }) => resolve({ statusCode, body: stream, cutOff }));
  });
}

class ClosedError extends Error {
  readonly code: string;
  constructor(code = 'CLOSED', message = 'the client is closed') {
    super(message);
    this.name = 'ClosedError';
    this.code = code;
  }
}
