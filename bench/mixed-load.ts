/**
 * Memory that a server keeps after a mixed load: objects are created, changed, listed, watched and deleted, then it is
 * idle.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { COLLECTION, CONNECTIONS, NAMESPACE, createPods, listPods, patchStatus } from './pods.ts';
import { watchEvents } from './watchers.ts';
import { BenchServer, createNamespace, type BenchServerOptions } from './bench-server.ts';
import { load, requestBytes, type Rate, type Target } from './http.ts';
import { memoryOf, printMemory } from './process-usage.ts';
import type { Report } from './report.ts';

const LOAD_MS = 2 * 60_000;
const QUIET_MS = 60_000;
const PODS = 10_000;
const PATCHES = 10_000;
const LISTS = 20;

export async function measureMixedLoad(
  report: Report,
  options: BenchServerOptions,
  running: AsyncDisposableStack,
): Promise<void> {
  if (!report.wants('afterMixedMemory')) return;
  const server = running.use(await BenchServer.start(options));
  const { target, pid } = server;
  await createNamespace(target, NAMESPACE);
  const end = performance.now() + LOAD_MS;
  while (performance.now() < end) {
    await createPods(target, 0, PODS);
    await patchStatus(target, PODS, PATCHES);
    await listPods(target, LISTS);
    await watchEvents(target, 'json');
    await deletePods(target, PODS);
  }
  printMemory('when the load ends', await memoryOf(pid));
  await delay(QUIET_MS);
  report.add('afterMixedMemory', printMemory('a minute later', await memoryOf(pid)));
}

function deletePods(target: Target, count: number): Promise<Rate> {
  // No agent runs them: delete without a grace period.
  const options = JSON.stringify({ gracePeriodSeconds: 0 });
  const requests = Array.from({ length: count }, (_, index) =>
    requestBytes(target, 'DELETE', `${COLLECTION}/pod-${index}`, options),
  );
  return load(target, CONNECTIONS, 200, requests);
}
