/** Upgraded connections when one side leaves early, stalls or never leaves. */
import { once } from 'node:events';
import { Agent, createServer as createHttpServer, type IncomingMessage, type RequestListener } from 'node:http';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { Duplex, PassThrough } from 'node:stream';
import t, { type Test } from 'tap';
import {
  endConnection,
  joinConnections,
  relayResponse,
  requestUpgrade,
  requestUpgradeFor,
} from '../../../client/upgrade.ts';
import { eventually } from '../../support/wait.ts';

const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\nConnection: Upgrade\r\n\r\n';
const ASK = { Connection: 'Upgrade', Upgrade: 'SPDY/3.1' };

/** Two ends of one TCP connection that close independently. */
async function connection(t: Test): Promise<[Socket, Socket]> {
  const server = createServer({ allowHalfOpen: true });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const dialed = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const [[accepted]] = await Promise.all([once(server, 'connection') as Promise<[Socket]>, once(dialed, 'connect')]);
  server.close();
  for (const socket of [accepted, dialed]) socket.on('error', () => socket.destroy());
  t.teardown(() => [accepted, dialed].forEach((socket) => socket.destroy()));
  return [dialed, accepted];
}

/** A server for upgrade requests, which passes connections to the test or sends ordinary responses. */
async function serve(t: Test, act: { upgrade: (socket: Duplex) => void } | { answer: RequestListener }): Promise<URL> {
  const server = createHttpServer();
  if ('answer' in act) server.on('request', act.answer);
  else
    server.on('upgrade', (_request, socket) => {
      socket.on('error', () => socket.destroy());
      act.upgrade(socket);
    });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
}

t.test('joining a closed connection ends the other', async (t) => {
  const [, one] = await connection(t);
  const [other, runtime] = await connection(t);
  one.destroy();
  await once(one, 'close');
  const joined = joinConnections(one, other, { toOther: new PassThrough() });
  runtime.resume();
  await once(runtime, 'end');
  runtime.end();
  await joined;
  t.ok(other.destroyed);
});

t.test('a runtime that stops reading input is not kept open by unread output', async (t) => {
  const [client, one] = await connection(t);
  const [other, runtime] = await connection(t);
  const joined = joinConnections(one, other, { lingerMs: 300 });
  // More than the connections can buffer, and the runtime reads none of it.
  client.write(Buffer.alloc(64 * 1024 * 1024));
  await eventually('the input to stall', () => other.writableNeedDrain);
  const ticks = setInterval(() => runtime.write('tick\n'), 20);
  t.teardown(() => clearInterval(ticks));
  one.destroy();
  await joined;
  t.ok(other.destroyed);
});

t.test('a slow client gets all of the output', async (t) => {
  let bytes = 0;
  const client = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      bytes += chunk.length;
      setTimeout(done, 40);
    },
    final(done) {
      done();
      this.destroy();
    },
  });
  const runtime = new PassThrough();
  const waiting = new PassThrough({ highWaterMark: 8 * 1024 * 1024 });
  // Reading takes 1.2 seconds, three times the stall limit.
  for (let i = 0; i < 30; i++) waiting.write(Buffer.alloc(128 * 1024));
  runtime.destroy();
  await joinConnections(client, runtime, { toOne: waiting, lingerMs: 400 });
  t.equal(bytes, 30 * 128 * 1024);
});

t.test('a client that leaves aborts its upgrade request', async (t) => {
  let asked: Duplex | undefined;
  const url = await serve(t, { upgrade: (socket) => (asked = socket.resume()) });
  const [, accepted] = await connection(t);
  const request = { url, method: 'POST', headers: ASK, agent: false } as const;
  const failed = t.rejects(requestUpgradeFor(accepted, request), /client has closed/);
  await eventually('the request', () => asked);
  accepted.destroy();
  await failed;
  await eventually('the connection to be closed', () => asked?.readableEnded || asked?.destroyed);
  await t.rejects(requestUpgradeFor(accepted, request), /client has closed/, 'no other one is opened');
});

t.test('an upgraded connection that arrives during the abort is closed', async (t) => {
  const url = await serve(t, { upgrade: (socket) => socket.write(SWITCH) });
  const giveUp = new AbortController();
  const agent = new Agent();
  let socket: Socket | undefined;
  agent.createConnection = (options) => {
    socket = connect({ host: '127.0.0.1', port: Number((options as { port: unknown }).port) });
    // Called after Node's own listener, which reports the upgrade.
    socket.once('connect', () => socket?.on('data', () => giveUp.abort()));
    return socket;
  };
  await t.rejects(requestUpgrade({ url, method: 'POST', headers: ASK, agent, signal: giveUp.signal }));
  await eventually('the connection to be closed', () => socket?.destroyed);
});

/** What a client receives whose upgrade request gets this response. */
async function relayed(t: Test, listener: RequestListener): Promise<{ client: Socket; accepted: Socket }> {
  const url = await serve(t, { answer: listener });
  const [client, accepted] = await connection(t);
  const answer = await requestUpgradeFor(accepted, { url, method: 'GET', headers: ASK, agent: false });
  if (answer.upgraded) throw new Error('upgraded');
  void relayResponse(answer.response, accepted);
  return { client, accepted };
}

t.test('an ordinary response to an upgrade request is readable by the client', async (t) => {
  const { client } = await relayed(t, (_request, response) => {
    response.writeHead(403, 'Forbidd\xe9n', { 'Content-Type': 'text/plain', 'X-Name': '\xe9' });
    response.write('no ');
    response.end('entry');
  });
  const text = Buffer.concat(await client.toArray()).toString('latin1');
  t.match(text, /^HTTP\/1\.1 403 Forbidd\xe9n\r\nConnection: close\r\nContent-Type: text\/plain\r\nX-Name: \xe9\r\n/);
  t.match(text, /\r\n\r\nno entry$/, 'without chunked encoding');
  t.notMatch(text, /chunked/i);
});

t.test('an endless response ends with its client', async (t) => {
  let request: IncomingMessage | undefined;
  const { client } = await relayed(t, (incoming, response) => {
    request = incoming;
    const more = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(16_384)));
    };
    response.on('drain', more);
    more();
  });
  await once(client, 'data');
  client.resetAndDestroy();
  await eventually('the connection to the backend to be closed', () => request?.socket.destroyed);
});

t.test('a client that never closes its connection is disconnected after the response', async (t) => {
  const [client, accepted] = await connection(t);
  client.write('more of its request');
  endConnection(accepted, 'no');
  t.equal(Buffer.concat(await client.toArray()).toString(), 'no');
  t.notOk(accepted.destroyed);
  await eventually('the connection to be closed', () => accepted.destroyed);
});
