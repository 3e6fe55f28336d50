/** Services of a node while endpoints of one flap, and while the node does not reach the api-server. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { cpuSecondsOf } from '../../../bench/process-usage.ts';
import { run } from '../../../agent/host/run.ts';
import { MemoryApi } from '../../support/memory-api.ts';
import { eventually } from '../../support/wait.ts';
import { enterNamespace, makeNode, makePods, RULE_MODES } from './pod-namespaces.ts';
import { putEndpoints, putService, said, startProxyProcess, type ProxyProcess } from './proxies.ts';

enterNamespace();
t.setTimeout(5 * 60_000);

/** So many Services that nothing happens to. */
const STEADY = 100;
const PODS = ['10.42.0.2', '10.42.0.3', '10.42.0.4'] as const;
const [POD, FLAPPING_POD, OTHER_POD] = PODS;
/** Says its address, then sends back what it gets. */
const SERVER = `require('net').createServer((s) => { s.on('error', () => {}).write(process.argv[1]); s.pipe(s); })
  .listen(8080, () => console.log('up'))`;
const STEADY_ADDRESS = '10.43.1.0';
const FLAPS = '10.43.0.5';
const MOVES = '10.43.0.6';
const NEW = '10.43.0.7';
const HUGE = '10.43.0.8';
const FLAPPING_MS = 4_000;
/** An endpoint is on this host. */
const HEARD_WITHIN_MS = 50;

t.before(async () => {
  await makeNode();
  await makePods(t, PODS, SERVER);
});

interface Sync {
  readonly message: string;
  readonly wrote: boolean;
  readonly services: number;
}
const syncsOf = (proxy: ProxyProcess): Sync[] =>
  (proxy.lines as readonly Sync[]).filter(({ message }) => message === 'service rules synced');
const writesOf = (proxy: ProxyProcess): Sync[] => syncsOf(proxy).filter(({ wrote }) => wrote);

/** A connection to a Service that goes on. */
class Stream implements Disposable {
  readonly #socket: net.Socket;

  private constructor(socket: net.Socket) {
    this.#socket = socket;
  }

  static async open(host: string): Promise<Stream> {
    const socket = net.connect({ host, port: 80 });
    socket.on('error', () => socket.destroy());
    await once(socket, 'data', { signal: AbortSignal.timeout(2_000) });
    return new Stream(socket);
  }

