/** Objects that are encrypted in a real store, and an api-server over it. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { test, type Test } from 'tap';
import type { CustomResource } from '../../../api/machinery/kind.ts';
import { deployments } from '../../../api/kinds/apps/deployment.ts';
import { endpoints } from '../../../api/kinds/core/endpoints.ts';
import { events } from '../../../api/kinds/core/event.ts';
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { secrets } from '../../../api/kinds/core/secret.ts';
import { services } from '../../../api/kinds/core/service.ts';
import { ingresses } from '../../../api/kinds/networking/ingress.ts';
import { withNewKey } from '../../../cli/encryption-keys.ts';
import { GROUPED_KEYS, upstreamKeys, type KeyLayout } from '../../../control-plane/apiserver/catalogue/key-layout.ts';
import { readEncryptionConfiguration } from '../../../control-plane/store/encrypted/configuration.ts';
import { EncryptedStore } from '../../../control-plane/store/encrypted/encrypted-store.ts';
import { Transformers } from '../../../control-plane/store/encrypted/transformers.ts';
import { PROVIDERS, type KeyedProvider } from '../../../control-plane/store/encrypted/providers.ts';
import { openDataDirectory } from '../../../control-plane/store/embedded/data-directory.ts';
import { EmbeddedStore, openEmbeddedStore } from '../../../control-plane/store/embedded/embedded-store.ts';
import { TestServer } from '../apiserver/server.ts';
import { storeContract } from './contract.ts';

const run = promisify(execFile);
const logger = pino({ level: 'silent' });
const secret = (bytes = 32): string => randomBytes(bytes).toString('base64');
const keyed = (provider: KeyedProvider, ...names: string[]): object => ({
  [provider]: { keys: names.map((name) => ({ name, secret: KEYS.get(name) ?? secret() })) },
});
const KEYS = new Map(['one', 'two', 'three'].map((name) => [name, secret()]));

const configuration = (...resources: (readonly [string[], ...object[]])[]): string =>
  JSON.stringify({
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'EncryptionConfiguration',
    resources: resources.map(([names, ...providers]) => ({ resources: names, providers })),
  });

async function ownDirectory(t: Test): Promise<string> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'kedge-encrypted-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** An encrypted store, and the one under it. */
async function openStores(t: Test, text: string, options: { readonly callLimitMs?: number } = {}) {
  const directory = await ownDirectory(t);
  const dataDirectory = await openDataDirectory(directory);
  let inner = new EmbeddedStore(dataDirectory, { path: directory, compaction: false, ...options });
  t.teardown(() => inner.close());
  return {
    inner,
    store: await EncryptedStore.open({ store: inner, keys: GROUPED_KEYS, configuration: text, logger }),
    /** Commits do not finish. */
    stall: () => {
      const { log } = dataDirectory;
      const finished = Promise.withResolvers<void>();
      const commit = log.commit.bind(log);
      log.commit = async (...batch) => {
        await finished.promise;
        await commit(...batch);
      };
      return { resume: finished.resolve };
    },
    reopen: async () => {
      await inner.close();
      inner = await openEmbeddedStore({ path: directory, compaction: false });
      return EncryptedStore.open({ store: inner, keys: GROUPED_KEYS, configuration: text, logger });
    },
  };
}

storeContract('encrypted', (t, options) => openStores(t, configuration([['*.*'], keyed('secretbox', 'one')]), options));

const SECRET = '/registry/core/secrets/default/a';
const signal = new AbortController().signal;

test('resources are told by the keys of either layout', (t) => {
  const text = configuration(
    [['secrets'], keyed('secretbox', 'one')],
    [['*.apps', 'widgets.example.com'], keyed('aesgcm', 'two')],
    [['services', 'ingresses.networking.k8s.io', 'events'], keyed('aescbc', 'three')],
  );
  const { resources = [] } = readEncryptionConfiguration(text);
  const ways = (keys: KeyLayout): string[] => {
    const transformers = new Transformers(resources, keys);
    const widgets = { group: 'example.com', plural: 'widgets', custom: {} as CustomResource };
    return [secrets, deployments, services, endpoints, ingresses, events, widgets].map(
      (kind) => transformers.of(`${keys.prefixOf(kind)}ns/name`).writes,
    );
  };
  const expected = [
    'secretbox:one',
    'aesgcm:two',
    'aescbc:three',
    'identity',
    'aescbc:three',
    'aescbc:three',
    'aesgcm:two',
  ];
  t.strictSame(ways(GROUPED_KEYS), expected);
  t.strictSame(ways(upstreamKeys()), expected);
  t.strictSame(ways(upstreamKeys('/of/another')), expected);
  t.end();
});

