/** Files of a backup: what is written is read again, and whatever is done to a file is found. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { readArchive, writeArchive } from '../../../control-plane/backup/archive/archive-file.ts';
import type { BackupSecret } from '../../../control-plane/backup/archive/envelope.ts';
import { writeTar, type ArchiveEntry } from '../../../control-plane/backup/archive/tar.ts';
import { BackupError } from '../../../control-plane/backup/backup-error.ts';
import { maxPartBytes } from '../../../control-plane/backup/parts.ts';

const KEY: BackupSecret = { key: randomBytes(32) };
const NOW = Date.parse('2026-11-30T12:00:00Z');

async function folder(t: Test): Promise<string> {
  const made = await mkdtemp(path.join(os.tmpdir(), 'kedge-archive-'));
  t.teardown(() => rm(made, { recursive: true, force: true }));
  return made;
}

async function* listed(entries: readonly ArchiveEntry[]): AsyncGenerator<ArchiveEntry> {
  yield* entries;
}

/** Some parts, with bytes that cannot be compressed: several chunks of the cipher. */
const PARTS: readonly ArchiveEntry[] = [
  { name: 'header.json', content: Buffer.from('{}') },
  { name: 'pki/ca.key', content: randomBytes(1000) },
  { name: 'objects/000001.jsonl', content: randomBytes(150_000) },
  { name: 'manifest.json', content: Buffer.alloc(0) },
];

const write = (file: string, secret: BackupSecret | undefined, entries = PARTS): Promise<void> =>
  writeArchive(file, listed(entries), { secret, now: NOW, signal: AbortSignal.timeout(30_000) });

const read = (file: string, secret: BackupSecret | undefined, limit = maxPartBytes): Promise<ArchiveEntry[]> =>
  Array.fromAsync(readArchive(file, secret, limit));

async function refusal(reading: Promise<unknown>): Promise<string> {
  try {
    await reading;
  } catch (error) {
    if (error instanceof BackupError) return error.message;
    throw error;
  }
  return 'no error';
}

for (const [name, secret] of [
  ['plain', undefined],
  ['with a key', KEY],
  ['with a passphrase', { passphrase: 'correct horse battery' }],
] as const) {
  t.test(`${name}: the parts are the same again, and the file is its owner's alone`, async (t) => {
    const file = path.join(await folder(t), 'one');
    await write(file, secret);
    t.strictSame(await read(file, secret), PARTS);
    t.equal((await stat(file)).mode & 0o777, 0o600);
    t.strictSame(await readdir(path.dirname(file)), ['one'], 'nothing is left besides');
    if (secret) t.notOk((await readFile(file)).includes('pki/ca.key'), 'not even names can be read');
  });
}

for (const [name, secret] of [
  ['plain', undefined],
  ['encrypted', KEY],
] as const) {
  t.test(`${name}: a file that is cut off anywhere, or has one bit flipped, is refused in one sentence`, async (t) => {
    const directory = await folder(t);
    const file = path.join(directory, 'one');
    await write(file, secret);
    const good = await readFile(file);
    const other = path.join(directory, 'other');
    for (let step = 0; step < 36; step++) {
      const at = step < 16 ? step * 6 : Math.floor((good.length * (step - 16)) / 20);
      await writeFile(other, good.subarray(0, at));
      t.match(await refusal(read(other, secret)), /^\/\S+:? [^\n]*$/, `cut off at ${at}`);
      const flipped = Buffer.from(good);
      flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << (step % 8)), at);
      await writeFile(other, flipped);
      const said = await refusal(read(other, secret).then((found) => t.strictSame(found, PARTS)));
      // Of what is not encrypted, bits of zstd's frame may mean nothing.
      if (secret) t.match(said, /^\/\S+:? [^\n]*$/, `flipped at ${at}`);
      else t.match(said, /^(no error|\/\S+:? [^\n]*)$/, `flipped at ${at}`);
    }
  });
}

t.test('chunks of an encrypted file that are left out, doubled, swapped or added are refused', async (t) => {
  const directory = await folder(t);
  const file = path.join(directory, 'one');
  await write(file, KEY);
  const good = await readFile(file);
  const start = good.indexOf('\n', good.indexOf('\n') + 1) + 1;
  const size = 64 * 1024 + 16;
  const [head, first, second, rest] = [
    good.subarray(0, start),
    good.subarray(start, start + size),
    good.subarray(start + size, start + 2 * size),
    good.subarray(start + 2 * size),
  ];
  t.ok(rest.length > 0, 'there are three chunks');
  for (const parts of [
    [head, second, rest],
    [head, first, rest],
    [head, first, first, second, rest],
    [head, second, first, rest],
    [head, first, second],
    [head, first, second, rest, rest],
    [head],
  ]) {
    await writeFile(file, Buffer.concat(parts));
    t.match(await refusal(read(file, KEY)), /damaged|another one/);
  }
});

