/** Run by network.test.ts in a network namespace of its own: its changes are dropped with it. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { test } from 'tap';
import { detectNodeIp, listRoutes } from '../../../agent/host/links.ts';
import { readSysctl } from '../../../agent/host/sysctl.ts';
import { writeCniConfig } from '../../../agent/network/cni-config.ts';
import { applyKernelSettings } from '../../../agent/network/kernel-settings.ts';
import { NodeRoutes, type NodeAddressing } from '../../../agent/network/connectivity/node-routes.ts';
import { CLUSTER_CIDR } from '../../support/service-entries.ts';
import { eventually } from '../../support/wait.ts';

const logger = { debug() {}, info() {}, warn() {}, error() {} };
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
  const network = { podCidr: '10.42.7.0/24', bridgeName: 'kt0', mtu: 1400, stateDir: join(directory, 'state') };
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
  t.same(await applyKernelSettings(logger), []);
  t.equal(await readSysctl('net.ipv4.ip_forward'), '1');
  t.equal(await readSysctl('net.bridge.bridge-nf-call-iptables'), '1');
});

test('routes follow the Nodes, and foreign routes are kept', async (t) => {
  ip('link', 'add', 'lan0', 'type', 'bridge');
  ip('addr', 'add', '10.9.0.1/24', 'dev', 'lan0');
  ip('link', 'set', 'lan0', 'up');
  ip('route', 'add', 'default', 'via', '10.9.0.254');
  ip('route', 'add', '10.42.50.0/24', 'via', '10.9.0.250');
  ip('route', 'add', '10.42.60.0/24', 'via', '10.9.0.60', 'proto', '107');
  t.equal(await detectNodeIp(), '10.9.0.1');

  let nodes: NodeAddressing[] = [
    { name: 'self', podCidr: '10.42.0.0/24', address: '10.9.0.1', since: '2026' },
    { name: 'near', podCidr: '10.42.1.0/24', address: '10.9.0.2', since: '2026' },
    { name: 'far', podCidr: '10.42.2.0/24', address: '172.31.0.2', since: '2026' },
    { name: 'new', podCidr: '', address: '10.9.0.4', since: '2026' },
    { name: 'everything', podCidr: '0.0.0.0/0', address: '10.9.0.66', since: '2026' },
    { name: 'the pods of this node', podCidr: '10.42.0.128/25', address: '10.9.0.66', since: '2026' },
  ];
  const warnings: unknown[] = [];
  const routes = new NodeRoutes({
    nodeName: 'self',
    nodes: () => nodes,
    vxlan: 'never',
    clusterCidr: CLUSTER_CIDR,
    overlay: { sync: () => Promise.resolve() },
    logger: { ...logger, warn: (fields: object) => warnings.push(fields) },
  });
  const stop = new AbortController();
  const running = routes.run(stop.signal);
  const routed = (...wanted: [string, string][]): Promise<boolean> => {
    const text = wanted.map(String).sort().join();
    return eventually(`the routes ${text}`, async () => {
      const present = (await listRoutes()).filter(({ dst }) => dst.startsWith('10.42.') && !dst.startsWith('10.42.7.'));
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
    { name: 'near', podCidr: '10.42.1.0/24', address: '10.9.0.22', since: '2026' },
    { name: 'x', podCidr: '10.42.3.0/24', address: '10.9.0.3', since: '2026' },
  ];
  routes.wake();
  await routed(['10.42.1.0/24', '10.9.0.22'], ['10.42.3.0/24', '10.9.0.3'], foreign);
  stop.abort();
  await running;
  await routed(['10.42.1.0/24', '10.9.0.22'], ['10.42.3.0/24', '10.9.0.3'], foreign);
  t.pass('routes outlive the agent');
});
