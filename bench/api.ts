/** Throughput of the server alone, over TLS: creates, gets, lists, watch events and status patches. */
import { setTimeout as delay } from 'node:timers/promises';
import { BenchServer, createNamespace, type BenchServerOptions } from './bench-server.ts';
import { ask, type Rate } from './http.ts';
import { COLLECTION, createPods, getPods, listPods, NAMESPACE, patchStatus } from './pods.ts';
import { cpuSecondsOf, memoryOf, settledMemory, printMemory } from './process-usage.ts';
import type { Report } from './report.ts';
import { watchEvents } from './watchers.ts';

const RUNS = 3;
const GETS = 30_000;
const LISTS = 20;
const PATCHES = 6_000;
/** Pods are created in batches of this size. */
const BATCH = 2_000;

const NEEDS_14000 = [
  ...(['createPods', 'createPodCpu', 'list14000', 'list14000Bytes', 'list14000Cpu'] as const),
  ...(['server14000Memory', 'serverPeakMemory', 'serverAfterMemory'] as const),
] as const;
/** How long the server may take to release memory. */
const AFTERWARDS_MS = 60_000;

export async function measureApi(
  report: Report,
  options: BenchServerOptions,
  running: AsyncDisposableStack,
): Promise<void> {
  const asked = report.wants(
    ...(['createPods', 'getPod', 'list10000', 'list10000Bytes', 'list14000', 'list14000Bytes', 'watchEvents'] as const),
    ...(['createPodCpu', 'getPodCpu', 'list14000Cpu', 'watchEventCpu', 'patchStatusCpu'] as const),
    ...(['patchStatus', 'serverIdleMemory', 'server10000Memory', 'server14000Memory', 'serverPeakMemory'] as const),
    ...(['serverAfterMemory', 'watchEventsProtobuf'] as const),
  );
  if (!asked) return;
  const server = running.use(await BenchServer.start(options));
  const { target, pid } = server;
  const own = [process.pid, pid];

  if (report.wants('serverIdleMemory')) report.add('serverIdleMemory', printMemory('idle', await settledMemory(pid)));
  await createNamespace(target, NAMESPACE);
  // Warm-up, not counted: the server's code is compiled while it runs.
  await createPods(target, 0, BATCH);
  let pods = BATCH;
  const growTo = (count: number) =>
    report.repeat((count - pods) / BATCH, own, async () => {
      const { perSecond, cpuMicros } = await counted(pid, createPods(target, pods, BATCH));
      pods += BATCH;
      return { createPods: perSecond, createPodCpu: cpuMicros };
    });
  await growTo(10_000);

  if (report.wants('server10000Memory'))
    report.add('server10000Memory', printMemory('10,000 pods', await settledMemory(pid)));
  if (report.wants('getPod', 'getPodCpu')) {
    await getPods(target, pods, GETS / 3);
    await report.repeat(RUNS, own, async () => {
      const { perSecond, cpuMicros } = await counted(pid, getPods(target, pods, GETS));
      return { getPod: perSecond, getPodCpu: cpuMicros };
    });
  }
  if (report.wants('patchStatus', 'patchStatusCpu')) {
    await patchStatus(target, pods, PATCHES / 3);
    await report.repeat(RUNS, own, async () => {
      const { perSecond, cpuMicros } = await counted(pid, patchStatus(target, pods, PATCHES));
      return { patchStatus: perSecond, patchStatusCpu: cpuMicros };
    });
  }
  if (report.wants('watchEvents', 'watchEventCpu'))
    await report.repeat(RUNS, own, async () => {
      const { perSecond, cpuMicros } = await counted(pid, watchEvents(target, 'json'));
      return { watchEvents: perSecond, watchEventCpu: cpuMicros };
    });
  if (report.wants('watchEventsProtobuf'))
    await report.repeat(RUNS, own, async () => ({
      watchEventsProtobuf: (await watchEvents(target, 'protobuf')).perSecond,
    }));
  if (report.wants('list10000', 'list10000Bytes'))
    await report.repeat(RUNS, own, async () => {
      const { perSecond, bytes, seconds } = await listPods(target, LISTS);
      return { list10000: perSecond, list10000Bytes: bytes / seconds / 1e6 };
    });

  if (!report.wants(...NEEDS_14000)) return;
  await growTo(14_000);
  if (report.wants('server14000Memory'))
    report.add('server14000Memory', printMemory('14,000 pods', await settledMemory(pid)));
  if (report.wants('list14000', 'list14000Bytes', 'list14000Cpu'))
    await report.repeat(RUNS, own, async () => {
      const { perSecond, bytes, seconds, cpuMicros } = await counted(pid, listPods(target, LISTS));
      return { list14000: perSecond, list14000Bytes: bytes / seconds / 1e6, list14000Cpu: cpuMicros / 1000 };
    });
  if (report.wants('serverPeakMemory')) {
    printMemory('after all', await settledMemory(pid));
    report.add('serverPeakMemory', (await memoryOf(pid)).peak);
  }
  if (report.wants('serverAfterMemory')) {
    await ask(target, 'DELETE', COLLECTION);
    await delay(AFTERWARDS_MS);
    report.add('serverAfterMemory', printMemory('afterwards', await memoryOf(pid)));
  }
}

/** Adds the server's CPU time per operation, over all its threads: it says more than the rate when the machine is shared. */
async function counted(pid: number, running: Promise<Rate>): Promise<Rate & { readonly cpuMicros: number }> {
  const before = await cpuSecondsOf(pid);
  const rate = await running;
  return { ...rate, cpuMicros: (((await cpuSecondsOf(pid)) - before) / rate.count) * 1e6 };
}
