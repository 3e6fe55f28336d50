/** Baselines of the machine itself, to compare results of different or busy machines. */
import { createCipheriv, randomBytes } from 'node:crypto';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { run } from '../agent/host/run.ts';
import { load, requestBytes, type Target } from './http.ts';
import { median, type Report } from './report.ts';
import type { TrivialServer } from './trivial-server.ts';

const SYNCS = 200;
const CIPHER_BYTES = 400e6;
const REQUESTS = 20_000;
const CONNECTIONS = 32;
/** The size of a list of 14,000 pods. */
const LONG_BODY_BYTES = 40e6;
const LONG_BODIES = 20;
const RUNS = 3;

export async function describeMachine(): Promise<string> {
  const [cpu] = os.cpus();
  const memory = (os.totalmem() / 2 ** 30).toFixed(0);
  return `${cpu?.model.trim()}, ${os.cpus().length} cores, ${memory} GiB, Linux ${os.release()}, Node.js ${process.version}`;
}

/** 1-minute load average: above 0, other programs are running. */
export const loadAverage = async (): Promise<string> => (await readFile('/proc/loadavg', 'utf8')).split(' ')[0] ?? '';

export async function measureMachine(report: Report): Promise<void> {
  if (report.wants('fdatasync')) await report.repeat(1, [process.pid], async () => ({ fdatasync: await syncMs() }));
  if (report.wants('aesGcm')) await report.repeat(RUNS, [process.pid], async () => ({ aesGcm: cipherMBPerSecond() }));
  if (!report.wants('tlsRequests', 'tlsThroughput')) return;
  await using server = await startTrivialServer();
  const { target } = server;
  const short = new Array<Buffer>(REQUESTS).fill(requestBytes(target, 'GET', '/short'));
  await report.repeat(RUNS, [process.pid], async () => ({
    tlsRequests: (await load(target, CONNECTIONS, 200, short)).perSecond,
  }));
  const long = new Array<Buffer>(LONG_BODIES).fill(requestBytes(target, 'GET', '/long'));
  await report.repeat(RUNS, [process.pid], async () => {
    const { bytes, seconds } = await load(target, 2, 200, long);
    return { tlsThroughput: bytes / seconds / 1e6 };
  });
}

async function syncMs(): Promise<number> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'kedge-bench-'));
  try {
    await using file = await open(path.join(directory, 'sync'), 'w');
    const block = randomBytes(4096);
    const times: number[] = [];
    for (let index = 0; index < SYNCS; index++) {
      const start = performance.now();
      await file.write(block, 0, block.length, (index % 64) * block.length);
      await file.datasync();
      times.push(performance.now() - start);
    }
    return median(times);
  } finally {
    await rm(directory, { recursive: true });
  }
}

function cipherMBPerSecond(): number {
  const block = randomBytes(16_384);
  const cipher = createCipheriv('aes-256-gcm', randomBytes(32), randomBytes(12));
  const start = performance.now();
  for (let bytes = 0; bytes < CIPHER_BYTES; bytes += block.length) cipher.update(block);
  cipher.final();
  return CIPHER_BYTES / 1e3 / (performance.now() - start);
}

async function startTrivialServer(): Promise<AsyncDisposable & { readonly target: Target }> {
  const workerData: TrivialServer = { ...(await selfSigned()), longBodyBytes: LONG_BODY_BYTES };
  const worker = new Worker(new URL('trivial-server.ts', import.meta.url), { workerData });
  const port = await new Promise<number>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  return {
    target: { host: '127.0.0.1', port, token: 'none' },
    [Symbol.asyncDispose]: async () => {
      await worker.terminate();
    },
  };
}

/** @param more arguments of `openssl req`. */
export async function selfSigned(...more: readonly string[]): Promise<{ cert: string; key: string }> {
  const request = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const { stdout } = await run('openssl', [
    'req',
    ...request,
    '-subj',
    '/CN=bench',
    '-days',
    '1',
    '-keyout',
    '-',
    ...more,
  ]);
  const at = stdout.indexOf('-----BEGIN CERTIFICATE');
  return { key: stdout.slice(0, at), cert: stdout.slice(at) };
}
