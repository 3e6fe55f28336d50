/**
 * The compiled rules in a real kernel: this test runs in a network namespace of its own, which is the "node"; its "pods" are
 * namespaces joined to it by a bridge.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import t from 'tap';
import { readSysctl } from '../../agent/host/sysctl.ts';
import { Iptables } from '../../agent/proxy/iptables.ts';
import { restoreKernel, tuneKernel } from '../../agent/proxy/kernel-tuning.ts';
import { RuleBook } from '../../agent/proxy/rule-book.ts';
import type { Endpoint, ServiceEntry } from '../../agent/proxy/service-table.ts';
import { run } from '../../agent/host/run.ts';

const INSIDE = 'KEDGE_TEST_PROXY_NAMESPACE';
if (!process.env[INSIDE]) {
  const { status } = spawnSync('unshare', ['--net', process.execPath, ...process.argv.slice(1)], {
    stdio: 'inherit',
    env: { ...process.env, [INSIDE]: '1' },
  });
  process.exit(status ?? 1);
}

const CIDR = '10.42.0.0/16';
const NODE = '10.42.0.1';
const PODS = ['10.42.0.2', '10.42.0.3'] as const;
const netns = (index: number): string => `kedge-proxy-${process.pid}-${index}`;
const ip = (...args: string[]) => run('ip', args);

/** A server in a pod's namespace that tells each client its own address and the client's. */
const SERVER = `require('net').createServer((s) => s.end(process.argv[1] + ' ' + s.remoteAddress)).listen(8080, () => console.log('up'))`;

