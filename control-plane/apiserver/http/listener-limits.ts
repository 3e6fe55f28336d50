/** What a client may take up by being connected: time, streams and memory, before anybody knows who it is. */
import type { Http2SecureServer, ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';

/** Idle connections of clients are kept longer than clients keep them. */
const KEEP_ALIVE_MS = 180_000;
/** A few per node and client, many times over; an idle one takes some 50 KB. */
const MAX_CONNECTIONS = 8192;
/** A peer that vanished without a word is noticed by the kernel. */
const TCP_KEEP_ALIVE_DELAY_MS = 30_000;

/** Options of `http2.createSecureServer`, for both versions of HTTP. */
export const LISTENER_OPTIONS = {
  /** A TLS handshake is a few round trips. */
  handshakeTimeout: 10_000,
  keepAliveTimeout: KEEP_ALIVE_MS,
  /** Upstream's `ReadHeaderTimeout`: HTTP/1.1 connections that send no whole head for so long are closed. */
  headersTimeout: 32_000,
  /** A whole request, for HTTP/1.1; bodies of objects have the request's own, shorter time limit. */
  requestTimeout: 300_000,
  connectionsCheckingInterval: 5_000,
  settings: {
    /** Upstream allows 100 by default; informers of one process share a connection. */
    maxConcurrentStreams: 250,
  },
  /** Streams that a client may open and reset at once, and then per second: the connection of one that does more is closed. */
  streamResetBurst: 250,
  streamResetRate: 50,
  /** What an HTTP/2 connection may hold, in MB: a slow reader holds a chunk of a list per stream. Node's default is 10. */
  maxSessionMemory: 100,
} as const;

/** Bounds how many connections there are, and how long they may be idle. */
export function limitConnections(server: Http2SecureServer): void {
  server.maxConnections = MAX_CONNECTIONS;
  server.on('connection', (socket: Socket) => socket.setKeepAlive(true, TCP_KEEP_ALIVE_DELAY_MS));
  // Watches that have nothing to tell go on; the connection ends when they do.
  server.on('session', (session: ServerHttp2Session) => session.setTimeout(KEEP_ALIVE_MS, () => session.close()));
}
