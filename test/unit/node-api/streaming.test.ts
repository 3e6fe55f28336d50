/** exec, attach and port-forward with clients that come and go, over a fake streaming server. */
import { once } from 'node:events';
import { createServer, request, type IncomingMessage } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import t, { type Test } from 'tap';
import { WebSocket } from 'ws';
import { FRAME_HEAD_BYTES, FrameType, parseFrameHead, streamIdAt } from '../../../agent/server/spdy-frames.ts';
import type { NodeRuntime } from '../../../agent/server/node-runtime.ts';
import { NodeServer } from '../../../agent/server/node-server.ts';
import { serveStream } from '../../../agent/server/streaming.ts';
import type { ClientConnection } from '../../../agent/server/web-socket-command.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';
import { heldUntilClosed } from '../../support/half-open-client.ts';
import { TestCa } from '../../support/https-server.ts';
import { eventually } from '../../support/wait.ts';

const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\nConnection: Upgrade\r\n\r\n';
const WEB_SOCKET = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
  'sec-websocket-version': '13',
};
const CLIENTS = {
  'over SPDY/3.1': { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': 'v4.channel.k8s.io' },
  'over v5.channel.k8s.io': { ...WEB_SOCKET, 'sec-websocket-protocol': 'v5.channel.k8s.io' },
  'through a tunnel': { ...WEB_SOCKET, 'sec-websocket-protocol': 'SPDY/3.1+portforward.k8s.io' },
} as const;

const pod: Pod = {
  metadata: { name: 'web', namespace: 'default', uid: 'web-uid' },
  spec: { containers: [{ name: 'main' }] },
  status: { containerStatuses: [{ name: 'main', image: '', imageID: '', ready: true, restartCount: 0 }] },
};
const pods = {
  list: () => [pod],
  find: () => pod,
  sandboxId: () => 'sandbox',
  containerId: () => 'container',
};
const path = { namespace: 'default', pod: 'web', uid: '', container: 'main' };

/** A runtime whose streaming server passes upgrade requests to the test. */
async function startRuntime(t: Test): Promise<{ runtime: NodeRuntime; asked: Duplex[]; held: Set<symbol> }> {
  const asked: Duplex[] = [];
  const held = new Set<symbol>();
  const server = createServer();
  server.on('upgrade', (_request, socket) => {
    socket.on('error', () => socket.destroy());
    asked.push(socket.resume());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => {
    for (const socket of asked) socket.destroy();
    server.close();
  });
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/token`);
  const never = (): never => {
    throw new Error('not requested');
  };
  const runtime: NodeRuntime = {
    exec: async () => url,
    attach: async () => url,
    portForward: async () => url,
    dropUnreadInput: () => {
      const hold = Symbol();
      held.add(hold);
      return { [Symbol.dispose]: () => void held.delete(hold) };
    },
    logState: never,
    stopped: never,
    run: never,
  };
  return { runtime, asked, held };
}

/** A client's upgrade request, as the node's server receives it. */
async function startClient(t: Test, headers: Readonly<Record<string, string>>): Promise<ClientConnection> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const asking = request({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', headers });
  asking.on('error', () => undefined);
  asking.on('upgrade', (_response, socket) => socket.resume());
  asking.end();
  const [incoming, socket, head] = (await once(server, 'upgrade')) as [IncomingMessage, Socket, Buffer];
  socket.on('error', () => socket.destroy());
  t.teardown(() => {
    socket.destroy();
    server.close();
  });
  return { request: incoming, socket, head };
}

for (const [how, headers] of Object.entries(CLIENTS)) {
  const at =
    how === 'through a tunnel' ? ({ ...path, at: 'portForward' } as const) : ({ ...path, at: 'exec' } as const);
  const query = new URLSearchParams('stdin=true&stdout=true&command=sh&input=1&output=1&port=80');

  t.test(`${how}, a client that leaves before the runtime is ready leaks nothing`, async (t) => {
    const { runtime, asked, held } = await startRuntime(t);
    const client = await startClient(t, headers);
    const ready = Promise.withResolvers<void>();
    const late = async (): Promise<URL> => {
      await ready.promise;
      return runtime.portForward('', []);
    };
    const served = serveStream({ pods, runtime: { ...runtime, exec: late, portForward: late } }, at, query, client);
    client.socket.destroy();
    await once(client.socket, 'close');
    ready.resolve();
    await t.rejects(served, { code: 500 });
    t.strictSame([asked.length, held.size], [0, 0]);
  });

  t.test(`${how}, a client that leaves while the runtime responds closes the runtime's connection`, async (t) => {
    const { runtime, asked, held } = await startRuntime(t);
    const client = await startClient(t, headers);
    const served = serveStream({ pods, runtime }, at, query, client);
    const rejected = t.rejects(served, { code: 500 });
    await eventually('the request', () => asked.length > 0);
    client.socket.destroy();
    await rejected;
    await eventually('the connection to be closed', () => asked[0]?.readableEnded || asked[0]?.destroyed);
    t.equal(held.size, 0);
  });

  t.test(`${how}, TCP keep-alive is enabled towards both peers`, async (t) => {
    const { runtime, asked } = await startRuntime(t);
    const client = await startClient(t, headers);
    const probed: unknown[] = [];
    (client.socket as Socket).setKeepAlive = function (isWanted) {
      probed.push(isWanted);
      return this;
    };
    const served = serveStream({ pods, runtime }, at, query, client);
    await eventually('the request', () => asked.length > 0);
    asked[0]!.write(SWITCH);
    await eventually('the probes', () => probed.length > 0);
    t.strictSame(probed, [true]);
    asked[0]!.destroy();
    client.socket.destroy();
    await served;
  });
}

