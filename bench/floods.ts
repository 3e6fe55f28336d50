/**
 * Isolation between clients: the latency of others, and the server's memory, during a flood of one client and a minute
 * later.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { allowOrdinary, BenchServer, createNamespace, type BenchServerOptions } from './bench-server.ts';
import type { FloodName, FloodWork } from './flood-worker.ts';
import { ask, Connection, load, requestBytes, type Target } from './http.ts';
import { memoryOf } from './process-usage.ts';
import { percentile, type Report } from './report.ts';
import { podBody } from './workload.ts';

/** The numbers are defined in `flood-worker.ts`. */
const FLOODS: Readonly<Record<FloodName, Flood>> = {
  slowWatchers: { name: '50 watchers that do not read, large changes', of: 'connections' },
  rapidReset: { name: 'lists over HTTP/2, reset at once', of: 'connections' },
  idleConnections: { name: '2,000 idle connections, 200 of them dripping', of: 'connections' },
  slowLists: { name: '400 lists of 2,000 pods, read slowly', of: 'connections' },
  anonymous: { name: '401 and 403 as fast as they come', of: 'connections' },
  jsonPatchBomb: { name: 'JSON patches that copy themselves', of: 'bodies' },
  yamlKeys: { name: 'YAML with 20,000 repeated keys', of: 'bodies' },
  deepJson: { name: '3 MiB of nested JSON', of: 'bodies' },
};

interface Flood {
  readonly name: string;
  /** Bodies are parsed by the thread that serves all requests: others may have to wait for one body. */
  readonly of: 'connections' | 'bodies';
}

const FLOODED = 'flooded';
const WELL_BEHAVED = 'well-behaved';
const PODS = 2_000;
const CALM_MS = 8_000;
const FLOOD_MS = 15_000;
/** Warm-up of a flood before the others are measured. */
const RAMP_MS = 3_000;
const AFTER_MS = 60_000;
const GET_EVERY_MS = 20;
const CREATE_EVERY_MS = 50;
const LOOK_MS = 100;
/** Backoff of a rejected client; it is added to its latency. */
const RETRY_MS = 1_000;
/** When a response takes longer, the measurement fails. */
const LONGEST_MS = 60_000;

interface Latencies {
  readonly get: readonly number[];
  readonly create: readonly number[];
  /** The number of 429 responses. */
  readonly refused: number;
}

interface FloodResult extends Flood {
  readonly calm: Latencies;
  readonly flooded: Latencies;
  readonly peak: number;
  readonly after: number;
}

export async function measureFloods(
  report: Report,
  options: BenchServerOptions,
  running: AsyncDisposableStack,
): Promise<void> {
  if (!report.wants('floodsCalmGet', 'floodsGet', 'floodsBodiesGet', 'floodsPeakMemory', 'floodsAfterMemory')) return;
  // The minute after a flood overlaps with the next flood, which has a server of its own.
  const results: Promise<FloodResult>[] = [];
  const failures: unknown[] = [];
  for (const [flood, kind] of Object.entries(FLOODS) as [FloodName, Flood][]) {
    console.error(`flood: ${kind.name}`);
    const server = running.use(await BenchServer.start(options));
    try {
      const measured = await measureFlood(server, flood);
      results.push(afterMemory(server).then((after) => ({ ...kind, ...measured, after })));
    } catch (error) {
      await server.kill();
      failures.push(new Error(`the server did not stand the flood: ${kind.name}`, { cause: error }));
    }
  }
  printResults(report, await Promise.all(results));
  if (failures.length > 0) throw new AggregateError(failures);
}

async function afterMemory(server: BenchServer): Promise<number> {
  await delay(AFTER_MS);
  const { resident } = await memoryOf(server.pid);
  await server[Symbol.asyncDispose]();
  return resident;
}

function printResults(report: Report, results: readonly FloodResult[]): void {
  const worst = (of: (result: FloodResult) => number): number => Math.max(...results.map(of));
  report.add(
    'floodsCalmGet',
    worst(({ calm }) => percentile(calm.get, 99)),
  );
  report.add(
    'floodsCalmCreate',
    worst(({ calm }) => percentile(calm.create, 99)),
  );
  const during = (kind: Flood['of'], verb: 'get' | 'create'): number =>
    worst(({ of, flooded }) => (of === kind ? percentile(flooded[verb], 99) : 0));
  report.add('floodsGet', during('connections', 'get'));
  report.add('floodsCreate', during('connections', 'create'));
  report.add('floodsBodiesGet', during('bodies', 'get'));
  report.add('floodsBodiesCreate', during('bodies', 'create'));
  report.add(
    'floodsPeakMemory',
    worst(({ peak }) => peak),
  );
  report.add(
    'floodsAfterMemory',
    worst(({ after }) => after),
  );
  const both = (latencies: readonly number[]): string =>
    `${percentile(latencies, 50).toFixed(1)} / ${percentile(latencies, 99).toFixed(1)} ms`;
  const calm: Latencies = {
    get: results.flatMap((result) => result.calm.get),
    create: results.flatMap((result) => result.calm.create),
    refused: results.reduce((sum, result) => sum + result.calm.refused, 0),
  };
  report.detail([
    ['flood', "others' get, p50 / p99", "others' create, p50 / p99", '429s', 'peak', 'a minute later'],
    ['none', both(calm.get), both(calm.create), String(calm.refused), '', ''],
    ...results.map(({ name, flooded, peak, after }) => [
      name,
      both(flooded.get),
      both(flooded.create),
      String(flooded.refused),
      `${peak.toFixed(0)} MB`,
      `${after.toFixed(0)} MB`,
    ]),
  ]);
}

