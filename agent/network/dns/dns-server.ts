/**
 * The sockets of the cluster's DNS: UDP and TCP on the same port of each address. Only the pods and the host itself are answered: to
 * others it would be a server that amplifies what they send with forged addresses.
 */
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { DNS_PORT } from '../../../api/domain/cluster-dns.ts';
import { withDeadline } from '../../../client/deadline.ts';
import type { Resolver } from './resolver.ts';
import { TcpMessages, withLength } from './tcp-messages.ts';

export interface DnsServerOptions {
  readonly resolver: Pick<Resolver, 'resolve'>;
  /** Whether whoever has an address is answered. */
  readonly isClient: (address: string) => boolean;
  readonly port?: number;
  /** How long a connection may be without a query. */
  readonly idleMs?: number;
  /** Called for what no client is to blame for. */
  readonly onError: (error: Error) => void;
}

const LISTEN_LIMIT_MS = 5_000;
/** Queries of one client that wait for other servers at a time, and connections that it may have. */
const MAX_WAITING = 200;
const MAX_CONNECTIONS_OF_CLIENT = 32;
const MAX_CONNECTIONS = 512;
/** From one query of a connection to the next (RFC 7766, section 6.2.3: a few seconds), however slowly it comes or answers are read. */
const IDLE_MS = 10_000;
/** Queries of one connection that are answered at a time; no more are read until one is. */
const MAX_PIPELINED = 32;
/** A burst of all pods of a host. */
const RECEIVE_BYTES = 2 ** 20;

export class DnsServer implements AsyncDisposable {
  readonly #options: DnsServerOptions;
  readonly #udp = new Set<UdpSocket>();
  readonly #tcp = new Set<Server>();
  readonly #connections = new Map<string, Set<Socket>>();
  readonly #waiting = new Map<string, number>();
  #connected = 0;
  /** Of messages: those of strangers, and what is no query, are dropped. */
  readonly counts = { answered: 0, failed: 0, dropped: 0 };

  constructor(options: DnsServerOptions) {
    this.#options = options;
  }

  /** How many are open. */
  get connections(): number {
    return this.#connected;
  }

  /** Throws when the port of an address is taken. */
  async listen(address: string): Promise<{ port: number }> {
    const what = `binding to ${address}`;
    const { port } = await withDeadline({ what, limitMs: LISTEN_LIMIT_MS }, () => this.#bind(address));
    await withDeadline({ what, limitMs: LISTEN_LIMIT_MS }, () => this.#listenTcp(address, port));
    return { port };
  }

  #bind(address: string): Promise<{ port: number }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ port: number }>();
    const family = address.includes(':') ? 6 : 4;
    const socket = createSocket({
      ...{ type: `udp${family}`, reuseAddr: true, recvBufferSize: RECEIVE_BYTES },
      // Answers go to addresses: none is looked up.
      lookup: (client, _, done) => done(null, client, family),
    });
    socket.once('error', reject);
    socket.bind({ address, port: this.#options.port ?? DNS_PORT }, () => {
      socket.off('error', reject);
      socket.on('error', this.#options.onError);
      this.#udp.add(socket);
      resolve(socket.address());
    });
    socket.on('message', (bytes, from) => this.#received(socket, bytes, from));
    return promise;
  }

  #listenTcp(address: string, port: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => this.#connect(socket));
    server.once('error', reject);
    server.listen({ host: address, port }, () => {
      server.off('error', reject);
      server.on('error', this.#options.onError);
      this.#tcp.add(server);
      resolve();
    });
    return promise;
  }

  #received(socket: UdpSocket, bytes: Buffer, { address, port }: RemoteInfo): void {
    // Nobody is at port 0: forged.
    if (port === 0 || !this.#options.isClient(address)) {
      this.counts.dropped++;
      return;
    }
    this.#answer(address, bytes, 'udp', (response) => {
      // Another server's answer may come when this one has ended.
      if (this.#udp.has(socket)) socket.send(response, port, address, (error) => error && this.counts.failed++);
    });
  }

  #connect(socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    const own = this.#connections.get(address) ?? new Set();
    if (
      !this.#options.isClient(address) ||
      own.size >= MAX_CONNECTIONS_OF_CLIENT ||
      this.#connected >= MAX_CONNECTIONS
    ) {
      this.counts.dropped++;
      socket.destroy();
      return;
    }
    this.#connections.set(address, own.add(socket));
    this.#connected++;
    socket.once('close', () => {
      this.#connected--;
      own.delete(socket);
      if (own.size === 0) this.#connections.delete(address);
    });
    // The client's loss.
    socket.on('error', () => socket.destroy());
    void this.#converse(socket, address).catch(() => socket.destroy());
  }

  /** Rejects when the connection breaks. */
  async #converse(socket: Socket, address: string): Promise<void> {
    const idle = setTimeout(() => socket.destroy(), this.#options.idleMs ?? IDLE_MS);
    const messages = new TcpMessages();
    const pending = new Set<Promise<void>>();
    try {
      for await (const piece of socket.iterator({ destroyOnReturn: false }))
        for (const message of messages.add(piece as Buffer)) {
          idle.refresh();
          const answered = this.#answerOver(socket, address, message).finally(() => pending.delete(answered));
          pending.add(answered);
          if (pending.size >= MAX_PIPELINED) await Promise.race(pending);
          // Of a client that does not read its answers, no more is read.
          if (socket.writableNeedDrain) await drained(socket);
          if (socket.destroyed) return;
        }
      await Promise.all(pending);
      socket.end();
    } finally {
      clearTimeout(idle);
    }
  }

  async #answerOver(socket: Socket, address: string, message: Buffer): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#answer(address, message, 'tcp', (response) => socket.write(withLength(response)), resolve);
    return promise;
  }

  #answer(
    client: string,
    bytes: Buffer,
    transport: 'udp' | 'tcp',
    send: (response: Buffer) => void,
    done?: () => void,
  ): void {
    const waiting = this.#waiting.get(client) ?? 0;
    const finish = (response: Buffer | undefined): void => {
      if (response) {
        this.counts.answered++;
        send(response);
      } else this.counts.dropped++;
      done?.();
    };
    const fail = (error: unknown): void => {
      this.counts.failed++;
      this.#options.onError(error instanceof Error ? error : new Error(String(error)));
      done?.();
    };
    try {
      // It asks again; others are not to wait for its flood. What the cluster itself knows, it is told even then.
      const resolved = this.#options.resolver.resolve(bytes, transport, waiting < MAX_WAITING);
      if (!(resolved instanceof Promise)) return finish(resolved);
      this.#waiting.set(client, waiting + 1);
      resolved
        .then(finish)
        .catch(fail)
        .finally(() => this.#finished(client));
    } catch (error) {
      fail(error);
    }
  }

  #finished(client: string): void {
    const waiting = (this.#waiting.get(client) ?? 0) - 1;
    if (waiting > 0) this.#waiting.set(client, waiting);
    else this.#waiting.delete(client);
  }

  /** Connections are cut. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const connections of this.#connections.values()) for (const socket of connections) socket.destroy();
    for (const socket of this.#udp) socket.close();
    for (const server of this.#tcp) server.close();
    this.#udp.clear();
    this.#tcp.clear();
  }
}

/** Until what was written is sent, or the connection is over. */
async function drained(socket: Socket): Promise<void> {
  const over = new AbortController();
  const { signal } = over;
  try {
    await Promise.race([once(socket, 'drain', { signal }), once(socket, 'close', { signal })]);
  } finally {
    over.abort();
  }
}
