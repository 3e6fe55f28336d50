/** Huge pages of the kernel itself: file systems of them, and limits of cgroups. */
import { mkdtemp, readFile, rm, rmdir, mkdir, stat, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'tap';
import { cgroupTree } from '../../../agent/host/cgroup-tree.ts';
import { pageSizeName } from '../../../agent/host/huge-pages.ts';
import { readHugePages } from '../../../agent/host/meters.ts';
import { mountHugePages, readMounts, unmount } from '../../../agent/host/mounts.ts';

const { signal } = new AbortController();
const HUGETLBFS_MAGIC = 0x958458f6;
/** Without huge pages in the kernel there is nothing to test. */
const [smallestKib = 0] = [...(await readHugePages()).keys()].sort((a, b) => a - b);

test('a volume of huge pages is a file system of pages of that size', { skip: smallestKib === 0 }, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'kedge-huge-'));
  t.teardown(async () => {
    await unmount(directory, signal);
    await rm(directory, { recursive: true });
  });
  const pageBytes = smallestKib * 1024;
  await mountHugePages(directory, { pageBytes, sizeBytes: 4 * pageBytes, mode: 0o2777, group: 4711 }, signal);
  const { type, bsize, blocks } = await statfs(directory);
  t.match({ type, bsize, blocks }, { type: HUGETLBFS_MAGIC, bsize: pageBytes, blocks: 4 });
  const { mode, gid } = await stat(directory);
  t.same([(mode & 0o7777).toString(8), gid], ['2777', 4711]);
  await unmount(directory, signal);
  t.notOk((await readMounts()).some(({ mountPoint }) => mountPoint === directory));
});

const root = (await readMounts()).find(({ fsType }) => fsType === 'cgroup2')?.mountPoint ?? '';
const controllers = root === '' ? '' : await readFile(join(root, 'cgroup.controllers'), 'utf8');
const isLimitable = smallestKib > 0 && controllers.split(/\s/).includes('hugetlb');

test('a cgroup has the limits of huge pages that its pod asks for', { skip: !isLimitable }, async (t) => {
  const enabled = join(root, 'cgroup.subtree_control');
  const wasEnabled = (await readFile(enabled, 'utf8')).includes('hugetlb');
  const name = `kedge-test-${process.pid}`;
  t.teardown(async () => {
    await rmdir(join(root, name, 'pod'));
    await rmdir(join(root, name));
    if (!wasEnabled) await writeFile(enabled, '-hugetlb');
  });
  await mkdir(join(root, name, 'pod'), { recursive: true });
  const bytes = 3 * smallestKib * 1024;
  const size = pageSizeName(smallestKib * 1024);
  const tree = cgroupTree(`1 2 0:3 / ${root} rw - cgroup2 cgroup2 rw\n`);
  await tree.limitHugePages(`/${name}/pod`, new Map([[size, bytes]]));
  const limit = async (file: string) => (await readFile(join(root, name, 'pod', file), 'utf8')).trim();
  t.equal(await limit(`hugetlb.${size}.max`), String(bytes));
  await tree.limitHugePages(`/${name}/pod`, new Map());
  t.equal(await limit(`hugetlb.${size}.max`), '0');
});
