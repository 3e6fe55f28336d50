import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'tap';
import { cgroupTree } from '../../../agent/host/cgroup-tree.ts';
import { hugePageLimitFiles, pageSizeName, pageSizeOf } from '../../../agent/host/huge-pages.ts';
import { containerResources, podLimits } from '../../../agent/resources/compute.ts';
import { hugePageBytes } from '../../../agent/volumes/framework/huge-page-medium.ts';
import type { Container, Pod, PodSpec } from '../../../api/types/core/v1.gen.ts';

const MI = 2 ** 20;
const GI = 2 ** 30;
const host = {
  memoryCapacityBytes: 4 * GI,
  lowestOomScoreAdj: -1000,
  cgroupVersion: 2,
  pageSizes: [2 * MI, GI],
} as const;

const asking = (amounts: Record<string, string>, name = 'c'): Container => {
  const all = { cpu: '1', memory: '1Gi', ...amounts };
  return { name, image: 'i', resources: { limits: all, requests: all } };
};
const podOf = (spec: Partial<PodSpec>): Pod => ({ metadata: { uid: 'u' }, spec: { containers: [], ...spec } });

test('sizes of pages have the names that the kernel gives them', async (t) => {
  for (const [bytes, name] of [
    [64 * 1024, '64KB'],
    [2 * MI, '2MB'],
    [512 * MI, '512MB'],
    [GI, '1GB'],
    [16 * GI, '16GB'],
  ] as const)
    t.equal(pageSizeName(bytes), name);
  t.equal(pageSizeOf('hugepages-2Mi'), 2 * MI);
  for (const other of ['memory', 'hugepages-', 'hugepages-x', 'x.com/hugepages-2Mi'])
    t.equal(pageSizeOf(other), undefined, other);
});

test('a container has no huge pages but those of its limits', async (t) => {
  const limitsOf = (spec: Partial<PodSpec>) =>
    containerResources(podOf(spec), spec.containers?.[0] ?? asking({}), host).hugepageLimits;
  t.same(limitsOf({ containers: [asking({})] }), [
    { pageSize: '2MB', limit: 0 },
    { pageSize: '1GB', limit: 0 },
  ]);
  t.match(limitsOf({ containers: [asking({ 'hugepages-2Mi': '64Mi' })] }), [{ limit: 64 * MI }, { limit: 0 }]);
  const pod = { resources: { limits: { 'hugepages-2Mi': '32Mi', 'hugepages-1Gi': '1Gi' } } };
  t.match(limitsOf({ ...pod, containers: [asking({ 'hugepages-2Mi': '4Mi' })] }), [{ limit: 4 * MI }, { limit: GI }]);
  t.notOk(containerResources(podOf({}), asking({}), { ...host, pageSizes: [] }).hugepageLimits, 'a kernel without');
});

test('a pod has what its containers have together, or its own', async (t) => {
  const sizes = (spec: Partial<PodSpec>) => Object.fromEntries(podLimits(podOf(spec)).hugePages ?? []);
  const containers = [asking({ 'hugepages-2Mi': '4Mi' }), asking({ 'hugepages-2Mi': '6Mi', 'hugepages-1Gi': '1Gi' })];
  t.same(sizes({ containers }), { '2MB': 10 * MI, '1GB': GI });
  t.same(sizes({ containers, initContainers: [asking({ 'hugepages-2Mi': '64Mi' })] }), { '2MB': 64 * MI, '1GB': GI });
  t.same(sizes({ containers: [asking({})], resources: { limits: { 'hugepages-2Mi': '8Mi' } } }), { '2MB': 8 * MI });
  t.same(sizes({ containers: [asking({})] }), {});
});

test('a cgroup is limited in every size of pages, what is reserved included', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'kedge-hugetlb-'));
  t.teardown(() => rm(root, { recursive: true }));
  const files = ['hugetlb.2MB.max', 'hugetlb.2MB.rsvd.max', 'hugetlb.1GB.max'];
  const others = ['hugetlb.2MB.current', 'hugetlb.2MB.events', 'memory.max'];
  await mkdir(join(root, 'pods/pod'), { recursive: true });
  for (const cgroup of ['', 'pods']) {
    await writeFile(join(root, cgroup, 'cgroup.controllers'), 'memory hugetlb\n');
    await writeFile(join(root, cgroup, 'cgroup.subtree_control'), '\n');
  }
  for (const file of [...files, ...others]) await writeFile(join(root, 'pods/pod', file), 'max');
  const tree = cgroupTree(`1 2 0:3 / ${root} rw - cgroup2 cgroup2 rw\n`);
  await tree.limitHugePages('/pods/pod', new Map([['2MB', 4 * MI]]));
  const written = (file: string) => readFile(join(root, file), 'utf8');
  t.equal(await written('pods/pod/hugetlb.2MB.max'), String(4 * MI));
  t.equal(await written('pods/pod/hugetlb.2MB.rsvd.max'), String(4 * MI));
  t.equal(await written('pods/pod/hugetlb.1GB.max'), '0');
  for (const file of others) t.equal(await written(`pods/pod/${file}`), 'max');
  for (const cgroup of ['', 'pods/'])
    t.equal(await written(`${cgroup}cgroup.subtree_control`), '+hugetlb', 'systemd leaves the controller out');
  t.same(hugePageLimitFiles(['hugetlb.2MB.limit_in_bytes', 'hugetlb.2MB.rsvd.limit_in_bytes', 'tasks']), [
    { file: 'hugetlb.2MB.limit_in_bytes', size: '2MB' },
    { file: 'hugetlb.2MB.rsvd.limit_in_bytes', size: '2MB' },
  ]);
});

test('an emptyDir has pages of the size that its pod requests', async (t) => {
  const two = podOf({ containers: [asking({ 'hugepages-2Mi': '4Mi' })] });
  const both = podOf({ containers: [asking({ 'hugepages-2Mi': '4Mi', 'hugepages-1Gi': '1Gi' })] });
  t.equal(hugePageBytes('HugePages', two), 2 * MI);
  t.equal(hugePageBytes('HugePages-2048Ki', two), 2 * MI);
  t.equal(hugePageBytes('HugePages-1Gi', both), GI);
  t.throws(() => hugePageBytes('HugePages', both), /can't be used if container requests multiple huge page sizes/);
  t.throws(() => hugePageBytes('HugePages-1Gi', two), /there is no resource request for huge pages/);
  t.throws(() => hugePageBytes('HugePages', podOf({ containers: [asking({})] })), /there is no resource request/);
  t.throws(() => hugePageBytes('HugePages-2Mi,mode=0', two), /unknown storage medium/);
  for (const size of ['', 'x', '2Mi 2Mi', '0x2', '-2Mi', '2Mi\n'])
    t.throws(() => hugePageBytes(`HugePages-${size}`, two), size);
});
