/** Long responses in gzip: byte by byte what a client gets that does not accept it. */
import { once } from 'node:events';
import type http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import { CONFIG_MAPS, configMap, TestServer } from './server.ts';

const GZIP = { 'accept-encoding': 'gzip' };
const PROTOBUF = 'application/vnd.kubernetes.protobuf';
const METADATA = 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io';
const LONG = 'Größe '.repeat(30_000);
const KEY = 'authorization';
const ADMIN = 'Bearer admin/system:masters';

async function startedServer(): Promise<TestServer> {
  const server = await TestServer.start();
  for (let index = 0; index < 8; index++) {
    const body = {
      ...configMap(`m${index}`, { annotations: { note: 'x'.repeat(30_000) } }),
      data: { text: LONG, index: `${index}` },
    };
    await server.call('POST', CONFIG_MAPS, { body });
  }
  await server.call('POST', CONFIG_MAPS, { body: configMap('small', { labels: { size: 'small' } }) });
  return server;
}

t.test('objects and lists of more than 128 KiB are compressed for who accepts it', async (t) => {
  await using server = await startedServer();
  for (const [what, accept, query] of [
    ['a list', 'application/json', ''],
    ['a page', 'application/json', '?limit=2'],
    ['an object', 'application/json', '/m3'],
    ['an object in protobuf', PROTOBUF, '/m3'],
    ['a list in protobuf', PROTOBUF, ''],
    ['metadata', METADATA, ''],
    ['an object in YAML', 'application/yaml', '/m3'],
    ['a list in YAML', 'application/yaml', ''],
    ['an indented list', 'application/json', '?pretty=true'],
    ['an indented object', 'application/json', '/m3?pretty=true'],
  ] as const) {
    const plain = await server.call('GET', CONFIG_MAPS + query, { accept });
    t.equal(plain.headers['content-encoding'], undefined, `${what}: not for others`);
    t.ok(plain.bytes.length > 128 * 1024, `${what} is long`);
    const { headers, bytes } = await server.call('GET', CONFIG_MAPS + query, { accept, headers: GZIP });
    t.match(headers, {
      'content-encoding': 'gzip',
      vary: 'Accept-Encoding',
      'content-type': plain.headers['content-type'],
    });
    t.ok(bytes.length < plain.bytes.length / 10, `${what} is shorter`);
    t.ok(gunzipSync(bytes).equals(plain.bytes), `${what} is the same`);
  }
});

t.test('what is short is not compressed, nor for other encodings', async (t) => {
  await using server = await startedServer();
  for (const [query, encodings] of [
    ['/small', 'gzip'],
    ['?labelSelector=size%3Dsmall', 'gzip'],
    ['/none', 'gzip'],
    ['', 'br, deflate'],
    ['', 'gzip;q=1'],
    ['', 'identity'],
  ] as const) {
    const { headers } = await server.call('GET', CONFIG_MAPS + query, { headers: { 'accept-encoding': encodings } });
    t.equal(headers['content-encoding'], undefined, `${query} ${encodings}`);
    t.ok(headers['content-length'], 'has a length');
  }
  const several = await server.call('GET', CONFIG_MAPS, { headers: { 'accept-encoding': 'deflate, gzip, br' } });
  t.equal(several.headers['content-encoding'], 'gzip');
  const head = await server.call('HEAD', CONFIG_MAPS, { headers: GZIP });
  t.match(head, { status: 405, headers: { 'content-encoding': undefined } });
  const exact = await server.call('POST', CONFIG_MAPS, { body: configMap('exact'), headers: GZIP });
  const room = 128 * 1024 - exact.bytes.length + 'v'.length;
  for (const [name, extra, encoding] of [
    ['exac1', 0, undefined],
    ['exac2', 1, 'gzip'],
  ] as const) {
    const body = { ...configMap(name), data: { k: 'x'.repeat(room + extra) } };
    const { headers, bytes } = await server.call('POST', CONFIG_MAPS, { body, headers: GZIP });
    t.equal(headers['content-encoding'], encoding, `${bytes.length} bytes`);
  }
});

t.test('a watch is not compressed', async (t) => {
  await using server = await startedServer();
  const request = https.get(server.url(`${CONFIG_MAPS}?watch=true`), {
    headers: { [KEY]: ADMIN, ...GZIP },
    agent: false,
    ca: server.ca,
  });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  t.equal(response.headers['content-encoding'], undefined);
  response.destroy();
});

t.test('over HTTP/2', async (t) => {
  await using server = await startedServer();
  const plain = await server.call('GET', CONFIG_MAPS);
  const session = server.http2();
  const stream = session.request({ ':path': CONFIG_MAPS, [KEY]: ADMIN, ...GZIP });
  const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
  t.equal(headers['content-encoding'], 'gzip');
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
  t.ok(gunzipSync(Buffer.concat(chunks)).equals(plain.bytes));
});

t.test('clients that go away leave room for others', async (t) => {
  await using server = await startedServer();
  for (let index = 0; index < 20; index++) {
    const path = index % 2 ? CONFIG_MAPS : `${CONFIG_MAPS}/m1`;
    const options = { headers: { [KEY]: ADMIN, ...GZIP }, agent: false, ca: server.ca };
    const request = https.get(server.url(path), options);
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    response.destroy();
  }
  const { headers, bytes } = await server.call('GET', CONFIG_MAPS, { headers: GZIP });
  t.equal(headers['content-encoding'], 'gzip');
  t.equal((JSON.parse(gunzipSync(bytes).toString()) as { items: unknown[] }).items.length, 9);
});
