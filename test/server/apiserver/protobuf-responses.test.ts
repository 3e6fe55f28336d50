/** Responses in protobuf, which stock clients other than kubectl ask for first. */
import https from 'node:https';
import type http from 'node:http';
import t from 'tap';
import { configMaps } from '../../../api/kinds/core/config-map.ts';
import { customResourceDefinitions } from '../../../api/kinds/apiextensions/custom-resource-definition.ts';
import { pods } from '../../../api/kinds/core/pod.ts';
import { ProtobufDecoder } from '../../../api/machinery/protobuf/decode.ts';
import { ProtobufEncoder } from '../../../api/machinery/protobuf/encode.ts';
import { WireReader } from '../../../api/machinery/protobuf/wire.ts';
import { list, optional, struct, type Shape } from '../../../api/machinery/schema.ts';
import { ListMeta, ObjectMeta, Status } from '../../../api/types/meta/v1.gen.ts';
import { eventually } from '../../support/wait.ts';
import { CONFIG_MAPS, configMap, PODS, pod, TestServer, type Json } from './server.ts';

const PROTOBUF = 'application/vnd.kubernetes.protobuf';
/** The Accept header of client-go's typed clients. */
const ACCEPT = `${PROTOBUF},application/json`;
const METADATA = `${PROTOBUF};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1`;

const PartialObjectMetadata = struct('PartialObjectMetadata', () => ({ metadata: optional(1, ObjectMeta) }));
const listOf = (item: Shape): Shape =>
  struct(`${item.definition ?? ''}List`, () => ({ metadata: optional(1, ListMeta), items: optional(2, list(item)) }));

const SHAPES: ReadonlyMap<string, Shape> = new Map([
  ['ConfigMap', configMaps.schema],
  ['ConfigMapList', listOf(configMaps.schema)],
  ['CustomResourceDefinition', customResourceDefinitions.schema],
  ['CustomResourceDefinitionList', listOf(customResourceDefinitions.schema)],
  ['Pod', pods.schema],
  ['PodList', listOf(pods.schema)],
  ['PartialObjectMetadata', PartialObjectMetadata],
  ['PartialObjectMetadataList', listOf(PartialObjectMetadata)],
  ['Status', Status],
]);
const decoder = new ProtobufDecoder();
const decode = (bytes: Buffer): Json => decoder.decode(bytes, (_, kind) => SHAPES.get(kind));

/** The events of a watch in protobuf. */
async function* watch(
  server: TestServer,
  target: string,
  accept: string,
): AsyncGenerator<{ type: string; object: Json }> {
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
    const headers = { authorization: 'Bearer admin/system:masters', accept };
    https.get(server.url(target), { headers, agent: false, ca: server.ca }, resolve).on('error', reject);
  });
  try {
    if (response.headers['content-type'] !== `${PROTOBUF};stream=watch`) throw new Error('not a watch in protobuf');
    let rest = Buffer.alloc(0);
    for await (const chunk of response as AsyncIterable<Buffer>) {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32BE()) {
        const end = 4 + rest.readUInt32BE();
        yield readEvent(rest.subarray(4, end));
        rest = rest.subarray(end);
      }
    }
  } finally {
    response.destroy();
  }
}

function readEvent(frame: Buffer): { type: string; object: Json } {
  const wire = new WireReader(frame);
  wire.next();
  const type = wire.text();
  wire.next();
  const end = wire.enter();
  wire.next();
  const object = decode(frame.subarray(...wire.range()));
  wire.leave(end);
  return { type, object };
}

