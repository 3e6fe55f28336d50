/**
 * The sockets of the cluster's DNS: UDP and TCP on the same port of each address. Only the pods and the host itself are answered: to
 * others it would be a server that amplifies what they send with forged addresses.
 */
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import { withDeadline } from '../../../client/deadline.ts';
import type { Resolver } from './resolver.ts';
import { readMessages, withLength } from './tcp-messages.ts';

export interface DnsServerOptions {
  readonly resolver: Pick<Resolver, 'resolve'>;
  /** Whether whoever has an address is answered. */
  readonly isClient: (address: string) => boolean;
  readonly port?: number;
  /** Called for what no client is to blame for. */
  readonly onError: (error: Error) => void;
}

const DNS_PORT = 53;
const LISTEN_LIMIT_MS = 5_000;
/** Queries of one client that wait for other servers at a time, and connections that it may have. */
const MAX_WAITING = 200;
const MAX_CONNECTIONS_OF_CLIENT = 32;
const MAX_CONNECTIONS = 512;
/** RFC 7766, section 6.2.3: a few seconds. */
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
  /** By response code, and those of strangers. */
  readonly counts = { answered: 0, failed: 0, dropped: 0 };

  constructor(options: DnsServerOptions) {
    this.#options = options;
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
    const server = createServer({ noDelay: true }, (socket) => this.#connect(socket));
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
    if (!this.#options.isClient(address)) {
      this.counts.dropped++;
      return;
    }
    this.#answer(address, bytes, 'udp', (response) => socket.send(response, port, address));
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
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    let pending = 0;
    readMessages(socket, (message) => {
      if (++pending >= MAX_PIPELINED) socket.pause();
      this.#answer(
        address,
        message,
        'tcp',
        (response) => socket.write(withLength(response)),
        () => {
          if (--pending < MAX_PIPELINED) socket.resume();
        },
      );
    });
  }

  #answer(
    client: string,
    bytes: Buffer,
    transport: 'udp' | 'tcp',
    send: (response: Buffer) => void,
    done?: () => void,
  ): void {
    const waiting = this.#waiting.get(client) ?? 0;
    // It asks again; others are not to wait for its flood.
    if (waiting >= MAX_WAITING) {
      this.counts.dropped++;
      done?.();
      return;
    }
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
      const resolved = this.#options.resolver.resolve(bytes, transport);
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
