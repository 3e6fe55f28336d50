import { createPublicKey } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type Test } from 'tap';
import { requestRotation } from '../../../control-plane/pki/ca-rotation.ts';
import { openPki, type ClusterPki } from '../../../control-plane/pki/cluster-pki.ts';

const NAMES = ['localhost'];

function folder(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'kedge-pki-'));
  t.teardown(() => rmSync(path, { recursive: true }));
  return path;
}

const publicPem = (pem: string): string => createPublicKey(pem).export({ type: 'spki', format: 'pem' }).toString();
const restart = (directory: string): Promise<ClusterPki> =>
  openPki({ directory, serverNames: NAMES, mayReplaceCa: true, store: 'the store' });

test('a new key signs, tokens of the one before are verified until it is dropped', async (t) => {
  const directory = folder(t);
  const before = await openPki({ directory, serverNames: NAMES });
  t.strictSame(before.otherServiceAccountKeys, []);
  await t.rejects(requestRotation(directory, 'drop-service-account-key'), /no service account key besides/);
  await requestRotation(directory, 'service-account-key');
  t.equal((await openPki({ directory, serverNames: NAMES })).serviceAccountKey, before.serviceAccountKey, 'at a start');
  const rotated = await restart(directory);
  t.not(rotated.serviceAccountKey, before.serviceAccountKey);
  t.strictSame(rotated.otherServiceAccountKeys, [publicPem(before.serviceAccountKey)]);
  t.same(await restart(directory), rotated, 'once');
  t.notMatch(
    readdirSync(directory).map((file) => readFileSync(join(directory, file), 'utf8')),
    before.serviceAccountKey,
    'the key before can sign no more',
  );
  t.equal(statSync(join(directory, 'sa.key')).mode & 0o777, 0o600);
  await t.rejects(requestRotation(directory, 'service-account-key'), /still valid.*--drop-service-account-key/);
  await requestRotation(directory, 'drop-service-account-key');
  t.strictSame((await restart(directory)).otherServiceAccountKeys, []);
  writeFileSync(join(directory, 'sa-previous.pub'), 'not a key');
  await t.rejects(restart(directory), /sa-previous\.pub has no valid PEM public key/);
});

test('servers that share a cluster verify the next key before it signs', async (t) => {
  const [one, two] = [folder(t), folder(t)];
  const before = await openPki({ directory: one, serverNames: NAMES });
  for (const file of readdirSync(one)) writeFileSync(join(two, file), readFileSync(join(one, file)));
  await requestRotation(one, 'next-service-account-key');
  const prepared = await restart(one);
  t.equal(prepared.serviceAccountKey, before.serviceAccountKey);
  const next = readFileSync(join(one, 'sa-next.key'), 'utf8');
  t.strictSame(prepared.otherServiceAccountKeys, [publicPem(next)]);
  writeFileSync(join(two, 'sa-next.key'), next);
  t.strictSame((await restart(two)).otherServiceAccountKeys, [publicPem(next)]);
  await requestRotation(one, 'service-account-key');
  t.equal((await restart(one)).serviceAccountKey, next);
  await requestRotation(two, 'service-account-key');
  const other = await restart(two);
  t.equal(other.serviceAccountKey, next);
  t.strictSame(other.otherServiceAccountKeys, [publicPem(before.serviceAccountKey)]);
});

test('a server that is killed at any moment of it has one key that signs, and all that were', async (t) => {
  const directory = folder(t);
  const before = await openPki({ directory, serverNames: NAMES });
  const old = new Map(readdirSync(directory).map((file) => [file, readFileSync(join(directory, file))]));
  await requestRotation(directory, 'next-service-account-key');
  await restart(directory);
  const next = readFileSync(join(directory, 'sa-next.key'), 'utf8');
  const previous = publicPem(before.serviceAccountKey);
  const states: Record<string, Record<string, string>> = {
    'the key is made': { 'sa-next.key': next },
    'the one before is kept': { 'sa-next.key': next, 'sa-previous.pub': previous },
    'it has taken its place': { 'sa.key': next, 'sa-previous.pub': previous },
  };
  for (const [state, files] of Object.entries(states)) {
    const at = folder(t);
    for (const [file, content] of old) writeFileSync(join(at, file), content);
    for (const [file, text] of Object.entries({ ...files, rotation: 'service-account-key\n' }))
      writeFileSync(join(at, file), text);
    const pki = await restart(at);
    t.equal(pki.serviceAccountKey, next, state);
    t.strictSame(pki.otherServiceAccountKeys, [previous], state);
    t.notOk(readdirSync(at).includes('rotation'), state);
  }
});