test('each provider stores as upstream, and reads what it has stored', async (t) => {
  for (const [provider, { keyBytes }] of PROVIDERS) {
    for (const length of keyBytes) {
      const keys = [{ name: 'k', secret: secret(length) }];
      const { store, inner } = await openStores(t, configuration([['secrets'], { [provider]: { keys } }]));
      const plain = Buffer.from(`hunter2 ${'ä'.repeat(100)}`);
      await store.put(SECRET, plain);
      const stored = (await inner.get(SECRET))?.value ?? Buffer.alloc(0);
      t.equal(stored.subarray(0, `k8s:enc:${provider}:v1:k:`.length).toString(), `k8s:enc:${provider}:v1:k:`);
      t.notOk(stored.includes('hunter2'));
      t.same((await store.get(SECRET))?.value, plain);
      await store.put(SECRET, plain);
      t.equal((await inner.get(SECRET))?.value.equals(stored), false, 'a nonce is used once');
    }
  }
});

test('openssl reads what aescbc has stored, and secretbox is that of NaCl', async (t) => {
  const key = randomBytes(32);
  const keys = [{ name: 'k', secret: key.toString('base64') }];
  const { store, inner } = await openStores(t, configuration([['secrets'], { aescbc: { keys } }]));
  await store.put(SECRET, Buffer.from('{"kind":"Secret"}'));
  const stored = (await inner.get(SECRET))?.value.subarray('k8s:enc:aescbc:v1:k:'.length) ?? Buffer.alloc(0);
  const file = path.join(await ownDirectory(t), 'stored');
  await writeFile(file, stored.subarray(16));
  const iv = stored.subarray(0, 16).toString('hex');
  const { stdout } = await run('openssl', [
    'enc',
    '-d',
    '-aes-256-cbc',
    '-K',
    key.toString('hex'),
    '-iv',
    iv,
    '-in',
    file,
  ]);
  t.equal(stdout, '{"kind":"Secret"}');

  // The example of https://nacl.cr.yp.to/secretbox.html, from NaCl's own tests.
  const hex = (text: string): Buffer => Buffer.from(text, 'hex');
  const box = PROVIDERS.get('secretbox')?.open(hex('1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389'));
  const nonce = hex('69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37');
  const sealed = hex(
    'f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5',
  );
  const opened = box?.decrypt(Buffer.concat([nonce, sealed]), Buffer.alloc(0));
  t.equal(opened?.subarray(0, 8).toString('hex'), 'be075fc53c81f2d5');
  t.equal(opened?.length, 131);
});

test('what is stored elsewhere, changed, cut short or made with another key is not read, and says why', async (t) => {
  for (const provider of PROVIDERS.keys()) {
    const { store, inner } = await openStores(t, configuration([['secrets'], keyed(provider, 'one')]));
    await store.put(SECRET, Buffer.from('x'.repeat(100)));
    const stored = (await inner.get(SECRET))?.value ?? Buffer.alloc(0);
    const head = `k8s:enc:${provider}:v1:one:`.length;
    const flipped = Buffer.from(stored);
    const last = flipped.length - 1;
    flipped.writeUInt8(flipped.readUInt8(last) ^ 0xff, last);
    const broken: readonly (readonly [string, Buffer])[] = [
      ['cut short', stored.subarray(0, stored.length - 1)],
      ['cut to nothing', stored.subarray(0, head)],
      ['cut within the name', stored.subarray(0, head - 3)],
      ['changed', flipped],
      ['of another key', Buffer.concat([Buffer.from(`k8s:enc:${provider}:v1:other:`), stored.subarray(head)])],
      ['of a provider that is not there', Buffer.concat([Buffer.from('k8s:enc:kms:v2:x:'), stored.subarray(head)])],
      ['not encrypted', Buffer.from('{"kind":"Secret"}')],
    ];
    for (const [what, value] of broken) {
      await inner.put('/registry/core/secrets/default/b', value);
      const { items } = await store.list('/registry/core/secrets/');
      t.match(
        items,
        [
          { value: Buffer.from('x'.repeat(100)) },
          { unreadable: /^unable to transform key "\/registry\/core\/secrets\/default\/b": / },
        ],
        what,
      );
      t.equal(items[1]?.value.length, 0);
    }
    if (provider !== 'aesgcm') continue;
    await inner.put('/registry/core/secrets/kube-system/a', stored);
    t.match(
      await store.get('/registry/core/secrets/kube-system/a'),
      { unreadable: /unable to transform/ },
      'copied to another place',
    );
  }
});