t.test('objects, lists and errors are the same in protobuf and in JSON', async (t) => {
  await using server = await TestServer.start();
  const created = await server.call('POST', PODS, {
    body: pod('web', { terminationGracePeriodSeconds: 0 }),
    accept: ACCEPT,
  });
  t.equal(created.status, 201);
  t.equal(created.headers['content-type'], PROTOBUF);
  const same = async (target: string, accept = ACCEPT, json = 'application/json'): Promise<Json> => {
    const binary = await server.call('GET', target, { accept });
    t.equal(binary.headers['content-type'], PROTOBUF, target);
    const decoded = decode(binary.bytes);
    const expected = (await server.call('GET', target, { accept: json })).body;
    t.match(decoded, { apiVersion: expected.apiVersion, kind: expected.kind });
    // Items of lists have no kind in a message.
    for (const item of expected.items ?? []) for (const name of ['kind', 'apiVersion']) delete item[name];
    t.strictSame(withoutEmpty(decoded), withoutEmpty(expected), target);
    return decoded;
  };
  t.strictSame(withoutEmpty(decode(created.bytes)), withoutEmpty(await same(`${PODS}/web`)));
  await same(PODS);
  const metadata = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';
  await same(PODS, METADATA, metadata);
  await same(`${PODS}/web`, METADATA.replace('List', ''), metadata.replace('List', ''));
  await same(`${PODS}/none`);
  await same('/api/v1/nodes/none');
  const patched = await server.call('PATCH', `${PODS}/web`, {
    body: { metadata: { labels: { a: 'b' } } },
    type: 'application/merge-patch+json',
    accept: ACCEPT,
  });
  t.match(decode(patched.bytes), { metadata: { labels: { a: 'b' } } });
  const table = `${PROTOBUF};as=Table;g=meta.k8s.io;v=v1,application/json;as=Table;g=meta.k8s.io;v=v1`;
  t.match((await server.call('GET', PODS, { accept: table })).body, { kind: 'Table' }, 'tables are JSON');
  const refused = await server.call('GET', PODS, { accept: table.slice(0, table.indexOf(',')) });
  t.equal(refused.status, 406);
  t.match(decode(refused.bytes), { message: /application\/yaml, application\/vnd\.kubernetes\.protobuf/ });
});

t.test('definitions of custom resources are read and answered in protobuf', async (t) => {
  await using server = await TestServer.start();
  const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  const word = { type: 'string' };
  const schema = {
    type: 'object',
    properties: { a: { type: 'object', additionalProperties: { type: 'array', items: { ...word, default: 'b' } } } },
  };
  const names = { plural: 'things', singular: 'thing', kind: 'Thing', listKind: 'ThingList' };
  const versions = [
    { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema }, subresources: { status: {} } },
  ];
  const object = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'things.example.com' },
    spec: { group: 'example.com', scope: 'Namespaced', names, versions },
  };
  const body = new ProtobufEncoder().encode(object, customResourceDefinitions.schema);
  const created = await server.call('POST', definitions, { body, type: PROTOBUF, accept: ACCEPT });
  t.equal(created.status, 201, created.text);
  t.equal(created.headers['content-type'], PROTOBUF);
  t.strictSame((decode(created.bytes)['spec'] as Json)['versions'], versions);
  const stored = await server.call('GET', `${definitions}/things.example.com`);
  t.strictSame((stored.body['spec'] as Json)['versions'], versions);
  const all = decode((await server.call('GET', definitions, { accept: ACCEPT })).bytes);
  t.match(all, { kind: 'CustomResourceDefinitionList', items: [{ spec: { versions } }] });
});

