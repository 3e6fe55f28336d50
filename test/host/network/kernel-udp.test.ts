/** UDP flows in a real kernel, while Services and the agent change. */
import dgram from 'node:dgram';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../../agent/host/run.ts';
import { UdpFlows } from '../../../agent/network/services/conntrack/conntrack.ts';
import { expectedFlows } from '../../../agent/network/services/conntrack/udp-flows.ts';
import type { ProxyMode } from '../../../agent/network/services/backends/proxy-mode.ts';
import type { ServiceEntry } from '../../../agent/network/services/model/service-entry.ts';
import { backendOf, enterNamespace, makeNode, makePods, NODE_ADDRESS, TESTED_MODES } from './pod-namespaces.ts';
import { entryOf, SERVICE_CIDR, type Shape } from '../../support/service-entries.ts';

enterNamespace();

const PODS = ['10.42.0.2', '10.42.0.3', '10.42.0.4'] as const;
const SERVICE = { host: '10.43.0.10', port: 53 };
const NODE_PORT = 30053;
const CLIENTS = 6;
/** Tells each client by which address and port it was reached. */
const SERVER = `
  const up = [5001, 5002].map((port) => new Promise((resolve) => {
    const s = require('dgram').createSocket('udp4');
    s.on('message', (_, from) => s.send(process.argv[1] + ':' + port, from.port, from.address)).bind(port, resolve);
  }));
  Promise.all(up).then(() => console.log('up'));`;

t.before(async () => {
  await makeNode();
  await makePods(t, PODS, SERVER);
});

const { signal } = new AbortController();
const service = (endpoints: Shape['endpoints'], targetPort = 5001): ServiceEntry =>
  entryOf({
    ...{ name: 'dns', clusterIP: SERVICE.host, protocol: 'UDP', port: SERVICE.port, endpoints, targetPort },
    nodePort: NODE_PORT,
  });

/** What an agent does with the Service, from its start on. */
function startAgent(mode: ProxyMode, { knowsRange = true } = {}) {
  const serviceRange = knowsRange ? SERVICE_CIDR : undefined;
  const flows = new UdpFlows('IPv4');
  const backend = backendOf(mode);
  return async (entry: ServiceEntry | undefined): Promise<void> => {
    await backend.sync({ services: new Map([['default/dns', entry]]), serviceRange });
    await flows.reconcile(() => expectedFlows(entry ? [entry] : []), signal);
  };
}

/** A client that keeps its port; it returns who answered, or `refused` or `nobody`. */
async function client(t: Test): Promise<(to?: { host: string; port: number }) => Promise<string>> {
  const socket = dgram.createSocket('udp4');
  socket.bind(0);
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  return async ({ host, port } = SERVICE) => {
    const answer = once(socket, 'message', { signal: AbortSignal.timeout(500) });
    socket.send('x', port, host);
    return answer.then(
      ([data]) => String(data),
      (error: NodeJS.ErrnoException) => (error.code === 'ECONNREFUSED' ? 'refused' : 'nobody'),
    );
  };
}
const clients = (t: Test) => Promise.all(Array.from({ length: CLIENTS }, () => client(t)));
const answersOf = (all: Awaited<ReturnType<typeof clients>>) => Promise.all(all.map((ask) => ask()));

t.afterEach(async () => {
  for (const mode of TESTED_MODES) await backendOf(mode).remove();
  await run('conntrack', ['-F']);
});