/** Resources of a configuration, a key, and whether it is encrypted. */
const NAMED: readonly (readonly [string[], string, boolean])[] = [
  [['secrets'], 'core/secrets/a/b', true],
  [['secrets'], 'core/configmaps/a/b', false],
  [['secrets'], 'example.com/secrets/a/b', false],
  [['widgets.example.com'], 'example.com/widgets/a/b', true],
  [['*.'], 'core/pods/a/b', true],
  [['*.'], 'apps/deployments/a/b', false],
  [['*.apps'], 'apps/deployments/a/b', true],
  [['*.apps'], 'core/pods/a/b', false],
  [['*.*'], 'apps/deployments/a/b', true],
  [['*.*'], 'core/pods/a/b', true],
];

test('resources are named as upstream has them, with wildcards, and the first entry counts', async (t) => {
  for (const [names, key, expected] of NAMED) {
    const { store, inner } = await openStores(t, configuration([names, keyed('aesgcm', 'one')]));
    await store.put(`/registry/${key}`, Buffer.from('{}'));
    const stored = (await inner.get(`/registry/${key}`))?.value.toString() ?? '';
    t.equal(stored.startsWith('k8s:enc:'), expected, `${names.join()} ${key}`);
  }
  const { store, inner } = await openStores(
    t,
    configuration([['secrets'], { identity: {} }], [['*.*'], keyed('aesgcm', 'one')]),
  );
  await store.put(SECRET, Buffer.from('{}'));
  t.equal((await inner.get(SECRET))?.value.toString(), '{}');
});

const plugin = (more: object): object => ({
  kms: { apiVersion: 'v2', name: 'vault', endpoint: 'unix:///run/kms.sock', ...more },
});

const WRONG: readonly (readonly [string, RegExp])[] = [
  [configuration(), /resources: Required value/],
  [configuration([[], keyed('aesgcm', 'one')]), /resources\[0\]\.resources: Required/],
  [configuration([['secrets']]), /providers cannot be empty/],
  [configuration([['secrets'], {}]), /exactly one of/],
  [configuration([['secrets'], { ...keyed('aesgcm', 'one'), identity: {} }]), /exactly one of/],
  [configuration([['secrets'], { kms: { name: 'x' } }]), /kms\.apiVersion: Forbidden: only plugins of version v2/],
  [configuration([['secrets'], plugin({ name: 'a:b' })]), /kms\.name: .*must not contain ':'/],
  [configuration([['secrets'], plugin({ endpoint: undefined })]), /kms\.endpoint: Required value/],
  [configuration([['secrets'], plugin({ endpoint: 'tcp://1.2.3.4:5' })]), /kms\.endpoint: .*must be a socket/],
  [configuration([['secrets'], plugin({ timeout: '-1s' })]), /kms\.timeout: .*positive/],
  [
    configuration([['secrets'], plugin({})], [['configmaps'], plugin({})]),
    /resources\[1\].*kms\.name: Duplicate value/,
  ],
  [configuration([['secrets'], { aesgcm: { keys: [] } }]), /at least one key is required/],
  [
    configuration([['secrets'], { aesgcm: { keys: [{ name: 'a', secret: 'c2hvcnQ=' }] } }]),
    /"REDACTED": secret is not of the expected length/,
  ],
  [
    configuration([['secrets'], { aesgcm: { keys: [{ name: 'a', secret: '!' }] } }]),
    /"REDACTED": secret must be base64 encoded/,
  ],
  [configuration([['secrets'], { aesgcm: { keys: [{ name: 'a:b', secret: secret() }] } }]), /must not contain a colon/],
  [configuration([['secrets'], keyed('aesgcm', 'one', 'one')]), /keys\[1\]\.name: Duplicate value/],
  [configuration([['*'], keyed('aesgcm', 'one')]), /use '\*\.'/],
  [configuration([['*.*'], keyed('aesgcm', 'one')], [['secrets'], { identity: {} }]), /masked by earlier rule \*\.\*/],
  ['kind: EncryptionConfig', /must have apiVersion/],
];

test('a configuration that is wrong is refused, and no message has a key', (t) => {
  for (const [text, message] of WRONG) {
    t.throws(() => readEncryptionConfiguration(text), { name: 'SettingValueError', message });
    const told = ((): string => {
      try {
        readEncryptionConfiguration(text);
        return '';
      } catch (error) {
        return (error as Error).message;
      }
    })();
    for (const key of KEYS.values()) t.notOk(told.includes(key));
  }
  t.end();
});

