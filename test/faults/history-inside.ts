/**
 * Writes to and watches the ConfigMaps of a cluster with several servers, from a host of its network, and keeps the history. Each key has one
 * writer, which raises its value by one with each acknowledged update and goes to the next server when one fails. The watch goes on from the
 * last revision at the next server. The line `end` on stdin ends it; then the history is printed as one line of JSON. From the line `calm` on,
 * responses that a client of Kubernetes does not repeat by itself are noted.
 */
/* eslint-disable kedge/fixed-waits -- a client's pauses between attempts and pings; nothing is asserted after them. */
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { isConflict, StatusError } from '../../api/machinery/status-error.ts';
import type { ConfigMap } from '../../api/types/core/v1.gen.ts';
import { ApiClient } from '../../client/api-client.ts';
import { ConnectionError } from '../../client/connection-error.ts';
import { configMaps } from '../../client/resources.gen.ts';

export interface History {
  /** The last acknowledged value of each key. */
  readonly acknowledged: Readonly<Record<string, number>>;
  /** The values of each key in the order in which the watch has shown them. */
  readonly watched: Readonly<Record<string, readonly number[]>>;
  /** Whether the revisions of the watch have always risen. */
  readonly isOrdered: boolean;
  readonly writes: number;
  /** Reads that have shown less than what had been acknowledged before they were sent. */
  readonly staleReads: number;
  /** Responses since `calm` that are failures which client-go does not repeat by itself. */
  readonly refused: readonly string[];
  /** Requests since `calm` without a response: of a server that had stopped, or was stopping. */
  readonly unreachable: number;
  /** Milliseconds between two acknowledged writes of a writer, and between two events of the watch, at most. */
  readonly writerGapMs: number;
  readonly watcherGapMs: number;
}

interface Access {
  readonly servers: readonly string[];
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** What the names of the keys begin with. */
  readonly prefix: string;
}

const WRITERS = 4;
const LIMIT_MS = 1_500;
/** While nothing is wrong, as on a machine with other work. */
const CALM_LIMIT_MS = 30_000;
const PAUSE_MS = 50;
const LAST_EVENT_LIMIT_MS = 20_000;
const { servers, ca, cert, key, prefix } = JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')) as Access;
const clients = servers.map((server) => new ApiClient({ server, ca, cert, key, serverName: 'kubernetes' }));
const at = (turn: number): ApiClient => clients[turn % clients.length]!;
const [stop, seenAll] = [new AbortController(), new AbortController()];

const acknowledged = new Map<string, number>();
const watched = new Map<string, number[]>();
let [writes, staleReads, unreachable, writerGapMs, watcherGapMs] = [0, 0, 0, 0, 0];
let [isOrdered, isOver, isCalm] = [true, false, false];
const refused: string[] = [];
const limitMs = (): number => (isCalm ? CALM_LIMIT_MS : LIMIT_MS);
const isPassing = (error: unknown): boolean =>
  error instanceof ConnectionError || (error instanceof StatusError && (error.code >= 500 || error.code === 429));
/** Responses that client-go repeats by itself, whatever was asked: https://pkg.go.dev/k8s.io/client-go/rest */
const isRepeated = (error: unknown): boolean =>
  isConflict(error) || (error instanceof StatusError && error.status.details?.retryAfterSeconds !== undefined);
const valueOf = (map: ConfigMap): number => Number(map.data?.['value'] ?? '-1');

async function write(writer: number): Promise<void> {
  const name = `${prefix}-${writer}`;
  const object = (value: number): ConfigMap => ({
    metadata: { namespace: 'default', name },
    data: { value: String(value) },
  });
  await at(writer).create(configMaps, object(0));
  acknowledged.set(name, 0);
  let lastAt = performance.now();
  for (let turn = writer; !stop.signal.aborted;) {
    try {
      const known = acknowledged.get(name) ?? 0;
      const read = await at(turn).get<ConfigMap>(configMaps, 'default', name, { timeoutMs: limitMs() });
      const value = valueOf(read);
      if (value < known) staleReads++;
      await at(turn).update(
        configMaps,
        { ...read, ...{ data: { value: String(value + 1) } } },
        { timeoutMs: limitMs() },
      );
      acknowledged.set(name, value + 1);
      writes++;
      writerGapMs = Math.max(writerGapMs, performance.now() - lastAt);
      lastAt = performance.now();
    } catch (error) {
      // What was lost may have taken place: the value that is read next says so.
      if (!isPassing(error) && !isConflict(error)) throw error;
      if (isCalm && error instanceof ConnectionError) unreachable++;
      else if (isCalm && !isRepeated(error)) refused.push((error as Error).message);
      turn++;
      await delay(PAUSE_MS);
    }
  }
}

async function watch(resourceVersion: string): Promise<void> {
  let version = resourceVersion;
  let lastAt = performance.now();
  for (let turn = 0; !seenAll.signal.aborted; turn++) {
    // A server that is silent is left as an agent leaves it.
    const lost = new AbortController();
    const signal = AbortSignal.any([seenAll.signal, lost.signal]);
    const client = at(turn);
    const pings = (async () => {
      while (!signal.aborted) {
        await delay(1_000, undefined, { signal });
        if ((await client.ping(LIMIT_MS, signal)) === false) lost.abort(new Error('no ping'));
      }
    })().catch(() => undefined);
    try {
      await client.watch<ConfigMap>(
        configMaps,
        { namespace: 'default', resourceVersion: version, signal },
        ({ object }) => {
          const { name = '', resourceVersion: seen = '' } = object.metadata ?? {};
          if (BigInt(seen) <= BigInt(version)) isOrdered = false;
          version = seen;
          if (!name.startsWith(`${prefix}-`)) return;
          const values = watched.get(name) ?? [];
          watched.set(name, values);
          values.push(valueOf(object));
          endIfComplete();
          watcherGapMs = Math.max(watcherGapMs, performance.now() - lastAt);
          lastAt = performance.now();
        },
      );
    } catch (error) {
      if (!signal.aborted && !isPassing(error)) throw error;
    }
    lost.abort();
    await pings;
    if (!seenAll.signal.aborted) await delay(PAUSE_MS);
  }
}

/** The watch has shown everything that was acknowledged, and nothing more will be. */
function endIfComplete(): void {
  if (isOver && [...acknowledged].every(([name, value]) => watched.get(name)?.at(-1) === value)) seenAll.abort();
}

const { metadata } = await at(0).list(configMaps, { namespace: 'default' });
const watching = watch(metadata.resourceVersion ?? '');
const writing = Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
for await (const line of createInterface(process.stdin)) {
  if (line === 'end') break;
  isCalm = true;
}
stop.abort();
await writing;
isOver = true;
endIfComplete();
const limit = setTimeout(() => seenAll.abort(), LAST_EVENT_LIMIT_MS);
await watching;
clearTimeout(limit);
const history: History = {
  acknowledged: Object.fromEntries(acknowledged),
  watched: Object.fromEntries(watched),
  ...{
    isOrdered,
    writes,
    staleReads,
    refused,
    unreachable,
    writerGapMs: Math.round(writerGapMs),
    watcherGapMs: Math.round(watcherGapMs),
  },
};
console.log(JSON.stringify(history));
process.exit(0);
