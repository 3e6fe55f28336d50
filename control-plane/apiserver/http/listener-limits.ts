/** Limits per connection, before authentication: time, streams and memory. */
import type { Http2SecureServer, ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';

/** Longer than the idle timeout of clients, so that clients close idle connections first. */
const KEEP_ALIVE_MS = 180_000;
/** Many times the few connections of each node and client; an idle one takes some 50 KB. */
const MAX_CONNECTIONS = 8192;
/** Idle time after which the kernel probes the connection, to detect a peer that is gone. */
const TCP_KEEP_ALIVE_DELAY_MS = 30_000;

/** Options of `http2.createSecureServer`, for HTTP/1.1 and HTTP/2. */
export const LISTENER_OPTIONS = {
  /** A TLS handshake is a few round trips. */
  handshakeTimeout: 10_000,
  keepAliveTimeout: KEEP_ALIVE_MS,
  /** Upstream's `ReadHeaderTimeout`: an HTTP/1.1 connection whose headers take longer is closed. */
  headersTimeout: 32_000,
  /** For a whole HTTP/1.1 request; requests for objects have their own, shorter timeout. */
  requestTimeout: 300_000,
  connectionsCheckingInterval: 5_000,
  settings: {
    /** Upstream's default is 100; the informers of one process share a connection. */
    maxConcurrentStreams: 250,
  },
  /** Streams that a client may open and reset in a burst, and per second after it; beyond that its connection is closed. */
  streamResetBurst: 250,
  streamResetRate: 50,
  /**
   * Memory limit of an HTTP/2 session, in MB: each stream of a slow reader buffers a chunk of a list. Node.js's default is
   * 10.
   */
  maxSessionMemory: 100,
} as const;

/** Limits the number of connections, and how long they may be idle. */
export function limitConnections(server: Http2SecureServer): void {
  server.maxConnections = MAX_CONNECTIONS;
  server.on('connection', (socket: Socket) => socket.setKeepAlive(true, TCP_KEEP_ALIVE_DELAY_MS));
  // Idle watches continue; the session closes when they end.
  server.on('session', (session: ServerHttp2Session) => session.setTimeout(KEEP_ALIVE_MS, () => session.close()));
}