for (const mode of TESTED_MODES) {
  t.test(`${mode}: a changed targetPort applies to the next packet of a flow`, async (t) => {
    const put = startAgent(mode);
    const ask = await client(t);
    await put(service([PODS[0]], 5001));
    t.equal(await ask(), `${PODS[0]}:5001`);
    await put(service([PODS[0]], 5002));
    t.equal(await ask(), `${PODS[0]}:5002`);
  });

  t.test(`${mode}: flows are kept when the agent restarts, and when endpoints are added`, async (t) => {
    await startAgent(mode)(service(PODS.slice(0, 2)));
    const all = await clients(t);
    const before = await answersOf(all);
    const put = startAgent(mode);
    await put(service(PODS.slice(0, 2)));
    t.same(await answersOf(all), before);
    await put(service(PODS));
    t.same(await answersOf(all), before);
  });

  t.test(`${mode}: flows stay with a terminating endpoint while it serves, and leave a removed one`, async (t) => {
    const put = startAgent(mode);
    await put(service([PODS[0]]));
    const all = await clients(t);
    const [ask] = all;
    t.same(new Set(await answersOf(all)), new Set([`${PODS[0]}:5001`]));
    const terminating = { ready: false, serving: true, terminating: true };
    await put(service([{ ip: PODS[0], conditions: terminating }, PODS[1]]));
    t.same(new Set(await answersOf(all)), new Set([`${PODS[0]}:5001`]), 'an existing flow is kept');
    t.equal(await (await client(t))(), `${PODS[1]}:5001`, 'a new flow gets another endpoint');
    await put(service([PODS[1]]));
    t.same(new Set(await answersOf(all)), new Set([`${PODS[1]}:5001`]));
    await put(service([]));
    t.not(await ask?.(), `${PODS[1]}:5001`, 'nobody serves');
  });

  t.test(`${mode}: a flow from before the Service existed is forwarded to its endpoint`, async (t) => {
    const ask = await client(t);
    // Where the range is not known, nothing refuses the packet.
    await startAgent(mode, { knowsRange: false })(undefined);
    t.equal(await ask(), 'nobody');
    t.match((await run('conntrack', ['-L', '-p', 'udp'])).stdout, `src=${SERVICE.host}`, 'the kernel remembers');
    await startAgent(mode)(service([PODS[0]]));
    t.equal(await ask(), `${PODS[0]}:5001`);
  });

  t.test(
    `${mode}: flows through a node port are moved, and those to the same port of another host are kept`,
    async (t) => {
      const put = startAgent(mode);
      const [ask, other] = [await client(t), await client(t)];
      const nodePort = { host: NODE_ADDRESS, port: NODE_PORT };
      await put(service([PODS[0]]));
      t.equal(await ask(nodePort), `${PODS[0]}:5001`);
      await other({ host: PODS[2], port: NODE_PORT });
      await put(service([PODS[1]]));
      t.equal(await ask(nodePort), `${PODS[1]}:5001`);
      await put(undefined);
      const left = (await run('conntrack', ['-L', '-p', 'udp'])).stdout;
      t.notMatch(left, `src=${PODS[1]}`, 'a deleted Service leaves no flow behind');
      t.match(left, `src=${PODS[2]}`);
    },
  );

  t.test(`${mode}: thousands of flows are scanned, and those of one endpoint deleted at once`, async (t) => {
    const put = startAgent(mode);
    await put(service(PODS.slice(0, 2)));
    const entries = Array.from({ length: 20_000 }, (_, index) => {
      const source = [
        '-s',
        `10.200.${index >> 8}.${index & 255}`,
        '-d',
        SERVICE.host,
        '--sport',
        '4000',
        '--dport',
        '53',
      ];
      const reply = ['-r', PODS[index % 2] ?? '', '-q', `10.200.${index >> 8}.${index & 255}`];
      return [
        '-I',
        '-p',
        'udp',
        ...source,
        ...reply,
        '--reply-port-src',
        '5001',
        '--reply-port-dst',
        '4000',
        '-t',
        '300',
      ];
    });
    const file = join(t.testdir(), 'entries');
    await writeFile(file, entries.map((words) => `${words.join(' ')}\n`).join(''));
    await run('conntrack', ['-R', file], { timeoutMs: 60_000 });
    const count = async (endpoint: string): Promise<number> => {
      const { stdout } = await run('conntrack', ['-L', '-p', 'udp', '--reply-src', endpoint], { timeoutMs: 60_000 });
      return stdout.split('\n').filter((line) => line.startsWith('udp')).length;
    };
    t.equal(await count(PODS[1]), entries.length / 2);
    await put(service([PODS[0]]));
    t.equal(await count(PODS[1]), 0);
    t.equal(await count(PODS[0]), entries.length / 2);
  });
}
