/** What a backup says of itself is compared with what is in it. */
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import t, { type Test } from 'tap';
import { writeArchive } from '../../../control-plane/backup/archive/archive-file.ts';
import type { ArchiveEntry } from '../../../control-plane/backup/archive/tar.ts';
import { MAX_PARTS, objectsPart } from '../../../control-plane/backup/parts.ts';
import { readBackup } from '../../../control-plane/backup/read-backup.ts';
import { encodeRecord } from '../../../control-plane/backup/records.ts';
import { sumOf } from '../../../control-plane/backup/write-backup.ts';

const HEADER = {
  ...{ formatVersion: 1, kedgeVersion: '1.0.0', createdAt: '2026-11-30T12:00:00Z' },
  ...{ caHash: `sha256:${'0'.repeat(64)}`, home: 'embedded', root: '/registry/' },
};
const VALUE = Buffer.from('{}');

/** A backup of one object, whose sums are right. */
async function made(t: Test, revision: number, ofObject: number, before: readonly ArchiveEntry[] = []) {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'kedge-read-backup-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const content = encodeRecord({ key: '/registry/core/pods/a/b', revision: ofObject, value: VALUE });
  const parts = [
    { name: 'header.json', content: Buffer.from(JSON.stringify(HEADER)) },
    ...before,
    { name: objectsPart(before.length + 1), content },
  ];
  const manifest = {
    ...{ ...HEADER, clusterId: '', revision, objects: 1, bytes: VALUE.length, encryptedValues: 0 },
    ...{ kinds: {}, missing: [], parts: parts.map(sumOf) },
  };
  const file = path.join(folder, 'backup');
  const entries = async function* (): AsyncGenerator<ArchiveEntry> {
    yield* parts;
    yield { name: 'manifest.json', content: Buffer.from(JSON.stringify(manifest)) };
  };
  await writeArchive(file, entries(), { secret: undefined, now: 0, signal: new AbortController().signal });
  return readBackup(file, undefined, {});
}

t.test('no object is newer than the revision, and revisions leave room for those above', async (t) => {
  t.match(await made(t, 7, 7), { revision: 7, objects: 1 });
  await t.rejects(made(t, 7, 8), /objects that are newer than its revision/);
  await t.rejects(made(t, Number.MAX_SAFE_INTEGER, 7), /its manifest is none/);
});

t.test('a backup of very many empty parts is not read to its end', async (t) => {
  const empty = Array.from({ length: MAX_PARTS }, (_, index) => ({
    name: objectsPart(index + 1),
    content: Buffer.alloc(0),
  }));
  await t.rejects(made(t, 7, 7, empty), new RegExp(`more than ${MAX_PARTS} parts`));
});
