/**
 * TLS to one api-server, which can be replaced by another one of the same cluster. Short requests share a few kept-alive connections of HTTP/1.1, which takes Node.js less per request than
 * HTTP/2; watches share those of HTTP/2, or have one each where the server does not speak it. Credentials can be replaced while
 * requests are in flight.
 */
import { readFileSync, statSync } from 'node:fs';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import Pool from 'undici/lib/dispatcher/pool.js';
import send from 'undici/lib/api/api-request.js';
import type { Dispatcher, Pool as UndiciPool } from 'undici';
import { ConnectionError, MOVED } from './connection-error.ts';
import { withDeadline } from './deadline.ts';
import { Http2Streams, type StreamRequest, type StreamResponse } from './http2-streams.ts';

/** PEM texts. Replaced credentials apply from the next request on. */
export interface Credentials {
  /** CA certificates to verify the server's certificate against; those that Node.js carries when absent. */
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  readonly token?: string;
  /** A file with the token, which may be rewritten at any time. */
  readonly tokenFile?: string;
}

/** One of the api-servers of a cluster. */
export interface ServerTarget {
  /** `https://host:6443`; `http:` is for tests. */
  readonly server: string;
  /** The name to verify the server's certificate for; default: the host of `server`. */
  readonly serverName?: string;
}

export interface TransportOptions extends Credentials, ServerTarget {
  /** Accepts any server certificate: for the discovery step of a join, when the CA is not known yet. */
  readonly insecureSkipTlsVerify?: boolean;
  readonly userAgent?: string;
  /** The most connections for short requests. */
  readonly maxConnections?: number;
}

export interface TransportRequest {
  readonly method: Dispatcher.HttpMethod;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body?: string | Buffer;
  /** Limit for the response headers, and for each pause within the body, in milliseconds; 0 means none. */
  readonly headersTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  readonly signal?: AbortSignal;
}

/** Enough to fill the store's group commits; more only costs TLS handshakes. */
const DEFAULT_MAX_CONNECTIONS = 8;
const CONNECT_TIMEOUT_MS = 10_000;
/** Longer than the 10 s between an agent's heartbeats, so that they reuse the connection. */
const KEEP_ALIVE_TIMEOUT_MS = 60_000;
/** Idle time after which the kernel probes the connection, to detect a peer that is gone. */
const TCP_KEEP_ALIVE_DELAY_MS = 15_000;
/** client-go rereads a token file after this long. */
const TOKEN_FILE_PERIOD_MS = 10_000;

/** Fails what is in flight to a server that the client has left. */
class MovedError extends Error {
  override readonly name = 'MovedError';
  readonly code = MOVED;

  constructor() {
    super('the client has moved to another server');
  }
}

