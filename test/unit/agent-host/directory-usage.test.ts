import { execFileSync } from 'node:child_process';
import { link, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import t from 'tap';
import { DirectoryMeter } from '../../../agent/host/directory-usage.ts';

const { signal } = new AbortController();
const meter = new DirectoryMeter();
const KI = 1024;
const LEVELS = 60;
/** In a process of its own, each step by a name of its own: the whole path would be refused. */
const NEST = `
  const { mkdirSync, writeFileSync } = require('node:fs');
  process.chdir(process.argv[1]);
  for (let level = 0; level < Number(process.argv[2]); level++) {
    const name = 'd'.repeat(200);
    mkdirSync(name);
    process.chdir(name);
  }
  writeFileSync('file', Buffer.alloc(100 * 1024));
`;

t.test('what is nested deeper than any path is long is counted', async (t) => {
  const root = await mkdtemp(path.join(os.tmpdir(), 'kedge-test-deep-'));
  t.teardown(() => execFileSync('rm', ['-rf', root]));
  execFileSync(process.execPath, ['-e', NEST, root, String(LEVELS)]);
  const usage = await meter.usageOf(root, signal);
  t.equal(usage?.inodes, LEVELS + 2);
  t.ok(usage!.bytes >= 100 * KI);
});

t.test('a file with several links counts once, and what a link leads to does not', async (t) => {
  const root = t.testdir({ elsewhere: { large: 'x'.repeat(1000 * KI) }, volume: {} });
  const volume = path.join(root, 'volume');
  await writeFile(path.join(volume, 'file'), 'x'.repeat(64 * KI));
  await link(path.join(volume, 'file'), path.join(volume, 'again'));
  await symlink(path.join(root, 'elsewhere'), path.join(volume, 'out'));
  const usage = await meter.usageOf(volume, signal);
  t.equal(usage?.inodes, 3);
  t.ok(usage!.bytes >= 64 * KI && usage!.bytes < 128 * KI, `${usage!.bytes}`);
});

t.test('what comes and goes meanwhile does not keep the rest from being counted', async (t) => {
  const root = t.testdir({ file: 'x'.repeat(64 * KI) });
  let isOver = false;
  const churn = (async () => {
    while (!isOver) {
      await mkdir(path.join(root, 'a/b/c'), { recursive: true });
      await rm(path.join(root, 'a'), { recursive: true });
    }
  })();
  for (let round = 0; round < 20; round++) t.ok((await meter.usageOf(root, signal))!.bytes >= 64 * KI);
  isOver = true;
  await churn;
  t.equal(await meter.usageOf(path.join(root, 'gone'), signal), undefined);
});
