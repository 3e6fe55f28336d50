/** Run by network.test.ts in a network namespace of its own: its changes are dropped with it. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { test } from 'tap';
import { clusterRanges } from '../../../api/domain/cluster-ranges.ts';
import { detectNodeIps, listRoutes } from '../../../agent/host/links.ts';
import { readSysctl, writeSysctl } from '../../../agent/host/sysctl.ts';
import { writeCniConfig } from '../../../agent/network/cni-config.ts';
import { applyKernelSettings } from '../../../agent/network/kernel-settings.ts';
import { NodeRoutes, type NodeAddressing } from '../../../agent/network/connectivity/node-routes.ts';
import { CLUSTER_CIDR } from '../../support/service-entries.ts';
import { eventually } from '../../support/wait.ts';

const logger = { debug() {}, info() {}, warn() {}, error() {} };
const { signal } = new AbortController();
const ip = (...args: string[]): string => execFileSync('ip', args, { encoding: 'utf8' });

interface ConfigList {
  readonly cniVersion: string;
  readonly name: string;
  readonly plugins: readonly (Record<string, unknown> & { readonly type: string })[];
}

test("the CNI configuration connects a pod to the bridge with an address of the node's pod CIDR", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'agent-host-cni-'));
  const pod = basename(directory);
  ip('netns', 'add', pod);
  t.teardown(async () => {
    ip('netns', 'delete', pod);
    await rm(directory, { recursive: true });
  });
  const confDir = join(directory, 'net.d');
  const network = {
    podCidrs: clusterRanges('10.42.7.0/24'),
    bridgeName: 'kt0',
    mtu: 1400,
    stateDir: join(directory, 'state'),
  };
  t.equal(await writeCniConfig(confDir, network), true);
  const path = join(confDir, '10-kedge.conflist');
  const written = await stat(path);
  t.equal(await writeCniConfig(confDir, network), false);
  t.equal((await stat(path)).ino, written.ino, 'it is not written again when nothing has changed');

  ip('link', 'set', 'lo', 'up');
  const list = JSON.parse(await readFile(path, 'utf8')) as ConfigList;
  const run = (command: string): string =>
    execFileSync('/usr/lib/cni/bridge', {
      input: JSON.stringify({ ...list.plugins[0], cniVersion: list.cniVersion, name: list.name }),
      encoding: 'utf8',
      env: {
        ...process.env,
        CNI_COMMAND: command,
        CNI_CONTAINERID: pod,
        CNI_NETNS: `/run/netns/${pod}`,
        CNI_IFNAME: 'eth0',
        CNI_PATH: '/usr/lib/cni',
      },
    });
  const result = JSON.parse(run('ADD')) as { ips: { address: string; gateway: string }[] };
  t.same(
    result.ips.map(({ address, gateway }) => [address, gateway]),
    [['10.42.7.2/24', '10.42.7.1']],
  );
  t.match(ip('-n', pod, 'route'), /default via 10\.42\.7\.1/);
  t.match(ip('-n', pod, 'link', 'show', 'eth0'), /mtu 1400/);
  const [refusal] = (await once(connect(80, '10.42.7.2'), 'error').catch((error: unknown) => [error])) as [Error];
  t.match(refusal, { code: 'ECONNREFUSED' }, 'the pod itself rejects the connection');
  t.match(ip('-details', 'link', 'show', 'master', 'kt0'), /hairpin on/, 'a pod reaches itself through a Service');
  run('DEL');
});

test('IP forwarding is enabled, and missing kernel features are logged', async (t) => {
  t.same(await applyKernelSettings(['IPv4'], logger, signal), []);
  t.equal(await readSysctl('net.ipv4.ip_forward'), '1');
  t.equal(await readSysctl('net.ipv6.conf.all.forwarding'), '0');
  t.equal(await readSysctl('net.bridge.bridge-nf-call-iptables'), '1');
});

test('a host that routes IPv6 keeps the default route that a router advertises, and listens to nobody else', async (t) => {
  for (const link of ['ra0', 'pods0']) {
    ip('link', 'add', link, 'type', 'bridge');
    ip('link', 'set', link, 'up');
    await writeSysctl(`net/ipv6/conf/${link}/accept_ra`, '1');
  }
  ip('-6', 'route', 'add', 'default', 'via', 'fe80::1', 'dev', 'ra0', 'proto', 'ra');
  t.same(await applyKernelSettings(['IPv6', 'IPv4'], logger, signal), []);
  t.equal(await readSysctl('net.ipv6.conf.all.forwarding'), '1');
  t.equal(await readSysctl('net/ipv6/conf/ra0/accept_ra'), '2');
  t.equal(await readSysctl('net/ipv6/conf/pods0/accept_ra'), '1');
  t.match(ip('-6', 'route', 'show', 'default'), 'via fe80::1 dev ra0 proto ra');
  for (const link of ['ra0', 'pods0']) ip('link', 'delete', link);
});

test('a network of both families gives pods an address of each', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'agent-host-cni6-'));
  t.teardown(() => rm(directory, { recursive: true }));
  const podCidrs = clusterRanges('10.42.7.0/24,fd00:42:0:7::/64');
  await writeCniConfig(directory, { podCidrs, bridgeName: 'kt6', mtu: 0, stateDir: join(directory, 'state') });
  const { plugins } = JSON.parse(await readFile(join(directory, '10-kedge.conflist'), 'utf8')) as ConfigList;
  t.match(plugins[0], {
    ipam: {
      ranges: [[{ subnet: '10.42.7.0/24' }], [{ subnet: 'fd00:42:0:7::/64' }]],
      routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
    },
  });
});

test('routes follow the Nodes, and foreign routes are kept', async (t) => {
  ip('link', 'add', 'lan0', 'type', 'bridge');
  ip('addr', 'add', '10.9.0.1/24', 'dev', 'lan0');
  ip('link', 'set', 'lan0', 'up');
  ip('route', 'add', 'default', 'via', '10.9.0.254');
  ip('route', 'add', '10.42.50.0/24', 'via', '10.9.0.250');
  ip('route', 'add', '10.42.60.0/24', 'via', '10.9.0.60', 'proto', '107');
  t.strictSame(await detectNodeIps([]), ['10.9.0.1']);
  ip('link', 'add', 'kt-pods', 'type', 'bridge');
  ip('link', 'set', 'kt-pods', 'up');
  ip('-6', 'address', 'add', 'fd00:42::1/64', 'dev', 'kt-pods', 'nodad');
  t.strictSame(await detectNodeIps(['kt-pods']), ['10.9.0.1'], 'an address for pods is none of the node');
  ip('-6', 'address', 'add', 'fd00:9::1/64', 'dev', 'lan0', 'nodad');
  t.strictSame(await detectNodeIps(['kt-pods']), ['10.9.0.1', 'fd00:9::1']);
  ip('link', 'delete', 'kt-pods');

  let nodes: NodeAddressing[] = [
    { name: 'self', podCidrs: ['10.42.0.0/24'], addresses: ['10.9.0.1'], since: '2026' },
    { name: 'near', podCidrs: ['10.42.1.0/24'], addresses: ['10.9.0.2'], since: '2026' },
    { name: 'far', podCidrs: ['10.42.2.0/24'], addresses: ['172.31.0.2'], since: '2026' },
    { name: 'new', podCidrs: [], addresses: ['10.9.0.4'], since: '2026' },
    { name: 'everything', podCidrs: ['0.0.0.0/0'], addresses: ['10.9.0.66'], since: '2026' },
    { name: 'the pods of this node', podCidrs: ['10.42.0.128/25'], addresses: ['10.9.0.66'], since: '2026' },
  ];
  const warnings: unknown[] = [];
  const routes = new NodeRoutes({
    nodeName: 'self',
    nodes: () => nodes,
    vxlan: 'never',
    podRanges: [CLUSTER_CIDR],
    overlay: { sync: () => Promise.resolve() },
    logger: { ...logger, warn: (fields: object) => warnings.push(fields) },
  });
  const stop = new AbortController();
  const running = routes.run(stop.signal);
  const routed = (...wanted: [string, string][]): Promise<boolean> => {
    const text = wanted.map(String).sort().join();
    return eventually(`the routes ${text}`, async () => {
      const present = (await listRoutes('IPv4')).filter(
        ({ dst }) => dst.startsWith('10.42.') && !dst.startsWith('10.42.7.'),
      );
      const lines = present.map(({ dst, gateway }) => `${dst},${gateway}`);
      return lines.sort().join() === text;
    });
  };
  const foreign: [string, string] = ['10.42.50.0/24', '10.9.0.250'];
  await routed(['10.42.1.0/24', '10.9.0.2'], foreign);
  t.pass('neighbours have routes, leftover routes are deleted');
  await eventually('a warning', () => warnings.length > 0);
  t.equal(
    warnings.filter((fields) => (fields as { gateway: string }).gateway === '172.31.0.2').length,
    1,
    'a node behind a router is named once',
  );
  t.match(ip('route', 'show', 'default'), 'via 10.9.0.254', 'and no node takes what is not its own');

  nodes = [
    { name: 'near', podCidrs: ['10.42.1.0/24'], addresses: ['10.9.0.22'], since: '2026' },
    { name: 'x', podCidrs: ['10.42.3.0/24'], addresses: ['10.9.0.3'], since: '2026' },
  ];
  routes.wake();
  await routed(['10.42.1.0/24', '10.9.0.22'], ['10.42.3.0/24', '10.9.0.3'], foreign);
  stop.abort();
  await running;
  await routed(['10.42.1.0/24', '10.9.0.22'], ['10.42.3.0/24', '10.9.0.3'], foreign);
  t.pass('routes outlive the agent');
});
