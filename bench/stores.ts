/** The same requests to a server on etcd and to one on the embedded store, with both on the same disk. */
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Etcd } from '../test/support/etcd.ts';
import { BenchServer, createNamespace, type BenchServerOptions } from './bench-server.ts';
import { createPods, getPods, listPods, NAMESPACE, patchStatus } from './pods.ts';
import type { Report } from './report.ts';

const RUNS = 3;
const BATCH = 1_000;
const GETS = 6_000;
const LISTS = 20;
const PATCHES = 2_000;

export async function measureStores(
  report: Report,
  options: BenchServerOptions,
  running: AsyncDisposableStack,
): Promise<void> {
  const onEtcd = ['etcdCreate', 'etcdGet', 'etcdList', 'etcdPatch'] as const;
  const onEmbedded = ['embeddedCreate', 'embeddedGet', 'embeddedList', 'embeddedPatch'] as const;
  if (report.wants(...onEtcd)) {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'kedge-bench-etcd-'));
    running.defer(() => rm(directory, { recursive: true, force: true }));
    const etcd = running.use(await Etcd.start({ directory: path.join(directory, 'etcd') }));
    await measureStore(report, { ...options, settings: { store: 'etcd', 'etcd-servers': etcd.url } }, onEtcd);
  }
  if (report.wants(...onEmbedded)) await measureStore(report, options, onEmbedded);
}

type Ids =
  | readonly ['etcdCreate', 'etcdGet', 'etcdList', 'etcdPatch']
  | readonly ['embeddedCreate', 'embeddedGet', 'embeddedList', 'embeddedPatch'];

async function measureStore(
  report: Report,
  options: BenchServerOptions,
  [create, get, list, patch]: Ids,
): Promise<void> {
  await using server = await BenchServer.start(options);
  const { target, pid } = server;
  const own = [process.pid, pid];
  await createNamespace(target, NAMESPACE);
  // Warm-up, not counted: the server's code is compiled while it runs.
  await createPods(target, 0, BATCH);
  let pods = BATCH;
  await report.repeat(RUNS, own, async () => {
    const { perSecond } = await createPods(target, pods, BATCH);
    pods += BATCH;
    return { [create]: perSecond };
  });
  await getPods(target, pods, GETS / 3);
  await report.repeat(RUNS, own, async () => ({ [get]: (await getPods(target, pods, GETS)).perSecond }));
  await report.repeat(RUNS, own, async () => ({ [list]: (await listPods(target, LISTS)).perSecond }));
  await patchStatus(target, pods, PATCHES / 3);
  await report.repeat(RUNS, own, async () => ({ [patch]: (await patchStatus(target, pods, PATCHES)).perSecond }));
}