test('keys turn while the server runs: what uses an old one is known, and stored again', async (t) => {
  const { store, inner } = await openStores(t, configuration([['secrets'], { identity: {} }]));
  const put = (index: number): Promise<number> =>
    store.put(`/registry/core/secrets/default/s-${index}`, Buffer.from('{}'));
  // More than one page of the store.
  await Promise.all(Array.from({ length: 700 }, (_, index) => put(index)));
  await store.put('/registry/core/configmaps/default/c', Buffer.from('{}'));
  await store.reconfigure(configuration([['secrets'], keyed('aesgcm', 'one'), { identity: {} }]));
  t.match(await store.status(signal), {
    entries: [{ resources: ['secrets'], writes: 'aesgcm:one', reads: ['aesgcm:one', 'identity'] }],
    objects: { identity: 701 },
    stale: { count: 700 },
    unreadable: [],
  });
  t.same(await store.reencrypt(signal), { reencrypted: 700, isComplete: true });
  await store.reconfigure(configuration([['secrets'], keyed('aescbc', 'two'), keyed('aesgcm', 'one')]));
  await store.put('/registry/core/secrets/default/s-0', Buffer.from('{}'));
  t.match(await store.status(signal), {
    objects: { 'aescbc:two': 1, 'aesgcm:one': 699, identity: 1 },
    stale: { count: 699 },
  });
  t.same(await store.reencrypt(signal), { reencrypted: 699, isComplete: true });
  t.same(await store.reencrypt(signal), { reencrypted: 0, isComplete: true });
  await t.rejects(store.reconfigure(configuration([['secrets'], {}])), { name: 'SettingValueError' });
  t.match(await store.status(signal), { objects: { 'aescbc:two': 700 } }, 'a wrong one changes nothing');
  t.equal((await inner.get('/registry/core/configmaps/default/c'))?.value.toString(), '{}');
});

test('a server serves what is encrypted; one object that cannot be read is an error of its own', async (t) => {
  const { store, inner } = await openStores(t, configuration([['secrets'], keyed('secretbox', 'one')]));
  const bad = '/registry/core/secrets/other/bad';
  await inner.put(bad, Buffer.from('k8s:enc:secretbox:v1:gone:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'));
  await using server = await TestServer.start({ store });
  for (const name of ['default', 'other']) await server.core.api.create(namespaces, { metadata: { name } });
  const path = '/api/v1/namespaces/default/secrets';
  const body = { metadata: { name: 'a' }, stringData: { password: 'hunter2' } };
  t.equal((await server.call('POST', path, { body })).status, 201);
  t.match((await server.call('GET', `${path}/a`)).body, {
    data: { password: Buffer.from('hunter2').toString('base64') },
  });
  t.equal((await server.call('GET', path)).body.items?.length, 1);
  const [event] = await Array.fromAsync({
    [Symbol.asyncIterator]: () => server.watch(`${path}?watch=1&timeoutSeconds=1`),
  });
  t.match(event, { type: 'ADDED', object: { metadata: { name: 'a' } } });
  t.notOk((await inner.get('/registry/core/secrets/default/a'))?.value.includes('aHVudGVyMg'));

  const others = '/api/v1/namespaces/other/secrets';
  const why = `Internal error occurred: unable to transform key "${bad}": no matching prefix found`;
  t.match(await server.call('GET', `${others}/bad`), { status: 500, body: { message: why } });
  t.match(await server.call('GET', others), { status: 500, body: { message: why } }, 'a list is whole or an error');
  t.match(await server.call('PUT', `${others}/bad`, { body: { metadata: { name: 'bad' } } }), {
    status: 500,
    body: { message: why },
  });
  t.match(await server.call('POST', others, { body: { metadata: { name: 'bad' } } }), {
    status: 409,
    body: { reason: 'AlreadyExists' },
  });
  t.match(await server.call('DELETE', `${others}/bad`), { status: 500, body: { message: why } });
  t.match(await server.call('GET', `${others}/none`), { status: 404 }, 'others are not concerned');
  t.equal((await server.call('POST', others, { body: { metadata: { name: 'good' } } })).status, 201);
  t.equal((await server.call('GET', `${others}/good`)).status, 200);
});

test('a new key goes in front of the others, and comments stay', (t) => {
  const text = `# ours
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets] # and no others
    providers:
      - aesgcm:
          keys:
            - name: one
              secret: ${secret()}
      - identity: {}
`;
  const changed = withNewKey(text, 'two', secret(), 'first');
  t.match(changed, /^# ours\n/);
  t.match(changed, /# and no others/);
  const [entry] = readEncryptionConfiguration(changed).resources ?? [];
  t.same(
    entry?.providers?.[0]?.aesgcm?.keys?.map(({ name }) => name),
    ['two', 'one'],
  );
  t.throws(
    () => withNewKey(configuration([['secrets'], { identity: {} }]), 'two', secret(), 'first'),
    /no entry has a key/,
  );
  t.end();
});
