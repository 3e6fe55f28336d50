/** The cluster's DNS: how many queries a thread answers, and how long one waits, with many Services. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { encode } from 'dns-packet';
import type { DnsWork } from './dns-worker.ts';
import { percentile, type Report } from './report.ts';

const SERVICES = 5_000;
const HEADLESS_EVERY = 10;
/** Queries that wait for their answers at a time, for the rate; each has an id of its own. */
const TOGETHER = 128;
const QUERIES = 200_000;
/** As many as many pods together ask: the latency of one among few others. */
const LATENCY_TOGETHER = 4;
const LATENCY_QUERIES = 40_000;
const WARM_UP_QUERIES = 40_000;
const LIMIT_MS = 60_000;

interface Load {
  readonly perSecond: number;
  /** In ms. */
  readonly latencies: readonly number[];
}

export async function measureDns(report: Report, running: AsyncDisposableStack): Promise<void> {
  if (!report.wants('dnsRate', 'dnsLatency', 'dnsCpu')) return;
  const work: DnsWork = { services: SERVICES, headlessEvery: HEADLESS_EVERY };
  const worker = new Worker(new URL('dns-worker.ts', import.meta.url), { workerData: work });
  running.defer(async () => void (await worker.terminate()));
  const said = async <T>(): Promise<T> => ((await once(worker, 'message')) as [T])[0];
  const cpu = async (): Promise<number> => {
    worker.postMessage('cpu');
    return (await said<{ cpuMicroseconds: number }>()).cpuMicroseconds;
  };
  const { port } = await said<{ port: number }>();
  await load(port, WARM_UP_QUERIES, TOGETHER);
  const before = await cpu();
  const { perSecond } = await load(port, QUERIES, TOGETHER);
  report.add('dnsCpu', ((await cpu()) - before) / QUERIES);
  report.add('dnsRate', perSecond);
  const { latencies } = await load(port, LATENCY_QUERIES, LATENCY_TOGETHER);
  report.add('dnsLatency', percentile(latencies, 99));
  worker.postMessage('stop');
}

/** Sends queries from one socket, so many at a time. Rejects when an answer is missing for too long. */
async function load(port: number, count: number, together: number): Promise<Load> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 2 ** 20 });
  socket.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const queries = Array.from({ length: SERVICES }, (_, index) =>
    encode({ type: 'query', flags: 0x100, questions: [{ type: 'A', name: `s${index}.bench.svc.cluster.local` }] }),
  );
  const sentAt = new Float64Array(together);
  const latencies: number[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let sent = 0;
  const send = (id: number): void => {
    const query = Buffer.from(queries[sent++ % SERVICES]!);
    query.writeUInt16BE(id, 0);
    sentAt[id] = performance.now();
    socket.send(query);
  };
  socket.on('message', (bytes) => {
    const id = bytes.readUInt16BE(0);
    if ((bytes[3]! & 0xf) !== 0) reject(new Error(`a DNS query has failed with code ${bytes[3]! & 0xf}`));
    latencies.push(performance.now() - sentAt[id]!);
    if (sent < count) send(id);
    else if (latencies.length === count) resolve();
  });
  const limit = setTimeout(() => reject(new Error(`${count - latencies.length} DNS queries have no answer`)), LIMIT_MS);
  const startedAt = performance.now();
  for (let id = 0; id < together; id++) send(id);
  try {
    await promise;
  } finally {
    clearTimeout(limit);
    socket.close();
  }
  const seconds = (performance.now() - startedAt) / 1000;
  return { perSecond: count / seconds, latencies };
}
