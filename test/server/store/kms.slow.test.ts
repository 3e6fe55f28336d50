/** Values whose keys a plugin of a key management service has, in a real store. */
import { createDecipheriv, createHmac } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import protobuf from 'protobufjs';
import { pino } from 'pino';
import { test, type Test } from 'tap';
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { GROUPED_KEYS } from '../../../control-plane/apiserver/catalogue/key-layout.ts';
import { EncryptedStore } from '../../../control-plane/store/encrypted/encrypted-store.ts';
import {
  AES_GCM_KEY,
  decodeEnvelope,
  encodeEnvelope,
  encodeSource,
} from '../../../control-plane/store/encrypted/kms/envelope.ts';
import { openEmbeddedStore } from '../../../control-plane/store/embedded/embedded-store.ts';
import type { Store, WatchBatch } from '../../../control-plane/store/store.ts';
import { Exposition } from '../../../daemon/metrics/exposition.ts';
import { KmsTestPlugin } from '../../support/kms-plugin.ts';
import { eventually } from '../../support/wait.ts';
import { TestServer } from '../apiserver/server.ts';

const logger = pino({ level: 'silent' });
const signal = new AbortController().signal;
const SECRET = '/registry/core/secrets/default/a';
const PREFIX = 'k8s:enc:kms:v2:vault:';

/** Upstream's message, as its api.proto has it. */
const { root } = protobuf.parse(`
  syntax = "proto3";
  message EncryptedObject {
    bytes encryptedData = 1;
    string keyID = 2;
    bytes encryptedDEKSource = 3;
    map<string, bytes> annotations = 4;
    EncryptedDEKSourceType encryptedDEKSourceType = 5;
  }
  enum EncryptedDEKSourceType { AES_GCM_KEY = 0; HKDF_SHA256_XNONCE_AES_GCM_SEED = 1; }
`);
const EncryptedObject = root.lookupType('EncryptedObject');
interface Stored {
  readonly encryptedData: Buffer;
  readonly keyID: string;
  readonly encryptedDEKSource: Buffer;
  readonly annotations: Record<string, Buffer>;
  readonly encryptedDEKSourceType: number;
}

function gcm(key: Buffer, data: Buffer, aad: string): Buffer {
  const end = data.length - 16;
  const decipher = createDecipheriv('aes-256-gcm', key, data.subarray(0, 12)).setAAD(Buffer.from(aad));
  decipher.setAuthTag(data.subarray(end));
  return Buffer.concat([decipher.update(data.subarray(12, end)), decipher.final()]);
}

const configuration = (plugin: KmsTestPlugin, more: object = {}): string =>
  JSON.stringify({
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'EncryptionConfiguration',
    resources: [
      {
        resources: ['secrets'],
        providers: [
          { kms: { apiVersion: 'v2', name: 'vault', endpoint: plugin.endpoint, timeout: '1s', ...more } },
          { identity: {} },
        ],
      },
    ],
  });

async function openPlugin(t: Test): Promise<{ plugin: KmsTestPlugin; directory: string }> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'kedge-kms-'));
  const plugin = new KmsTestPlugin(path.join(directory, 'kms.sock'));
  await plugin.start();
  t.teardown(async () => {
    await plugin.stop();
    await rm(directory, { recursive: true, force: true });
  });
  return { plugin, directory };
}

const openInner = (directory: string): Promise<Store> =>
  openEmbeddedStore({ path: path.join(directory, 'store'), compaction: false });

const openOver = (store: Store, text: string, polled = 60_000, start = 10_000): Promise<EncryptedStore> =>
  EncryptedStore.open({
    ...{ store, keys: GROUPED_KEYS, configuration: text, logger },
    kmsTimesMs: { healthy: polled, failing: polled, start },
  });

test('what is stored is what upstream stores, and another start of a server reads it', async (t) => {
  const { plugin, directory } = await openPlugin(t);
  const inner = await openInner(directory);
  const store = await openOver(inner, configuration(plugin));
  const plain = Buffer.from(`hunter2 ${'ä'.repeat(100)}`);
  await store.put(SECRET, plain);
  await store.put(`${SECRET}b`, plain);
  const stored = (await inner.get(SECRET))?.value ?? Buffer.alloc(0);
  t.equal(stored.subarray(0, PREFIX.length).toString(), PREFIX);
  t.notOk(stored.includes('hunter2'));
  t.same((await store.get(SECRET))?.value, plain);
  t.equal(plugin.callsOf('Encrypt').length, 1, 'a seed for all writes');
  t.equal(plugin.callsOf('Decrypt').length, 0, 'which is known already');

  // Read by somebody else's protobuf, and by the words of upstream's documentation.
  const message = EncryptedObject.decode(stored.subarray(PREFIX.length)) as unknown as Stored;
  t.equal(message.keyID, 'key-1');
  t.equal(message.encryptedDEKSourceType, 1);
  const seed = plugin.decrypt({
    ciphertext: Buffer.from(message.encryptedDEKSource),
    keyId: message.keyID,
    annotations: message.annotations,
  });
  const data = Buffer.from(message.encryptedData);
  const key = createHmac('sha256', seed).update(data.subarray(0, 32)).update(Buffer.of(1)).digest();
  t.same(gcm(key, data.subarray(32), SECRET), plain);
  const again = EncryptedObject.encode(EncryptedObject.create(message)).finish();
  t.same(Buffer.from(again), stored.subarray(PREFIX.length), 'byte for byte');

  await store.close();
  const reopened = await openInner(directory);
  const next = await openOver(reopened, configuration(plugin));
  t.teardown(() => next.close());
  const { items } = await next.list('/registry/core/secrets/');
  t.same(
    items.map(({ value }) => value),
    [plain, plain],
  );
  t.equal(plugin.callsOf('Decrypt').length, 1, 'asked once about the seed of the start before');
  t.equal(plugin.callsOf('Encrypt').length, 2, 'a seed of its own');
  t.match(await next.status(signal), { objects: { 'kms:vault:key-1': 2 }, stale: { count: 0 }, unreadable: [] });
  await reopened.put(`${SECRET}c`, stored);
  t.match(await next.get(`${SECRET}c`), { unreadable: /unable to transform/ }, 'it is tied to its place');
});