t.test('another key, another passphrase, or the wrong kind of secret is said', async (t) => {
  const directory = await folder(t);
  const [keyed, phrased] = [path.join(directory, 'keyed'), path.join(directory, 'phrased')];
  await write(keyed, KEY);
  await write(phrased, { passphrase: 'correct horse battery' });
  t.match(await refusal(read(keyed, { key: randomBytes(32) })), /passphrase or key is another one/);
  t.match(await refusal(read(phrased, { passphrase: 'correct horse' })), /passphrase or key is another one/);
  t.match(await refusal(read(keyed, { passphrase: 'correct horse' })), /with a key file, not with a passphrase/);
  t.match(await refusal(read(phrased, KEY)), /with a passphrase, not with a key file/);
  t.match(await refusal(read(keyed, undefined)), /is encrypted: give --key-file/);
  const none = path.join(directory, 'none');
  t.equal(await refusal(read(none, KEY)), `${none} cannot be opened: ENOENT: no such file or directory`);
});

t.test('a header that would take much memory or time is refused before anything is derived', async (t) => {
  const directory = await folder(t);
  const file = path.join(directory, 'one');
  for (const cost of [
    { N: 2 ** 30, r: 8, p: 1 },
    { N: 2 ** 14, r: 2 ** 20, p: 1 },
    { N: 2 ** 14, r: 8, p: 1000 },
    { N: 3, r: 8, p: 1 },
    { N: -2, r: -8, p: 1 },
  ]) {
    const header = { cipher: 'aes-256-gcm', kdf: 'scrypt', salt: randomBytes(32).toString('base64'), ...cost };
    const text = JSON.stringify({ ...header, prefix: randomBytes(7).toString('base64') });
    await writeFile(file, `kedge-backup-encrypted-1\n${text}\n${'x'.repeat(100)}`);
    t.match(await refusal(read(file, { passphrase: 'correct horse' })), /does not say how it is encrypted/);
  }
});

/** A file of a tar that has been changed, as an attacker would make it. */
async function hostile(
  directory: string,
  change: (tar: Buffer) => Buffer,
  entries: readonly ArchiveEntry[],
): Promise<string> {
  const file = path.join(directory, 'hostile');
  await writeFile(file, zstdCompressSync(change(Buffer.concat(await Array.fromAsync(writeTar(listed(entries), NOW))))));
  return file;
}

t.test('parts that would be files elsewhere, links, or larger than any are refused', async (t) => {
  const directory = await folder(t);
  const same = (tar: Buffer): Buffer => tar;
  for (const name of [
    '../../etc/passwd',
    '/etc/passwd',
    'pki/../../x',
    'pki/.ssh',
    'pki/a/b',
    'pki/',
    'settings/..',
    'objects/1.jsonl',
    'header.json\n',
    '',
  ]) {
    const file = await hostile(directory, same, [{ name, content: Buffer.from('x') }]);
    t.match(await refusal(read(file, undefined)), /part that none has/, name);
  }
  /** A header with a right sum. */
  const changed =
    (at: number, text: string) =>
    (tar: Buffer): Buffer => {
      tar.write(text, at, 'latin1');
      tar.fill(' ', 148, 156);
      const sum = tar.subarray(0, 512).reduce((total, byte) => total + byte, 0);
      tar.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
      return tar;
    };
  const entries = [{ name: 'pki/ca.crt', content: Buffer.from('x') }];
  for (const type of ['1', '2', '3', '5', 'L', 'x', 'g'])
    t.match(await refusal(read(await hostile(directory, changed(156, type), entries), undefined)), /no part of one/);
  const huge = await hostile(directory, changed(124, '77777777777'), entries);
  t.match(await refusal(read(huge, undefined)), /would have more than/);
  t.match(
    await refusal(read(await hostile(directory, (tar) => Buffer.concat([tar, Buffer.alloc(512)]), entries), undefined)),
    /something follows its end/,
  );
});

t.test('a small file that unpacks to gigabytes is not read to its end', async (t) => {
  const directory = await folder(t);
  const file = path.join(directory, 'bomb');
  const content = Buffer.alloc(30 * 2 ** 20);
  const entries = Array.from({ length: 3 }, (_, index) => ({ name: `objects/00000${index + 1}.jsonl`, content }));
  await write(file, undefined, entries);
  t.ok((await stat(file)).size < 100_000);
  t.match(await refusal(read(file, undefined)), /unpacks to far more/);
});

t.test('a name that is taken stays as it is, and a failure leaves nothing', async (t) => {
  const directory = await folder(t);
  const file = path.join(directory, 'one');
  await writeFile(file, 'mine');
  t.match(await refusal(write(file, undefined)), /exists already/);
  t.equal(await readFile(file, 'utf8'), 'mine');
  // eslint-disable-next-line require-yield -- it fails before its first entry
  const failing = async function* (): AsyncGenerator<ArchiveEntry> {
    throw new BackupError('the source has gone');
  };
  const options = { secret: undefined, now: NOW, signal: AbortSignal.timeout(30_000) };
  t.match(await refusal(writeArchive(path.join(directory, 'two'), failing(), options)), /the source has gone/);
  t.strictSame(await readdir(directory), ['one']);
});
