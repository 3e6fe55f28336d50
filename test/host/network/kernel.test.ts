/** The compiled rules in a real kernel. */
import net from 'node:net';
import t from 'tap';
import { readSysctl } from '../../../agent/host/sysctl.ts';
import type { ProxyMode } from '../../../agent/network/services/backends/proxy-mode.ts';
import { KernelTuning, restoreKernel } from '../../../agent/network/services/kernel-tuning.ts';
import type { ServiceEntry } from '../../../agent/network/services/model/service-entry.ts';
import { run } from '../../../agent/host/run.ts';
import {
  backendOf,
  enterNamespace,
  makeNode,
  makePods,
  NODE_ADDRESS as NODE,
  rulesOf,
  runInPod,
  TESTED_MODES,
} from './pod-namespaces.ts';
import { entryOf, SERVICE_CIDR, type Shape } from '../../support/service-entries.ts';

enterNamespace();

const PODS = ['10.42.0.2', '10.42.0.3'] as const;

/**
 * A server in a pod's namespace that sends each client its own address and the client's. A connection that is being closed while
 * the last rules are removed is reset.
 */
const SERVER = `require('net').createServer((s) => s.on('error', () => {}).end(process.argv[1] + ' ' + s.remoteAddress)).listen(8080, () => console.log('up'))`;

t.before(async () => {
  await makeNode();
  await makePods(t, PODS, SERVER);
});

const service = (endpoints: Shape['endpoints'], shape: Shape = {}): ServiceEntry =>
  entryOf({ nodePort: 30080, endpoints, ...shape });

/** What puts Services in the kernel, one after the other. */
function start(mode: ProxyMode) {
  const backend = backendOf(mode);
  const sync = (services: Iterable<readonly [string, ServiceEntry | undefined]>) =>
    backend.sync({ services: new Map(services), serviceRange: SERVICE_CIDR });
  const put = (entry: ServiceEntry | undefined) => sync([['default/web', entry]]);
  return { backend, sync, put };
}

/** The server's output, or the error's code. */
function ask(host: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port });
    let text = '';
    socket.setTimeout(2000, () => socket.destroy(new Error('no answer')));
    socket.on('data', (data) => (text += String(data)));
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.on('end', () => resolve(text));
  });
}
const askFrom = (index: number, host: string, port: number): Promise<string> => {
  const client = `require('net').connect(${port}, '${host}').on('data', (d) => process.stdout.write(d)).on('error', (e) => process.stdout.write(e.code))`;
  return runInPod(index, client);
};

const TABLES = { nftables: 'kube-proxy', ipvs: 'kube-ipvs' } as const;