test('a message of upstream whose key is no seed is read, and broken ones say why', async (t) => {
  const source = { type: AES_GCM_KEY, ciphertext: Buffer.from('x'), keyId: 'k', annotations: new Map() } as const;
  const message = encodeEnvelope(Buffer.from('data'), encodeSource(source));
  t.match(EncryptedObject.decode(message), { keyID: 'k', encryptedDEKSourceType: 0 });
  t.match(decodeEnvelope(message), { source: { type: AES_GCM_KEY, keyId: 'k' } });
  const large = encodeEnvelope(Buffer.alloc(2_000_000, 1), encodeSource({ ...source, keyId: 'ä'.repeat(500) }));
  t.equal(decodeEnvelope(large).data.length, 2_000_000);
  t.equal((EncryptedObject.decode(large) as unknown as Stored).keyID, 'ä'.repeat(500));
  const cases: [Buffer, RegExp][] = [
    [Buffer.alloc(0), /encrypted data is empty/],
    [message.subarray(0, 3), /no EncryptedObject/],
    [Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]), /no EncryptedObject/],
    [Buffer.alloc(20, 0xff), /no EncryptedObject/],
    [Buffer.from([0x0d, 1, 2, 3, 4]), /no EncryptedObject/],
    [Buffer.concat([message, Buffer.from([0x28, 7])]), /unknown encryptedDEKSourceType: 7/],
    [
      encodeEnvelope(Buffer.from('d'), encodeSource({ ...source, ciphertext: Buffer.alloc(1025) })),
      /exceeds the max size/,
    ],
    [encodeEnvelope(Buffer.from('d'), encodeSource({ ...source, keyId: '' })), /keyID is empty/],
    [
      encodeEnvelope(Buffer.from('d'), encodeSource({ ...source, annotations: new Map([['x', Buffer.from('y')]]) })),
      /fully qualified domain names/,
    ],
  ];
  for (const [bytes, why] of cases) t.throws(() => decodeEnvelope(bytes), { message: why });
});

test('a key that is turned in the service is noticed, and what uses an old one is stored again', async (t) => {
  const { plugin, directory } = await openPlugin(t);
  const inner = await openInner(directory);
  const store = await openOver(inner, configuration(plugin), 50);
  t.teardown(() => store.close());
  for (const name of ['a', 'b', 'c']) await store.put(`/registry/core/secrets/default/${name}`, Buffer.from(name));
  plugin.turn('key-2');
  await eventually('the new key to be used', async () => {
    await store.put(SECRET, Buffer.from('a'));
    return (await inner.get(SECRET))?.value.includes('key-2');
  });
  t.match(await store.status(signal), {
    entries: [{ writes: 'kms:vault:key-2', reads: ['kms:vault', 'identity'] }],
    objects: { 'kms:vault:key-1': 2, 'kms:vault:key-2': 1 },
    stale: { count: 2 },
  });
  plugin.turn('key-3');
  t.same(await store.reencrypt(signal), { reencrypted: 3, isComplete: true }, 'with the key of this moment');
  plugin.destroy('key-1');
  t.match(await store.status(signal), { objects: { 'kms:vault:key-3': 3 }, stale: { count: 0 } });
  t.equal((await store.get('/registry/core/secrets/default/b'))?.value.toString(), 'b');
});