t.test('the metadata of custom resources is answered in protobuf, and the whole of them is not', async (t) => {
  await using server = await TestServer.start();
  const names = { plural: 'things', singular: 'thing', kind: 'Thing', listKind: 'ThingList' };
  const version = { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } };
  await server.call('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
    body: {
      metadata: { name: 'things.example.com' },
      spec: { group: 'example.com', scope: 'Namespaced', names, versions: [version] },
    },
  });
  const things = '/apis/example.com/v1/namespaces/default/things';
  await eventually('the resource to be served', async () => (await server.call('GET', things)).status === 200);
  const thing = { apiVersion: 'example.com/v1', kind: 'Thing', metadata: { name: 'a', labels: { b: 'c' } } };
  t.equal((await server.call('POST', things, { body: thing })).status, 201);

  const one = await server.call('GET', `${things}/a`, { accept: METADATA.replace('List', '') });
  t.equal(one.headers['content-type'], PROTOBUF);
  t.match(decode(one.bytes), { kind: 'PartialObjectMetadata', metadata: { name: 'a', labels: { b: 'c' } } });
  const all = await server.call('GET', things, { accept: METADATA });
  t.equal(all.headers['content-type'], PROTOBUF);
  t.match(decode(all.bytes), { kind: 'PartialObjectMetadataList', items: [{ metadata: { name: 'a' } }] });
  const events = watch(
    server,
    `${things}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true`,
    METADATA.replace('List', ''),
  );
  t.match((await events.next()).value, { type: 'ADDED', object: { metadata: { name: 'a' } } });
  t.match((await events.next()).value, { type: 'BOOKMARK', object: { kind: 'PartialObjectMetadata' } });
  const removed = await server.call('DELETE', `${things}/a`, { accept: METADATA.replace('List', '') });
  t.equal(removed.headers['content-type'], PROTOBUF);
  t.match((await events.next()).value, { type: 'DELETED', object: { metadata: { name: 'a' } } });
  await events.return(undefined);

  t.equal((await server.call('GET', things, { accept: PROTOBUF })).status, 406);
  t.match((await server.call('GET', things, { accept: ACCEPT })).body, { kind: 'ThingList' });
});

t.test('a list that does not fit into the memory for lists is complete', async (t) => {
  await using server = await TestServer.start();
  const large = 'x'.repeat(1_000_000);
  const count = 36;
  for (let index = 0; index < count; index++) {
    const name = `large-${String(index).padStart(2, '0')}`;
    await server.call('POST', CONFIG_MAPS, { body: { metadata: { name }, data: { large } } });
  }
  const { bytes, headers } = await server.call('GET', CONFIG_MAPS, { accept: ACCEPT });
  t.equal(Number(headers['content-length']), bytes.length);
  const { items = [] } = decode(bytes);
  t.equal(items.length, count);
  t.ok(items.every(({ data }) => (data as { large: string }).large === large));
});

t.test('a watch in protobuf tells of changes, bookmarks and its end', async (t) => {
  const server = await TestServer.start();
  await server.call('POST', CONFIG_MAPS, { body: configMap('a') });
  const query = 'watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
  const events = watch(server, `${CONFIG_MAPS}?${query}`, `${PROTOBUF};stream=watch`);
  const others = watch(server, `${CONFIG_MAPS}?watch=true`, METADATA.replace('List', ''));
  const next = async () => (await events.next()).value as { type: string; object: Json };
  t.match(await next(), { type: 'ADDED', object: { kind: 'ConfigMap', metadata: { name: 'a' }, data: { k: 'v' } } });
  t.match(await next(), {
    type: 'BOOKMARK',
    object: { kind: 'ConfigMap', metadata: { annotations: { 'k8s.io/initial-events-end': 'true' } } },
  });
  t.match((await others.next()).value, { type: 'ADDED', object: { kind: 'PartialObjectMetadata' } });
  await server.call('DELETE', `${CONFIG_MAPS}/a`);
  t.match(await next(), { type: 'DELETED', object: { metadata: { name: 'a' } } });
  t.match((await others.next()).value, { type: 'DELETED', object: { metadata: { name: 'a' } } });
  await events.return(undefined);
  await others.return(undefined);
  await server.stop();
  // What came before it started is in no window.
  await using later = await TestServer.start({ directory: server.directory });
  const expired = watch(later, `${CONFIG_MAPS}?watch=true&resourceVersion=1`, `${PROTOBUF};stream=watch`);
  t.match((await expired.next()).value, { type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } });
  t.match(await expired.next(), { done: true });
});

/** Absent, null and empty are the same in a message. */
function withoutEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmpty);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value)
    .map(([key, field]) => [key, withoutEmpty(field)] as const)
    .filter(([key, field]) => field !== null && key !== 'code' && !isEmpty(field));
  return Object.fromEntries(kept);
}

const isEmpty = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Object.keys(value).length === 0;
