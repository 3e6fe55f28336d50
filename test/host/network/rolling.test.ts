/** The pods of a Service are replaced one after the other while clients connect to it. */
import net from 'node:net';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { MemoryApi } from '../../support/memory-api.ts';
import { eventually } from '../../support/wait.ts';
import { enterNamespace, ip, makeNode, makePods, runInPod, RULE_MODES } from './pod-namespaces.ts';
import { putService, startProxyProcess } from './proxies.ts';

enterNamespace();

const ENDPOINTS = 200;
/** So many pods are replaced at once. */
const SURGE = 10;
/** How long a pod serves after it has begun to terminate: far less than the 30 s that it may. */
const GRACE_MS = 2_000;
const CLIENTS = 10;
const SERVICE = '10.43.0.5';
/** Answers a line with the address of the pod. */
const SERVER = `require('net').createServer((s) => s.on('error', () => {}).once('data', () => s.end(s.localAddress)))
  .listen({ port: 8080, backlog: 1024 }, () => console.log('up'))`;

/** All are addresses of one pod, whose server tells them apart. */
const addressOf = (index: number): string => `10.42.${8 + (index >> 8)}.${index & 255}`;
const inPod = (lines: readonly string[]): Promise<string> =>
  runInPod(
    0,
    `require('child_process').execFileSync('ip', ['-batch', '-'], { input: ${JSON.stringify(`${lines.join('\n')}\n`)} })`,
  );

t.before(async () => {
  await makeNode();
  await makePods(t, ['10.42.0.2'], SERVER);
  await ip('route', 'add', '10.42.8.0/22', 'dev', 'cni0');
});

interface Result {
  answered: number;
  readonly served: Set<string>;
  readonly failures: string[];
}

async function request(): Promise<string> {
  const socket = net.connect({ host: SERVICE, port: 80 });
  try {
    const signal = AbortSignal.timeout(5_000);
    await once(socket, 'connect', { signal });
    socket.write('hello\n');
    const [answer] = (await once(socket, 'data', { signal })) as [Buffer];
    return String(answer);
  } finally {
    socket.on('error', () => undefined).destroy();
  }
}

async function requestUntil(signal: AbortSignal, result: Result): Promise<void> {
  while (!signal.aborted) {
    try {
      result.served.add(await request());
      result.answered++;
    } catch (error) {
      result.failures.push(String(error));
    }
  }
}

for (const mode of RULE_MODES) {
  t.test(`${mode}: no request fails while 200 endpoints are replaced under load`, async (t) => {
    await using api = await MemoryApi.start();
    const put = (ready: readonly string[], terminating: readonly string[]): void => {
      const endpointOf = (address: string, isReady: boolean) => ({
        ...{ addresses: [address], nodeName: 'node-0' },
        conditions: { ready: isReady, serving: true, terminating: !isReady },
      });
      api.put('endpointslices', {
        metadata: { name: 'web', namespace: 'default', labels: { 'kubernetes.io/service-name': 'web' } },
        addressType: 'IPv4',
        ports: [{ name: 'web', port: 8080, protocol: 'TCP' }],
        endpoints: [...ready.map((one) => endpointOf(one, true)), ...terminating.map((one) => endpointOf(one, false))],
      });
    };
    let ready = Array.from({ length: ENDPOINTS }, (_, index) => addressOf(index));
    await inPod(ready.map((address) => `address add ${address}/32 dev eth0`));
    putService(api, 'web', { clusterIP: SERVICE, endpoints: [] });
    put(ready, []);
    const proxy = startProxyProcess(t, api, mode);
    await eventually('the first answer', request);

    const over = new AbortController();
    const result: Result = { answered: 0, served: new Set(), failures: [] };
    const clients = Array.from({ length: CLIENTS }, () => requestUntil(over.signal, result));
    const endings: Promise<unknown>[] = [];
    for (let next = ENDPOINTS; next < 2 * ENDPOINTS; next += SURGE) {
      const come = Array.from({ length: SURGE }, (_, index) => addressOf(next + index));
      const gone = ready.slice(0, SURGE);
      await inPod(come.map((address) => `address add ${address}/32 dev eth0`));
      ready = [...ready.slice(SURGE), ...come];
      put(ready, gone);
      // eslint-disable-next-line kedge/fixed-waits -- A pod does not know who still connects to it: it serves for its grace period.
      const grace = delay(GRACE_MS);
      endings.push(grace.then(() => inPod(gone.map((address) => `address delete ${address}/32 dev eth0`))));
    }
    await Promise.all(endings);
    const answered = result.answered;
    await eventually('answers of the new pods alone', () => result.answered > answered + ENDPOINTS);
    over.abort();
    await Promise.all(clients);
    t.comment(`rolling ${JSON.stringify({ answered: result.answered, failed: result.failures.length })}`);
    t.same(result.failures, [], `${result.answered} requests, answered by ${result.served.size} pods`);
    t.ok(result.served.size > ENDPOINTS, `${result.served.size} pods have answered`);
    await proxy.end('SIGTERM');
    await inPod(ready.map((address) => `address delete ${address}/32 dev eth0`));
  });
}