export class Transport implements AsyncDisposable {
  readonly #options: TransportOptions;
  #target: ServerTarget;
  #credentials: Credentials;
  #requests: UndiciPool;
  #streams: LongRunning;
  #fileToken = { value: '', readAt: -Infinity, modifiedAt: -1 };

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#target = normalized(options);
    this.#credentials = options;
    this.#requests = this.#openPool(options.maxConnections ?? DEFAULT_MAX_CONNECTIONS);
    this.#streams = this.#openStreams();
  }

  /** Without a slash at the end. */
  get server(): string {
    return this.#target.server;
  }

  #tls({ serverName }: ServerTarget = this.#target): TlsOptions {
    const { ca, cert, key } = this.#credentials;
    return {
      ...(ca && { ca }),
      ...(cert && { cert }),
      ...(key && { key }),
      ...(serverName && { servername: serverName }),
      rejectUnauthorized: !this.#options.insecureSkipTlsVerify,
    };
  }

  #openStreams(): LongRunning {
    const url = new URL(this.server);
    const ownConnections = this.#openPool(null);
    if (url.protocol !== 'https:') return { http2: undefined, ownConnections };
    const limits = {
      limitMs: CONNECT_TIMEOUT_MS,
      idleMs: KEEP_ALIVE_TIMEOUT_MS,
      keepAliveDelayMs: TCP_KEEP_ALIVE_DELAY_MS,
    };
    return { http2: new Http2Streams({ url, tls: this.#tls(), ...limits }), ownConnections };
  }

  #openPool(connections: number | null, target = this.#target): UndiciPool {
    return new Pool(target.server, {
      connections,
      pipelining: 1,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      keepAliveMaxTimeout: 10 * KEEP_ALIVE_TIMEOUT_MS,
      connect: {
        ...this.#tls(target),
        timeout: CONNECT_TIMEOUT_MS,
        keepAlive: true,
        keepAliveInitialDelay: TCP_KEEP_ALIVE_DELAY_MS,
      },
    });
  }

  /**
   * Replaces the credentials. Short requests in flight finish on the old connections; watches are closed, so that they
   * reconnect with the new identity.
   */
  async replaceCredentials(credentials: Credentials): Promise<void> {
    const requests = this.#requests;
    const streams = this.#streams;
    this.#credentials = { ...this.#credentials, ...credentials };
    this.#fileToken = { value: '', readAt: -Infinity, modifiedAt: -1 };
    this.#requests = this.#openPool(this.#options.maxConnections ?? DEFAULT_MAX_CONNECTIONS);
    this.#streams = this.#openStreams();
    await Promise.all([requests.close(), close(streams)]);
  }

  /**
   * Uses another server from the next request on. Watches are closed, so that they go on there. Short requests in flight finish, unless
   * the old server is gone: then they fail with the code MOVED.
   */
  async moveTo(target: ServerTarget, isGone: boolean): Promise<void> {
    const requests = this.#requests;
    const streams = this.#streams;
    this.#target = normalized(target);
    this.#requests = this.#openPool(this.#options.maxConnections ?? DEFAULT_MAX_CONNECTIONS);
    this.#streams = this.#openStreams();
    const moved = new MovedError();
    await Promise.all([isGone ? requests.destroy(moved) : requests.close(), close(streams, moved)]);
  }

  /**
   * Whether the server responds on a connection that is open: a ping of HTTP/2, which costs it next to nothing. Undefined when there is
   * no such connection.
   */
  async ping(limitMs: number, signal: AbortSignal): Promise<boolean | undefined> {
    return this.#streams.http2?.ping(limitMs, signal);
  }

  /** The status code of a GET at any server, over a connection of its own. Throws ConnectionError, DeadlineError, or the signal's reason. */
  async probe(target: ServerTarget, path: string, limitMs: number, signal: AbortSignal): Promise<number> {
    const pool = this.#openPool(1, normalized(target));
    try {
      return await withDeadline({ what: `GET ${path} of ${target.server}`, limitMs, signal }, async (within) => {
        const limits = { headersTimeoutMs: limitMs, bodyTimeoutMs: limitMs };
        const { statusCode, body } = await this.#sendTo(pool, {
          method: 'GET',
          path,
          headers: {},
          ...limits,
          signal: within,
        });
        await body.dump();
        return statusCode;
      });
    } finally {
      await pool.destroy();
    }
  }

  /** Throws ConnectionError, or the signal's reason. The caller must consume the body. */
  send(request: TransportRequest): Promise<Dispatcher.ResponseData> {
    return this.#sendTo(this.#requests, request);
  }

  /** Sends a GET whose response goes on for as long as both sides want. Throws as `send` does; consume the body likewise. */
  async stream(request: StreamRequest): Promise<StreamResponse> {
    const streams = this.#streams;
    if (streams.http2) {
      let response: StreamResponse | undefined;
      try {
        response = await streams.http2.open({ ...request, headers: this.#headers(request.headers) });
      } catch (error) {
        throw this.failure(error, request.signal);
      }
      if (response) return response;
      streams.http2 = undefined;
    }
    return this.#sendTo(streams.ownConnections, { ...request, method: 'GET', bodyTimeoutMs: 0 });
  }

  async #sendTo(pool: UndiciPool, request: TransportRequest): Promise<Dispatcher.ResponseData> {
    const { signal } = request;
    signal?.throwIfAborted();
    const options: Dispatcher.RequestOptions = {
      method: request.method,
      path: request.path,
      headers: this.#headers(request.headers),
      body: request.body,
      headersTimeout: request.headersTimeoutMs,
      bodyTimeout: request.bodyTimeoutMs,
      signal,
    };
    try {
      return await send.call(pool, options);
    } catch (error) {
      throw this.failure(error, signal);
    }
  }

  #headers(headers: Record<string, string>): Record<string, string> {
    const token = this.#token();
    return {
      'user-agent': this.#options.userAgent ?? 'kedge',
      ...headers,
      ...(token && { authorization: `Bearer ${token}` }),
    };
  }

  /** The error to throw when a request, or reading its body, has failed. */
  failure(error: unknown, signal: AbortSignal | undefined): Error {
    if (signal?.aborted) return signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason));
    return new ConnectionError(this.server, error);
  }

  #token(): string {
    const { token, tokenFile } = this.#credentials;
    if (!tokenFile) return token ?? '';
    const cached = this.#fileToken;
    const now = performance.now();
    if (now - cached.readAt >= TOKEN_FILE_PERIOD_MS) {
      const modifiedAt = statSync(tokenFile).mtimeMs;
      if (modifiedAt !== cached.modifiedAt) cached.value = readFileSync(tokenFile, 'utf8').trim();
      cached.modifiedAt = modifiedAt;
      cached.readAt = now;
    }
    return cached.value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#requests.destroy(), close(this.#streams)]);
  }
}

interface LongRunning {
  /** Undefined when the server does not speak it. */
  http2: Http2Streams | undefined;
  readonly ownConnections: UndiciPool;
}

function close({ http2, ownConnections }: LongRunning, reason?: Error): Promise<void> {
  http2?.close(reason);
  return ownConnections.destroy(reason ?? null);
}

const normalized = ({ server, serverName }: ServerTarget): ServerTarget => ({
  server: server.replace(/\/+$/, ''),
  ...(serverName && { serverName }),
});
