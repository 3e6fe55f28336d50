/** Watches over a WebSocket, as browsers do them. */
import { once } from 'node:events';
import https from 'node:https';
import type http from 'node:http';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import t from 'tap';
import { WebSocket } from 'ws';
import { ClientGoneError } from '../../../control-plane/apiserver/http/back-pressure.ts';
import { Upgrade } from '../../../control-plane/apiserver/http/upgrade.ts';
import { openWatchSocket } from '../../../control-plane/apiserver/verbs/watch-socket.ts';
import { CONFIG_MAPS, configMap, TestServer, type WatchEvent } from './server.ts';

const headers = { authorization: 'Bearer admin/system:masters' };
const open = (server: TestServer, query: string, protocols: string[] = []) =>
  new WebSocket(server.url(`${CONFIG_MAPS}?${query}`), protocols, { headers, ca: server.ca });

t.test('each event is a text message', async (t) => {
  await using server = await TestServer.start();
  // More than a chunk, with characters that are cut by its end.
  const long = { ...configMap('long'), data: { text: 'ü€'.repeat(100_000) } };
  for (const body of [configMap('a'), long, configMap('z')]) await server.call('POST', CONFIG_MAPS, { body });
  const socket = open(server, 'watch=true', ['base64url.bearer.authorization.k8s.io.c2VjcmV0', 'events']);
  const messages: string[] = [];
  const initial = Promise.withResolvers<void>();
  const told = Promise.withResolvers<void>();
  socket.on('message', (data: Buffer, isBinary) => {
    t.notOk(isBinary);
    messages.push(data.toString());
    if (messages.length === 3) initial.resolve();
    if (messages.length === 5) told.resolve();
  });
  await once(socket, 'open');
  t.equal(socket.protocol, 'events');
  socket.send('is ignored');
  await initial.promise;
  await server.call('DELETE', `${CONFIG_MAPS}/a`);
  await server.call('POST', CONFIG_MAPS, { body: configMap('b') });
  await told.promise;
  const events = messages.map((message) => JSON.parse(message) as WatchEvent);
  const seen = events.map(({ type, object }) => `${type} ${String(object.metadata.name)}`);
  t.strictSame(seen, ['ADDED a', 'ADDED long', 'ADDED z', 'DELETED a', 'ADDED b']);
  t.match(events[1], { object: { data: long.data } });
  t.ok(messages.every((message) => message.indexOf('\n') === message.length - 1));
  socket.close();
  await once(socket, 'close');
});

t.test('a connection that was closed before its turn has no watch', { timeout: 20_000 }, async (t) => {
  const [socket, request] = [new PassThrough(), new IncomingMessage(new Socket())];
  Object.assign(request, { method: 'GET', url: '/' });
  Object.assign(request.headers, { upgrade: 'websocket', connection: 'Upgrade' });
  Object.assign(request.headers, { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', 'sec-websocket-version': '13' });
  const upgrade = new Upgrade(request, socket, Buffer.alloc(0));
  socket.destroy();
  await t.rejects(openWatchSocket(upgrade), ClientGoneError);
});

t.test('it is closed when its time is over', async (t) => {
  await using server = await TestServer.start();
  const [code] = (await once(open(server, 'watch=true&timeoutSeconds=1'), 'close')) as [number];
  t.equal(code, 1000);
});

t.test('errors are responses, and other upgrades are ignored', async (t) => {
  await using server = await TestServer.start();
  const request = async (query: string, more: Record<string, string>): Promise<number | undefined> => {
    const options = { headers: { ...headers, connection: 'Upgrade', ...more }, agent: false, ca: server.ca };
    const [response] = (await once(https.get(server.url(`${CONFIG_MAPS}?${query}`), options), 'response')) as [
      http.IncomingMessage,
    ];
    response.destroy();
    return response.statusCode;
  };
  const websocket = {
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'MDEyMzQ1Njc4OWFiY2RlZg==',
  };
  const protobuf = { accept: 'application/vnd.kubernetes.protobuf' };
  t.equal(await request('watch=true', { upgrade: 'websocket' }), 400, 'no key');
  t.equal(await request('watch=true&sendInitialEvents=true', websocket), 422);
  t.equal(await request('watch=true', { ...websocket, ...protobuf }), 406);
  t.equal(await request('watch=true', { ...websocket, authorization: 'Bearer somebody' }), 403);
  t.equal(await request('watch=true', { upgrade: 'SPDY/3.1' }), 200, 'another protocol');
  t.equal(await request('', websocket), 200, 'a list');
});