test('a plugin that is not well is told by the health of the server, and harms nothing that is known', async (t) => {
  const { plugin, directory } = await openPlugin(t);
  const inner = await openInner(directory);
  const store = await openOver(inner, configuration(plugin), 50);
  await using server = await TestServer.start({
    store,
    checks: [{ name: 'kms-providers', failure: () => store.kmsFailure }],
  });
  const healthOf = async (path: string) => (await server.call('GET', path)).status;
  const isFailing = (why: RegExp) =>
    eventually(`the health to say ${why}`, async () =>
      why.test((await server.call('GET', '/livez/kms-providers')).text),
    );
  t.equal(await healthOf('/livez/kms-providers'), 200);
  await server.core.api.create(namespaces, { metadata: { name: 'default' } });
  const secrets = '/api/v1/namespaces/default/secrets';
  const make = (name: string) => server.call('POST', secrets, { body: { metadata: { name }, stringData: { a: 'b' } } });
  t.equal((await make('a')).status, 201);
  plugin.healthz = 'sealed';
  await isFailing(/vault: got unexpected healthz status: sealed/);
  t.equal(await healthOf('/readyz/kms-providers'), 500);
  t.equal(await healthOf('/livez?exclude=kms-providers'), 200);
  plugin.healthz = 'ok';
  plugin.hanging.add('Status');
  await isFailing(/timed out after 1000 ms/);
  t.equal((await make('b')).status, 201, 'the seed is good for some minutes');
  plugin.hanging.clear();
  plugin.version = 'v1';
  await isFailing(/expected KMSv2 API version v2, got v1/);
  plugin.version = 'v2beta1';
  await isFailing(/should not change/);
  plugin.version = 'v2';
  plugin.turn('x'.repeat(2000));
  await isFailing(/keyID is 2000 bytes/);
  plugin.turn('key-1');
  await eventually('all to be well', async () => (await healthOf('/livez/kms-providers')) === 200);
  await plugin.stop('killed');
  await isFailing(/UNAVAILABLE|No connection/);
  t.equal((await server.call('GET', `${secrets}/a`)).status, 200);
  await plugin.start();
  await eventually('it to be back', async () => (await healthOf('/livez')) === 200);
  const exposition = new Exposition();
  store.writeMetrics(exposition);
  for (const line of [
    /kms_operations_latency_seconds_count\{provider_name="vault",method_name="\/v2\.KeyManagementService\/Status",grpc_status_code="OK"\} \d/,
    /grpc_status_code="DeadlineExceeded"\} \d/,
    /grpc_status_code="Unavailable"\} \d/,
    /invalid_key_id_from_status_total\{provider_name="vault",error="too_long"\} \d/,
    /dek_source_cache_size\{provider_name="vault"\} 1/,
  ])
    t.match(exposition.toString(), line);
});

test('what another server has written is read from a watch in its order, and what cannot be decrypted is one object', async (t) => {
  const { plugin, directory } = await openPlugin(t);
  const inner = await openInner(directory);
  const [mine, other] = [await openOver(inner, configuration(plugin)), await openOver(inner, configuration(plugin))];
  t.teardown(() => mine.close());
  const stopping = new AbortController();
  const seen: string[] = [];
  const onBatch = ({ events }: WatchBatch): void => {
    for (const { key, value, unreadable } of events)
      seen.push(`${key.slice(-1)}=${unreadable === undefined ? value.toString() : 'unreadable'}`);
  };
  const watching = mine.watch('/registry/core/secrets/', await mine.latestRevision(), onBatch, {
    signal: stopping.signal,
  });
  const put = (store: Store, name: string) => store.put(`/registry/core/secrets/default/${name}`, Buffer.from(name));
  await put(other, 'a');
  await put(mine, 'b');
  await put(other, 'c');
  await eventually('all of them', () => seen.length === 3);
  t.strictSame(seen, ['a=a', 'b=b', 'c=c']);
  plugin.turn('key-2');
  await other.reencrypt(signal);
  await eventually('those that are stored again', () => seen.length === 6);
  plugin.turn('key-3');
  plugin.refuse('Decrypt', 'INTERNAL', 'the vault has lost it');
  await other.status(signal);
  await put(other, 'd');
  await put(mine, 'e');
  await eventually('the two', () => seen.length === 8);
  t.strictSame(seen.slice(6), ['d=unreadable', 'e=e']);
  t.match(await mine.get('/registry/core/secrets/default/d'), {
    unreadable: /failed to decrypt DEK, error: .*the vault has lost it/,
  });
  plugin.failing.clear();
  t.equal((await mine.get('/registry/core/secrets/default/d'))?.value.toString(), 'd', 'it is asked again');
  stopping.abort();
  await watching;
  await t.rejects(
    mine.watch('/registry/core/secrets/', 0, () => {
      throw new Error('the watcher fails');
    }),
    /the watcher fails/,
  );
  other.writeMetrics(new Exposition());
});

test(
  'a start waits for the plugin, and a new configuration whose plugin is not there changes nothing',
  { timeout: 60_000 },
  async (t) => {
    const { plugin, directory } = await openPlugin(t);
    const inner = await openInner(directory);
    await plugin.stop();
    const opening = openOver(inner, configuration(plugin), 60_000, 3_000);
    await plugin.start();
    const store = await opening;
    t.teardown(() => store.close());
    const nowhere = configuration(plugin, { endpoint: `unix://${directory}/nobody.sock` });
    await t.rejects(store.reconfigure(nowhere), {
      name: 'SettingValueError',
      message: /^the KMS plugin "vault" at unix:\/\/\S+nobody\.sock is not ready: /,
    });
    await store.put(SECRET, Buffer.from('x'));
    t.equal((await inner.get(SECRET))?.value.subarray(0, PREFIX.length).toString(), PREFIX);
  },
);