t.test('a client whose upgrade is rejected cannot keep its connection', async (t) => {
  const ca = await TestCa.create();
  const { cert, key } = await ca.issue('CN=node');
  const { runtime } = await startRuntime(t);
  const never = (): never => {
    throw new Error('not requested');
  };
  const server = new NodeServer({
    nodeName: 'node',
    address: '127.0.0.1',
    port: 0,
    certificate: { cert, key, ca: ca.cert },
    reviews: { reviewToken: never, reviewAccess: never },
    runtime,
    pods,
    statistics: { metrics: never },
    configuration: never,
    unhealthy: () => undefined,
    logDirectory: '/nowhere',
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  });
  const port = await server.listen();
  t.teardown(() => server.close());
  const asked = 'GET /exec/default/web/main HTTP/1.1\r\nHost: node\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n';
  t.match(await heldUntilClosed({ port, ca: ca.cert }, asked), /^HTTP\/1\.1 401 /);
});

/** Accepts every stream of an upgraded connection, and says nothing more. */
function acceptStreams(socket: Duplex): void {
  let left = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    left = Buffer.concat([left, chunk]);
    while (left.length >= FRAME_HEAD_BYTES) {
      const head = parseFrameHead(left, 0);
      const end = FRAME_HEAD_BYTES + head.length;
      if (left.length < end) return;
      if (head.control && head.type === FrameType.synStream) {
        const reply = Buffer.alloc(FRAME_HEAD_BYTES + 4);
        reply.writeUInt16BE(0x8003, 0);
        reply.writeUInt16BE(FrameType.synReply, 2);
        reply.writeUIntBE(4, 5, 3);
        reply.writeUInt32BE(streamIdAt(left, FRAME_HEAD_BYTES), FRAME_HEAD_BYTES);
        socket.write(reply);
      }
      left = left.subarray(end);
    }
  });
}

t.test('an attachment ends with its input, also when the runtime misses that', async (t) => {
  const { runtime, asked } = await startRuntime(t);
  const server = createServer();
  const served: Promise<void>[] = [];
  server.on('upgrade', (request, socket, head: Buffer) => {
    const query = new URLSearchParams('input=1&output=1&stdin=true&stdout=true');
    served.push(serveStream({ pods, runtime }, { ...path, at: 'attach' }, query, { request, socket, head }));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const client = new WebSocket(`ws://127.0.0.1:${port}/`, 'v5.channel.k8s.io');
  const messages: Buffer[] = [];
  client.on('message', (message: Buffer) => messages.push(message));
  await eventually('the runtime to be asked', () => asked.length > 0);
  acceptStreams(asked[0] as Duplex);
  asked[0]?.write(SWITCH);
  await once(client, 'open');
  await eventually('the attachment', () => messages.length === 1);
  client.send(Buffer.from([255, 0]));
  const [code] = (await once(client, 'close')) as [number];
  await Promise.all(served);
  t.equal(code, 1000);
  const last = messages.at(-1);
  t.equal(last?.[0], 3);
  t.match(JSON.parse(last?.subarray(1).toString() ?? ''), { status: 'Success' });
  t.ok(asked[0]?.destroyed || asked[0]?.readableEnded || asked[0]?.closed, 'the connection to the runtime is closed');
});