for (const mode of TESTED_MODES) {
  t.test(`${mode}: the kernel follows each change of a Service`, async (t) => {
    const { backend, sync, put } = start(mode);
    await sync([]);
    t.ok(await backend.verify());

    await put(service(PODS));
    const answers = new Set<string>();
    for (let i = 0; i < 40; i++) answers.add((await ask('10.43.0.5', 80)).split(' ')[0] ?? '');
    t.same([...answers].sort(), [...PODS], 'both endpoints are used');
    t.match(await ask(NODE, 30080), /^10\.42\.0\.[23] /, 'the node port responds');
    // The kernel keeps IPVS from leading packets of loopback elsewhere.
    const atLoopback = mode === 'ipvs' ? 'ECONNREFUSED' : /^10\.42\.0\.[23] /;
    t.match(await ask('127.0.0.1', 30080), atLoopback, 'the node port responds at loopback');
    t.match(await askFrom(0, '10.43.0.5', 80), /^10\.42\.0\.[23] /, 'a pod reaches the Service');

    await put(service([PODS[0]]));
    for (let i = 0; i < 5; i++) t.match(await ask('10.43.0.5', 80), PODS[0], 'a removed endpoint gets no connections');
    t.match(await askFrom(0, '10.43.0.5', 80), PODS[0], 'a pod reaches itself through its Service');
    t.equal(
      (await askFrom(1, '10.43.0.5', 80)).split(' ')[1]?.replace('::ffff:', ''),
      PODS[1],
      "the source of pod traffic is the pod's own address",
    );

    const sourceOf = (answer: string): string | undefined => answer.split(' ')[1]?.replace('::ffff:', '');
    t.equal(sourceOf(await askFrom(1, NODE, 30080)), NODE, "what comes by a node port leaves with the node's address");

    await put(service(PODS, { spec: { externalIPs: ['10.99.9.9'] } }));
    t.match(await ask('10.99.9.9', 80), /^10\.42\.0\.[23] /, 'an external IP responds to the node');
    t.equal(sourceOf(await askFrom(1, '10.99.9.9', 80)), NODE, 'and to a pod, masqueraded');

    const sessionAffinityConfig = { clientIP: { timeoutSeconds: 10 } };
    await put(service(PODS, { spec: { sessionAffinity: 'ClientIP', sessionAffinityConfig } }));
    const sticky = new Set<string>();
    for (let i = 0; i < 20; i++) sticky.add((await ask('10.43.0.5', 80)).split(' ')[0] ?? '');
    t.equal(sticky.size, 1, 'session affinity keeps a client with one endpoint');

    await put(service([]));
    t.equal(await ask('10.43.0.5', 80), 'ECONNREFUSED', 'without endpoints the cluster IP refuses at once');
    t.equal(await ask(NODE, 30080), 'ECONNREFUSED', 'and so does the node port');
    t.equal(await askFrom(0, '10.43.0.5', 80), 'ECONNREFUSED', 'and so does the cluster IP for a pod');

    const elsewhere = PODS.map((address) => ({ ip: address, node: 'node-1' }));
    await put(service(elsewhere, { spec: { externalTrafficPolicy: 'Local', externalIPs: ['10.99.9.9'] } }));
    t.match(
      await ask('10.43.0.5', 80),
      /^10\.42\.0\.[23] /,
      'the cluster IP is not bound by the policy for traffic from outside',
    );
    await put(service([elsewhere[1]!], { spec: { externalTrafficPolicy: 'Local', externalIPs: ['10.99.9.9'] } }));
    t.match(await ask('10.99.9.9', 80), PODS[1], 'neither is the node');
    t.match(await askFrom(0, '10.99.9.9', 80), PODS[1], 'nor a pod');
    await put(
      service([PODS[0], elsewhere[1]!], { spec: { externalTrafficPolicy: 'Local', sessionAffinity: 'ClientIP' } }),
    );
    t.match(await ask(NODE, 30080), /^10\.42\.0\.[23] /, 'with affinity, too');

    await put(undefined);
    const traces = /KUBE-(SVC|SEP|EXT|SVE|SVL)-|10\.43\.0\.5|default\/web/;
    t.notMatch(await rulesOf(mode), traces, 'the rules of a deleted Service are removed');
    await backend.remove();
  });

  t.test(
    `${mode}: connections to unassigned addresses and ports of the service range are rejected on the node`,
    async (t) => {
      const { backend, put } = start(mode);
      await put(service([PODS[0]]));
      t.match(await ask('10.43.0.5', 80), PODS[0]);
      for (const [host, what] of [
        ['10.43.0.5', 'a port that its Service has not'],
        ['10.43.200.1', 'an address that no Service has'],
      ] as const) {
        t.equal(await ask(host, 81), 'ECONNREFUSED', `${what}, from the node`);
        t.equal(await askFrom(0, host, 81), 'ECONNREFUSED', `${what}, from a pod`);
      }
      const udp = `const s = require('dgram').createSocket('udp4'); s.connect(53, '10.43.200.1', () => s.send('x')); s.on('error', (e) => { process.stdout.write(e.code); s.close(); })`;
      t.equal(await runInPod(0, udp), 'ECONNREFUSED', 'UDP clients get an ICMP error');
      await run('ip', ['addr', 'add', '10.43.200.2/32', 'dev', 'lo']);
      const host = net.createServer((socket) => socket.end('host')).listen(81, '10.43.200.2');
      t.equal(await ask('10.43.200.2', 81), 'host', 'an address that the host has itself is its own');
      host.close();
      await put(undefined);
      t.equal(await ask('10.43.0.5', 80), 'ECONNREFUSED', 'the address of a deleted Service');
      await backend.remove();
      t.notMatch(await rulesOf(mode), /REJECT|reject/, 'nothing is refused once the rules are removed');
      await run('ip', ['addr', 'del', '10.43.200.2/32', 'dev', 'lo']);
    },
  );

  t.test(`${mode}: a load balancer admits its source ranges, in any notation`, async (t) => {
    const { backend, put } = start(mode);
    const to = (...loadBalancerSourceRanges: string[]) =>
      put(
        service([PODS[0]], {
          ingress: ['203.0.113.7'],
          spec: { type: 'LoadBalancer', loadBalancerSourceRanges },
        }),
      );
    await to('10.42.0.3/032', '2001:db8::/32', ' 192.0.2.0/24\n');
    t.match(await askFrom(1, '203.0.113.7', 80), PODS[0], 'a pod that is named');
    t.match(await rulesOf(mode), '192.0.2.0/24');
    const refused = `require('net').connect(80, '203.0.113.7').setTimeout(500, function () { process.stdout.write('dropped'); this.destroy(); })`;
    t.equal(await runInPod(0, refused), 'dropped', 'one that is not');
    await backend.remove();
  });

  t.test(
    `${mode}: a restarted proxy adopts existing rules, and repairs those removed by a firewall reload`,
    async (t) => {
      await start(mode).sync([['default/old', service([PODS[0]], { name: 'old', clusterIP: '10.43.7.7' })]]);

      const { backend, sync, put } = start(mode);
      await put(service([PODS[1]]));
      const rules = await rulesOf(mode);
      t.notMatch(rules, '10.43.7.7', 'rules of Services deleted meanwhile are removed');
      const jumps = mode === 'iptables' ? /-A PREROUTING .*-j KUBE-SERVICES/g : /jump services/g;
      t.equal(rules.match(jumps)?.length, mode === 'iptables' ? 1 : 2, 'the jump is there once for each way in');

      if (mode === 'iptables') await run('iptables', ['-t', 'nat', '-F']);
      else await run('nft', ['flush', 'chain', 'ip', TABLES[mode], 'nat-prerouting']);
      t.notOk(await backend.verify());
      await sync([]);
      t.match(await ask('10.43.0.5', 80), PODS[1]);

      const earlier = ['-m', 'comment', '--comment', 'of an earlier version', '-j', 'KUBE-SERVICES'];
      if (mode === 'iptables') await run('iptables', ['-I', 'FORWARD', ...earlier]);
      await run('iptables', ['-A', 'FORWARD', '-s', '192.0.2.99', '-j', 'DROP']);
      await backend.remove();
      t.notMatch(await rulesOf(mode), /KUBE-|KEDGE-|kube-proxy|kube-ipvs/, 'all rules can be removed');
      const others = await rulesOf('iptables');
      t.match(others, '-A FORWARD -s 192.0.2.99/32 -j DROP', 'and nothing else');
      await run('iptables', ['-D', 'FORWARD', '-s', '192.0.2.99', '-j', 'DROP']);
      await t.resolves(backend.remove(), 'again, when nothing is there');
    },
  );

  t.test(`${mode}: a change of one Service among 5,000 does not rewrite the others`, async (t) => {
    const { backend, sync, put } = start(mode);
    const many = Array.from({ length: 5000 }, (_, index) => {
      const clusterIP = `10.43.${(index >> 8) + 1}.${index & 255}`;
      return [`default/s${index}`, entryOf({ name: `s${index}`, clusterIP, endpoints: [PODS[0]] })] as const;
    });
    const before = performance.now();
    await sync(many);
    const all = performance.now() - before;
    const again = performance.now();
    await put(service([PODS[1]], { nodePort: undefined }));
    const one = performance.now() - again;
    t.comment(`5,000 Services in ${all.toFixed(0)} ms, one more in ${one.toFixed(0)} ms`);
    t.match(await ask('10.43.0.5', 80), PODS[1]);
    t.ok(one < all / 5, 'a change costs a fraction of the whole');
    await backend.remove();
  });
}

t.test('kernel settings for half-closed connections are changed and restored', async (t) => {
  const dataDir = t.testdir();
  const closeWait = () => readSysctl('net.netfilter.nf_conntrack_tcp_timeout_close_wait');
  const before = await closeWait();
  const warnings: Error[] = [];
  const tune = () => new KernelTuning(dataDir, (error) => warnings.push(error)).apply([]);
  await tune();
  t.equal(await closeWait(), '3600');
  await tune();
  t.strictSame(warnings, []);
  await restoreKernel(dataDir);
  t.equal(await closeWait(), before, 'as it was before the first time');
  await t.resolves(restoreKernel(dataDir), 'again, with nothing to restore');
});