async function measureFlood(
  { target, pid }: BenchServer,
  flood: FloodName,
): Promise<Omit<FloodResult, keyof Flood | 'after'>> {
  await fill(target);
  const wellBehaved = await allowOrdinary(target, 'well-behaved', WELL_BEHAVED);
  const calm = await behaveWell(wellBehaved, CALM_MS);
  const workerData: FloodWork = { flood, target: await allowOrdinary(target, 'flooding', FLOODED), namespace: FLOODED };
  const worker = new Worker(new URL('flood-worker.ts', import.meta.url), { workerData });
  const { promise: failed, reject } = Promise.withResolvers<never>();
  worker.once('error', reject);
  let peak = 0;
  const look = setInterval(() => {
    memoryOf(pid).then(({ resident }) => (peak = Math.max(peak, resident)), reject);
  }, LOOK_MS);
  try {
    await Promise.race([delay(RAMP_MS), failed]);
    const flooded = await Promise.race([behaveWell(wellBehaved, FLOOD_MS), failed]);
    return { calm, flooded, peak };
  } finally {
    clearInterval(look);
    await worker.terminate();
  }
}

/** Creates the objects to be listed and watched, and the namespace of the other clients. */
async function fill(target: Target): Promise<void> {
  await createNamespace(target, FLOODED);
  await createNamespace(target, WELL_BEHAVED);
  const changing = { metadata: { name: 'changing' }, data: { round: '0' } };
  await ask(target, 'POST', `/api/v1/namespaces/${FLOODED}/configmaps`, changing);
  const pods = Array.from({ length: PODS }, (_, index) =>
    requestBytes(target, 'POST', `/api/v1/namespaces/${FLOODED}/pods`, podBody(`pod-${index}`)),
  );
  await load(target, 16, 201, pods);
}

let created = 0;

/** Gets and creates at a constant rate. */
async function behaveWell(target: Target, durationMs: number): Promise<Latencies> {
  const collection = `/api/v1/namespaces/${WELL_BEHAVED}/configmaps`;
  const create = (): Buffer =>
    requestBytes(target, 'POST', collection, JSON.stringify({ metadata: { name: `m${created++}` }, data: { k: 'v' } }));
  const get = requestBytes(target, 'GET', `/api/v1/namespaces/${WELL_BEHAVED}`);
  const [gets, creates] = await Promise.all([
    paced(target, durationMs, GET_EVERY_MS, 200, () => get),
    paced(target, durationMs, CREATE_EVERY_MS, 201, create),
  ]);
  return { get: gets.latencies, create: creates.latencies, refused: gets.refused + creates.refused };
}

/** Latencies at a constant request rate. A request that is due while one is in flight adds the rest of its latency. */
async function paced(
  target: Target,
  durationMs: number,
  everyMs: number,
  status: number,
  request: () => Buffer,
): Promise<{ readonly latencies: number[]; readonly refused: number }> {
  using connection = await Connection.open(target);
  const latencies: number[] = [];
  let refused = 0;
  const end = performance.now() + durationMs;
  for (let sent = performance.now(); sent < end; sent = performance.now()) {
    const bytes = request();
    let answer = await inTime(connection.send(bytes));
    while (answer.status === 429) {
      refused++;
      await delay(RETRY_MS);
      answer = await inTime(connection.send(bytes));
    }
    if (answer.status !== status) throw new Error(`the server answered ${answer.status} instead of ${status}`);
    const latency = performance.now() - sent;
    for (let waited = latency; waited > 0; waited -= everyMs) latencies.push(waited);
    await delay(everyMs - (latency % everyMs));
  }
  return { latencies, refused };
}

async function inTime<T>(answer: Promise<T>): Promise<T> {
  const limit = new AbortController();
  const late = delay(LONGEST_MS, undefined, { signal: limit.signal }).then(
    () => Promise.reject(new Error(`others waited for more than ${LONGEST_MS / 1000} s`)),
    () => new Promise<never>(() => undefined),
  );
  try {
    return await Promise.race([answer, late]);
  } finally {
    limit.abort();
  }
}