t.before(async () => {
  await ip('link', 'set', 'lo', 'up');
  await ip('link', 'add', 'cni0', 'type', 'bridge');
  await ip('addr', 'add', `${NODE}/24`, 'dev', 'cni0');
  await ip('link', 'set', 'cni0', 'up');
  // Locally made packets to a cluster IP need a route before they are redirected, as the default route is on a host.
  await ip('route', 'add', 'default', 'dev', 'cni0');
  await run('sysctl', [
    '-qw',
    'net.ipv4.ip_forward=1',
    'net.bridge.bridge-nf-call-iptables=1',
    'net.ipv4.conf.all.route_localnet=1',
    // The way out is the way in here, of which pods are told by redirects: these use up what refusals may be sent.
    'net.ipv4.icmp_ratelimit=0',
  ]);
  for (const [index, address] of PODS.entries()) {
    const name = netns(index);
    await ip('netns', 'add', name);
    t.teardown(() => ip('netns', 'del', name));
    await ip('link', 'add', `v${index}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
    await ip('link', 'set', `v${index}`, 'master', 'cni0');
    await ip('link', 'set', `v${index}`, 'type', 'bridge_slave', 'hairpin', 'on');
    await ip('link', 'set', `v${index}`, 'up');
    for (const args of [
      ['link', 'set', 'lo', 'up'],
      ['addr', 'add', `${address}/24`, 'dev', 'eth0'],
      ['link', 'set', 'eth0', 'up'],
      ['route', 'add', 'default', 'via', NODE],
    ]) {
      await ip('-n', name, ...args);
    }
    const server = spawn('nsenter', [`--net=/run/netns/${name}`, process.execPath, '-e', SERVER, address], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.teardown(() => server.kill());
    await once(server.stdout, 'data');
  }
});

const endpoint = (address: string, local = true): Endpoint => ({
  ip: address,
  port: 8080,
  ready: true,
  serving: true,
  terminating: false,
  local,
});
const service = (endpoints: readonly Endpoint[], changes: Partial<ServiceEntry> = {}): ServiceEntry => ({
  namespace: 'default',
  name: 'web',
  clusterIP: '10.43.0.5',
  externalIPs: [],
  loadBalancerIPs: [],
  loadBalancerSourceRanges: [],
  affinitySeconds: 0,
  externalPolicyLocal: false,
  internalPolicyLocal: false,
  healthCheckNodePort: 0,
  ports: [{ label: 'default/web', protocol: 'TCP', port: 80, nodePort: 30080, endpoints }],
  ...changes,
});

/** What the server says, or the error's code. */
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
const askFrom = async (index: number, host: string, port: number): Promise<string> => {
  const client = `require('net').connect(${port}, '${host}').on('data', (d) => process.stdout.write(d)).on('error', (e) => process.stdout.write(e.code))`;
  return (
    await run('nsenter', [`--net=/run/netns/${netns(index)}`, process.execPath, '-e', client], { timeoutMs: 5000 })
  ).stdout;
};

t.test('the kernel does what a Service says, change by change', async (t) => {
  const book = new RuleBook(CIDR);
  const iptables = new Iptables(new AbortController().signal);
  const put = async (entry: ServiceEntry | undefined) => iptables.apply(book.update(new Map([['default/web', entry]])));
  await iptables.replace(book.everything());
  t.ok(await iptables.isIntact());

  await put(service(PODS.map((address) => endpoint(address))));
  const answers = new Set<string>();
  for (let i = 0; i < 40; i++) answers.add((await ask('10.43.0.5', 80)).split(' ')[0] ?? '');
  t.same([...answers].sort(), [...PODS], 'both endpoints are used');
  t.match(await ask(NODE, 30080), /^10\.42\.0\.[23] /, 'the node port answers');
  t.match(await ask('127.0.0.1', 30080), /^10\.42\.0\.[23] /, 'the node port answers at loopback');
  t.match(await askFrom(0, '10.43.0.5', 80), /^10\.42\.0\.[23] /, 'a pod reaches the Service');

  await put(service([endpoint(PODS[0])]));
  for (let i = 0; i < 5; i++)
    t.match(await ask('10.43.0.5', 80), PODS[0], 'an endpoint that has gone gets nothing more');
  t.match(await askFrom(0, '10.43.0.5', 80), PODS[0], 'a pod reaches itself through its Service');
  t.equal(
    (await askFrom(1, '10.43.0.5', 80)).split(' ')[1]?.replace('::ffff:', ''),
    PODS[1],
    "the source of pod traffic is the pod's own address",
  );

  await put(
    service(
      PODS.map((address) => endpoint(address)),
      { affinitySeconds: 10 },
    ),
  );
  const sticky = new Set<string>();
  for (let i = 0; i < 20; i++) sticky.add((await ask('10.43.0.5', 80)).split(' ')[0] ?? '');
  t.equal(sticky.size, 1, 'session affinity keeps a client with one endpoint');

  await put(service([]));
  t.equal(await ask('10.43.0.5', 80), 'ECONNREFUSED', 'without endpoints the cluster IP refuses at once');
  t.equal(await ask(NODE, 30080), 'ECONNREFUSED', 'and so does the node port');
  t.equal(await askFrom(0, '10.43.0.5', 80), 'ECONNREFUSED', 'and so does the cluster IP for a pod');

  await put(
    service(
      PODS.map((address) => endpoint(address, false)),
      { externalPolicyLocal: true, externalIPs: ['10.99.9.9'] },
    ),
  );
  t.match(
    await ask('10.43.0.5', 80),
    /^10\.42\.0\.[23] /,
    'the cluster IP is not bound by the policy for traffic from outside',
  );

  await put(undefined);
  const { stdout } = await run('iptables-save', ['-t', 'nat']);
  t.notMatch(stdout, /KUBE-(SVC|SEP|EXT|SVE|SVL)-|10\.43\.0\.5/, 'nothing of a deleted Service is left');
});

t.test('a proxy that starts anew takes over what is there, and repairs what a firewall reload took away', async (t) => {
  const iptables = new Iptables(new AbortController().signal);
  const before = new RuleBook(CIDR);
  before.update(new Map([['default/old', service([endpoint(PODS[0])], { name: 'old', clusterIP: '10.43.7.7' })]]));
  await iptables.replace(before.everything());

  const after = new RuleBook(CIDR);
  after.update(new Map([['default/web', service([endpoint(PODS[1])])]]));
  await iptables.replace(after.everything());
  const { stdout } = await run('iptables-save', ['-t', 'nat']);
  t.notMatch(stdout, '10.43.7.7', 'rules of Services that went while nobody looked are gone');
  t.equal(stdout.match(/-A PREROUTING .*-j KUBE-SERVICES/g)?.length, 1, 'the jump is there once');

  await run('iptables', ['-t', 'nat', '-F']);
  t.notOk(await iptables.isIntact());
  await iptables.replace(after.everything());
  t.match(await ask('10.43.0.5', 80), PODS[1]);

  await run('iptables', [
    '-I',
    'FORWARD',
    '-m',
    'comment',
    '--comment',
    'of an earlier version',
    '-j',
    'KUBE-SERVICES',
  ]);
  await run('iptables', ['-A', 'FORWARD', '-s', '192.0.2.99', '-j', 'DROP']);
  await iptables.remove();
  const left = (await run('iptables-save', [])).stdout;
  t.notMatch(left, 'KUBE-', 'all of it can be taken away');
  t.match(left, '-A FORWARD -s 192.0.2.99/32 -j DROP', 'and nothing else');
  await t.resolves(iptables.remove(), 'again, when nothing is there');
});

t.test(
  'a connection that one side has closed is remembered for an hour, until the kernel has its own settings back',
  async (t) => {
    const dataDir = t.testdir();
    const closeWait = () => readSysctl('net.netfilter.nf_conntrack_tcp_timeout_close_wait');
    const before = await closeWait();
    const warnings: Error[] = [];
    const tune = () => tuneKernel(dataDir, (error) => warnings.push(error));
    await tune();
    t.equal(await closeWait(), '3600');
    await tune();
    t.strictSame(warnings, []);
    await restoreKernel(dataDir);
    t.equal(await closeWait(), before, 'as it was before the first time');
    await t.resolves(restoreKernel(dataDir), 'again, when nothing is to be put back');
  },
);

t.test('one Service among 5,000 changes without the others being written again', async (t) => {
  const iptables = new Iptables(new AbortController().signal);
  const book = new RuleBook(CIDR);
  const many = Array.from({ length: 5000 }, (_, index): [string, ServiceEntry] => [
    `default/s${index}`,
    service([endpoint(PODS[0])], {
      name: `s${index}`,
      clusterIP: `10.43.${(index >> 8) + 1}.${index & 255}`,
      ports: [{ label: `default/s${index}`, protocol: 'TCP', port: 80, nodePort: 0, endpoints: [endpoint(PODS[0])] }],
    }),
  ]);
  book.update(new Map(many));
  const start = performance.now();
  await iptables.replace(book.everything());
  const all = performance.now() - start;
  const again = performance.now();
  await iptables.apply(book.update(new Map([['default/web', service([endpoint(PODS[1])])]])));
  const one = performance.now() - again;
  t.comment(`5,000 Services in ${all.toFixed(0)} ms, one more in ${one.toFixed(0)} ms`);
  t.match(await ask('10.43.0.5', 80), PODS[1]);
  t.ok(one < all / 5, 'a change costs a fraction of the whole');
  await iptables.remove();
});
