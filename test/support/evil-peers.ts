/** Misbehaving servers that count their open connections. */
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { createServer as createTlsServer, TLSSocket } from 'node:tls';
import type { Issued } from './https-server.ts';

const DRIP_MS = 20;

/** What a peer does with a connection; `drip` and `flood` continue while it is open. */
export type Behaviour = (socket: Socket) => void;

function drip(socket: Socket, bytes: Iterable<string>): void {
  const rest = bytes[Symbol.iterator]();
  const timer = setInterval(() => {
    const next = rest.next();
    if (next.done) clearInterval(timer);
    else socket.write(next.value);
  }, DRIP_MS);
  socket.on('close', () => clearInterval(timer));
}

function flood(socket: Socket, start: string, block: string): void {
  socket.write(start);
  const more = (): void => {
    while (!socket.destroyed && socket.write(block));
  };
  socket.on('drain', more);
  more();
}

function* forever(start: string, letter: string): Generator<string> {
  yield* start;
  for (;;) yield letter;
}

const after = (bytes: string, then: (socket: Socket) => void): Behaviour => {
  return (socket) => {
    socket.once('data', () => {
      socket.write(bytes);
      then(socket);
    });
  };
};
const reset = (socket: Socket): void => {
  if (socket instanceof TLSSocket) socket.destroy();
  else socket.resetAndDestroy();
};
const nothing = (): void => undefined;

export const evilPeers: Readonly<Record<string, Behaviour>> = {
  'accepts and stays silent': nothing,
  'reads the request and stays silent': (socket) => socket.resume(),
  'closes at once': (socket) => socket.destroy(),
  'resets after the request': (socket) => socket.once('data', () => reset(socket)),
  'half-closes at once': (socket) => socket.end(),
  'half-closes after the request': (socket) => socket.once('data', () => socket.end()),
  'switches protocols': after(
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
    nothing,
  ),
  'says 100 Continue forever': (socket) => flood(socket, '', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(64)),
  'drips its status line': (socket) => drip(socket, forever('HTTP/1.1 200 ', 'O')),
  'drips its headers': (socket) => drip(socket, forever('HTTP/1.1 200 OK\r\n', 'a: b\r\n')),
  'drips its body': (socket) => drip(socket, forever('HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n', 'x')),
  'drips chunks': (socket) =>
    drip(socket, forever('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', '1\r\nx\r\n')),
  'drips the length of a chunk': (socket) =>
    drip(socket, forever('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;', 'x')),
  'has headers without end': (socket) => flood(socket, 'HTTP/1.1 200 OK\r\n', 'x-more: of the same\r\n'.repeat(1024)),
  'has a header line without end': (socket) => flood(socket, 'HTTP/1.1 200 OK\r\nx: ', 'x'.repeat(16_384)),
  'has a body without end': (socket) => flood(socket, 'HTTP/1.1 200 OK\r\n\r\n', 'x'.repeat(16_384)),
  'closes in the middle of its head': after('HTTP/1.1 200 OK\r\nContent-', (socket) => socket.end()),
  'closes in the middle of its body': after('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123', (socket) =>
    socket.end(),
  ),
  'redirects to itself forever': after('HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n', nothing),
  'sends garbage': (socket) => flood(socket, '', '\0\x01\xff\r\n'.repeat(1024)),
  'speaks HTTP/2': (socket) => socket.write(Buffer.from('000000040000000000', 'hex')),
  'speaks HTTP/2 and drips pings': (socket) =>
    drip(socket, forever(Buffer.from('000000040000000000', 'hex').toString('latin1'), '\0')),
};

export class Peer implements AsyncDisposable {
  /** 0 when listening on a path. */
  readonly port: number;
  readonly sockets = new Set<Socket>();
  readonly requests: string[] = [];
  readonly #close: () => void;

  private constructor(port: number, close: () => void) {
    this.port = port;
    this.#close = close;
  }

  static async start(behaviour: Behaviour, { tls, path }: { tls?: Issued; path?: string } = {}): Promise<Peer> {
    const server = tls ? createTlsServer(tls) : createServer({ allowHalfOpen: true });
    await new Promise<void>((resolve) => {
      if (path === undefined) server.listen(0, '127.0.0.1', resolve);
      else server.listen(path, resolve);
    });
    const peer = new Peer(path === undefined ? (server.address() as AddressInfo).port : 0, () => server.close());
    server.on(tls ? 'secureConnection' : 'connection', (socket: Socket) => {
      peer.sockets.add(socket);
      socket.on('error', nothing);
      socket.on('close', () => peer.sockets.delete(socket));
      socket.on('data', (bytes: Buffer) => peer.requests.push(bytes.toString('latin1')));
      socket.on('end', () => socket.end());
      behaviour(socket);
    });
    server.on('tlsClientError', nothing);
    return peer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.#close();
  }
}
