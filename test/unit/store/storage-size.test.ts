import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { test } from 'tap';
import { sizeOfFile, storageSizeMetric } from '../../../control-plane/store/storage-size.ts';
import { Log } from '../../support/log.ts';

test('the size of the store is what it has of the disk, under the name of upstream', async (t) => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'kedge-storage-size-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const file = path.join(folder, 'data.mdb');
  await writeFile(file, Buffer.alloc(1_000_000, 1));
  const text = await storageSizeMetric(sizeOfFile(file), new Log());
  const [, size] = /^apiserver_storage_size_bytes\{storage_cluster_id="embedded-0"\} (\d+)$/m.exec(text) ?? [];
  t.ok(Number(size) >= 1_000_000, `${size} bytes`);
  t.ok(Number(size) < 1_100_000, `${size} bytes`);
  t.equal(
    await storageSizeMetric(sizeOfFile(path.join(folder, 'none')), new Log()),
    '',
    'what is scraped with it is written',
  );
});