  /** Throws when the other end does not answer. */
  async echo(text: string): Promise<string> {
    const answer = once(this.#socket, 'data', { signal: AbortSignal.timeout(2_000) });
    this.#socket.write(text);
    return String((await answer)[0]);
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;

/** Puts a Service, and measures how long it takes until it answers, in milliseconds. */
async function timeOf(api: MemoryApi, name: string, clusterIP: string): Promise<number> {
  const startedAt = performance.now();
  putService(api, name, { clusterIP, endpoints: [POD] });
  // An unassigned address of the service range is rejected, so that it can be asked for again and again; but the kernel sends a
  // peer few ICMP errors a second (icmp_ratelimit), and then nothing is heard.
  while ((await said(clusterIP, 80, HEARD_WITHIN_MS)) !== POD)
    if (performance.now() - startedAt > 10_000) throw new Error(`${name} does not answer`);
  return performance.now() - startedAt;
}

/** Flaps an endpoint of the Service `flaps` ten times a second until it is stopped, which resolves to the number of changes. */
function startFlapping(api: MemoryApi): () => Promise<number> {
  const over = new AbortController();
  const flapping = (async () => {
    let changes = 0;
    while (!over.signal.aborted) {
      putEndpoints(api, 'flaps', changes++ % 2 === 0 ? [POD] : [POD, FLAPPING_POD]);
      // eslint-disable-next-line kedge/fixed-waits -- The pace of what flaps is what is tested.
      await delay(50);
    }
    return changes;
  })();
  return () => {
    over.abort();
    return flapping;
  };
}

async function flaps(t: Test, api: MemoryApi, proxy: ProxyProcess): Promise<void> {
  using stream = await Stream.open(STEADY_ADDRESS);
  const calm: number[] = [];
  for (let index = 0; index < 5; index++) calm.push(await timeOf(api, `calm-${index}`, `10.43.2.${index}`));

  const writesBefore = writesOf(proxy).length;
  const cpuBefore = await cpuSecondsOf(proxy.pid);
  const startedAt = performance.now();
  const stopFlapping = startFlapping(api);
  const during: number[] = [];
  for (let index = 0; performance.now() - startedAt < FLAPPING_MS; index++) {
    during.push(await timeOf(api, `during-${index}`, `10.43.3.${index}`));
    t.equal(await stream.echo(`${index}`), `${index}`, 'a connection to a steady endpoint goes on');
    t.ok(await said(FLAPS), 'the Service of the endpoint that flaps answers, too');
    // eslint-disable-next-line kedge/fixed-waits -- Changes of the Service that flaps are to be what comes most.
    await delay(400);
  }
  const changes = await stopFlapping();
  const seconds = (performance.now() - startedAt) / 1_000;
  putEndpoints(api, 'flaps', [OTHER_POD]);
  await eventually('the last state to be in force', async () => (await said(FLAPS)) === OTHER_POD);
  const cpu = (await cpuSecondsOf(proxy.pid)) - cpuBefore;
  const writes = writesOf(proxy).length - writesBefore;

  t.ok(changes > 45, `${changes} changes in ${seconds.toFixed(1)} s`);
  // Twenty at once, then four a second; and one for the change after it, and for each other Service and its endpoints.
  const bound = 20 + Math.ceil(4 * seconds) + 1 + 2 * during.length;
  t.ok(writes <= bound, `${writes} transactions, at most ${bound}; ${cpu.toFixed(2)} s of CPU time`);
  const [usual, meanwhile] = [median(calm), median(during)];
  t.ok(
    meanwhile <= 3 * usual + 500,
    `another Service takes ${meanwhile.toFixed(0)} ms until it answers, ${usual.toFixed(0)} ms when all are calm`,
  );
}

/** A Service of 50,000 endpoints, of which a node uses 5,000: what it costs, and what the others have of it. */
async function isHuge(t: Test, api: MemoryApi, proxy: ProxyProcess): Promise<void> {
  using stream = await Stream.open(STEADY_ADDRESS);
  const usual: number[] = [];
  for (let index = 0; index < 5; index++) usual.push(await timeOf(api, `before-${index}`, `10.43.4.${index}`));
  const memoryBefore = await residentMemory(proxy.pid);
  const startedAt = performance.now();
  putService(api, 'huge', { clusterIP: HUGE, endpoints: [] });
  for (let slice = 0; slice < 500; slice++)
    api.put('endpointslices', {
      metadata: { name: `huge-${slice}`, namespace: 'default', labels: { 'kubernetes.io/service-name': 'huge' } },
      addressType: 'IPv4',
      ports: [{ name: 'web', port: 8080, protocol: 'TCP' }],
      endpoints: Array.from({ length: 100 }, (_, index) => ({
        addresses: [`10.42.${64 + (slice >> 1)}.${100 * (slice & 1) + index}`],
        nodeName: `node-${slice}`,
      })),
    });
  // What all of its endpoints have in common in this mode is the name of their map.
  await eventually(
    'its part to be in force',
    async () => (await run('nft', ['list', 'chain', 'ip', 'kube-proxy', 'endpoints-5000'])).stdout.includes('dnat'),
    60,
  );
  const seconds = (performance.now() - startedAt) / 1000;
  const beside: number[] = [];
  for (let index = 0; index < 5; index++) beside.push(await timeOf(api, `beside-${index}`, `10.43.5.${index}`));
  const [before, after] = [median(usual), median(beside)];
  t.ok(
    after <= 3 * before + 100,
    `another Service takes ${after.toFixed(0)} ms beside it, ${before.toFixed(0)} ms before`,
  );
  t.equal(await stream.echo('a'), 'a', 'connections of others go on');
  const grownBy = (await residentMemory(proxy.pid)) - memoryBefore;
  t.ok(grownBy < 150, `in force after ${seconds.toFixed(1)} s; ${grownBy.toFixed(0)} MB more are resident`);
}

/** In MB. */
async function residentMemory(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

async function cutOff(t: Test, api: MemoryApi, proxy: ProxyProcess, verdict: string): Promise<void> {
  using steady = await Stream.open(STEADY_ADDRESS);
  using moved = await Stream.open(MOVES);
  const before = syncsOf(proxy).length;
  const changes = await changesOf(t);

  const { port } = new URL(api.url);
  const nft = (...commands: string[]) => run('nft', ['-f', '-'], { input: `${commands.join('\n')}\n` });
  const cut = 'inet test-cut';
  await nft(
    `add table ${cut}`,
    `add chain ${cut} input { type filter hook input priority -200; }`,
    `add rule ${cut} input tcp dport ${port} ${verdict}`,
    `add rule ${cut} input tcp sport ${port} ${verdict}`,
  );
  putEndpoints(api, 'moves', [OTHER_POD]);
  putService(api, 'new', { clusterIP: NEW, endpoints: [OTHER_POD] });
  for (let time = 0; time < 8; time++) {
    t.equal(await said(MOVES), POD, 'Services are as they were when the node was cut off');
    t.equal(await said('10.43.1.50'), POD);
    t.equal(await steady.echo('a'), 'a');
    t.equal(await moved.echo('b'), 'b');
    // eslint-disable-next-line kedge/fixed-waits -- How long it is cut off is what is tested.
    await delay(250);
  }
  t.equal(syncsOf(proxy).length, before, 'nothing was written meanwhile');
  await nft(`delete table ${cut}`);
  const backAt = performance.now();
  await eventually('what has changed meanwhile', async () => {
    const answers = [await said(MOVES), await said(NEW)];
    return answers.every((answer) => answer === OTHER_POD);
  });
  const seconds = (performance.now() - backAt) / 1_000;
  t.ok(seconds < 10, `${seconds.toFixed(1)} s after it was back`);
  t.equal(await steady.echo('a'), 'a', 'connections go on');
  t.equal(await moved.echo('b'), 'b', 'those to a pod that is no endpoint any more, too');
  const written = syncsOf(proxy).slice(before);
  const services = written.reduce((sum, each) => sum + each.services, 0);
  t.ok(services <= 4, `no Service is written that has not changed: ${JSON.stringify(written)}`);
  t.ok(changes() < STEADY / 2, `${changes()} changes of the kernel's tables`);
}

for (const mode of RULE_MODES) {
  t.test(mode, async (t) => {
    await using api = await MemoryApi.start();
    for (let index = 0; index < STEADY; index++)
      putService(api, `steady-${index}`, { clusterIP: `10.43.1.${index}`, endpoints: [POD] });
    putService(api, 'kubernetes', { clusterIP: '10.43.0.1', endpoints: [POD] });
    putService(api, 'moves', { clusterIP: MOVES, endpoints: [POD] });
    putService(api, 'flaps', { clusterIP: FLAPS, endpoints: [POD, FLAPPING_POD] });
    const proxy = startProxyProcess(t, api, mode);
    await eventually('the rules', () => syncsOf(proxy).length > 0, 60);

    await t.test('an endpoint that flaps ten times a second holds up nobody', (t) => flaps(t, api, proxy));
    // The client of the api-server is the same in both modes.
    if (mode === 'nftables')
      await t.test('a node that is cut off from the api-server serves on, and catches up by what has changed', (t) =>
        cutOff(t, api, proxy, 'drop'),
      );
    else
      await t.test('a node that the api-server refuses serves on, and catches up by what has changed', (t) =>
        cutOff(t, api, proxy, 'reject with tcp reset'),
      );

    // It is how Services are joined with endpoints that is the same in both modes, and iptables takes far longer to write them.
    if (mode === 'nftables')
      await t.test('a Service of 50,000 endpoints takes nothing from others', (t) => isHuge(t, api, proxy));

    await proxy.end('SIGTERM');
    const next = startProxyProcess(t, api, mode);
    await eventually('another proxy to have read the rules', () => syncsOf(next).length > 0, 60);
    t.same(writesOf(next), [], 'one that starts finds every rule as it wants it');
    await next.end('SIGTERM');
  });
}

/** Counts what changes in the kernel's tables from now on, rules and elements, by whatever program. */
async function changesOf(t: Test): Promise<() => number> {
  const monitor = spawn('nft', ['monitor'], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => monitor.kill());
  let count = 0;
  let isListening = false;
  createInterface(monitor.stdout).on('line', (line) => {
    if (/^(add|delete) (rule|element|chain) (?!inet test-)/.test(line)) count++;
    if (line.includes('test-listens')) isListening = true;
  });
  await eventually('nft monitor to listen', async () => {
    await run('nft', ['-f', '-'], { input: 'add table inet test-listens\ndelete table inet test-listens\n' });
    return isListening;
  });
  return () => count;
}
