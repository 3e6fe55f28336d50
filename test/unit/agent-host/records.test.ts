import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { readRecord } from '../../../agent/host/files.ts';
import { MountRecords } from '../../../agent/volumes/framework/mount-records.ts';
import { restoreKernel } from '../../../agent/network/services/kernel-tuning.ts';

const ignore = (): void => undefined;
const logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
const DAMAGED = ['', '{"type":', '\0\0\0\0', 'null', '[]', '"text"', '7'];

t.test('what is left of a record is known as damaged, whatever it is', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'records-'));
  t.teardown(() => rm(root, { recursive: true }));
  const path = join(root, 'record.json');
  t.equal(await readRecord(path), undefined, 'none');
  await writeFile(path, '{"a":"b"}');
  t.strictSame(await readRecord(path), new Map([['a', 'b']]));
  for (const text of DAMAGED) {
    await writeFile(path, text);
    await t.rejects(readRecord(path), { name: 'DamagedRecord' }, JSON.stringify(text));
  }
  await mkdir(join(root, 'directory.json'));
  await t.rejects(readRecord(join(root, 'directory.json')), { name: 'DamagedRecord' }, 'a directory');
});

t.test('damaged mount records of one pod do not hide the records of others', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'records-'));
  t.teardown(() => rm(root, { recursive: true }));
  const options = { podsDirectory: join(root, 'pods'), stagingDirectory: join(root, 'staging'), logger };
  const records = new MountRecords(options);
  const good = { type: 'nfs', podUID: 'good', volume: 'data', attributes: {}, stageKey: '/export' };
  await records.writePublished(good);
  const mounts = join(root, 'pods', 'damaged', 'mounts');
  await mkdir(join(mounts, 'directory.json'), { recursive: true });
  for (const [index, text] of DAMAGED.entries()) await writeFile(join(mounts, `v${index}.json`), text);
  t.strictSame(await records.allPublished(), [good]);
});

t.test('kernel settings are not restored from what is no record of them', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'records-'));
  t.teardown(() => rm(root, { recursive: true }));
  for (const text of [...DAMAGED, '{"net.ipv4.ip_forward":1}']) {
    await writeFile(join(root, 'kernel-settings.json'), text);
    await t.rejects(restoreKernel(root), { name: 'DamagedRecord' }, JSON.stringify(text));
  }
});
