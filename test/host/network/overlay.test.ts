/** Nodes on two networks with a router between them: what their pods reach, and what others cannot do in their name. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import { run } from '../../../agent/host/run.ts';
import type { NodeAddressing, VxlanMode } from '../../../agent/network/connectivity/node-routes.ts';
import { eventually } from '../../support/wait.ts';

const directory = await mkdtemp(join(tmpdir(), 'kedge-overlay-'));
t.teardown(() => rm(directory, { recursive: true }));
const prefix = basename(directory);

/** A network namespace. */
class Host {
  readonly netns: string;

  private constructor(netns: string) {
    this.netns = netns;
  }

  static async create(t: Test, name: string): Promise<Host> {
    const host = new Host(`${prefix}-${name}`);
    await run('ip', ['netns', 'add', host.netns]);
    t.teardown(() => run('ip', ['netns', 'delete', host.netns]));
    await host.ip('link', 'set', 'lo', 'up');
    return host;
  }

  async run(program: string, ...args: string[]): Promise<string> {
    return (await run('ip', ['netns', 'exec', this.netns, program, ...args])).stdout;
  }

  ip(...args: string[]): Promise<string> {
    return this.run('ip', ...args);
  }

  /** A cable to another host; each end gets an address. */
  async connect(link: string, address: string, other: Host, otherLink: string, otherAddress: string): Promise<void> {
    await this.ip('link', 'add', link, 'type', 'veth', 'peer', 'name', otherLink, 'netns', other.netns);
    for (const [host, name, own] of [
      [this, link, address],
      [other, otherLink, otherAddress],
    ] as const) {
      await host.ip('address', 'add', own, 'dev', name);
      await host.ip('link', 'set', name, 'up');
    }
  }

  async forward(): Promise<void> {
    await this.run('sysctl', '-qw', 'net.ipv4.ip_forward=1');
  }

  pings(address: string, ...more: string[]): Promise<boolean> {
    return this.run('busybox', 'ping', '-c', '1', '-W', '1', ...more, address).then(
      () => true,
      () => false,
    );
  }
}

const NODES: readonly NodeAddressing[] = [
  { name: 'a', podCidrs: ['10.42.1.0/24'], addresses: ['10.91.1.2'], since: '2026' },
  { name: 'b', podCidrs: ['10.42.2.0/24'], addresses: ['10.91.2.2'], since: '2026' },
  { name: 'unreachable', podCidrs: ['10.42.3.0/24'], addresses: ['203.0.113.9'], since: '2026' },
  { name: 'new', podCidrs: [], addresses: ['10.91.1.9'], since: '2026' },
];

interface Node {
  readonly host: Host;
  readonly pod: Host;
  readonly agent: { readonly lines: readonly string[]; end(): Promise<void> };
}

async function startAgent(
  t: Test,
  host: Host,
  nodeName: string,
  vxlan: VxlanMode,
  nodes = NODES,
): Promise<Node['agent']> {
  const script = join(import.meta.dirname, 'overlay-node.ts');
  const args = JSON.stringify({ nodeName, nodes, vxlan });
  const child = spawn('ip', ['netns', 'exec', host.netns, process.execPath, script, args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'] },
  });
  const lines: string[] = [];
  createInterface(child.stdout).on('line', (line) => lines.push(line));
  const end = async (): Promise<void> => {
    if (child.exitCode !== null) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
  };
  t.teardown(end);
  return { lines, end };
}

/** The router has no route to pods: what reaches them went through the overlay. */
async function startNetwork(t: Test, vxlan: VxlanMode) {
  const router = await Host.create(t, 'router');
  await router.forward();
  const node = async (name: string, index: number): Promise<Node> => {
    const host = await Host.create(t, name);
    await host.forward();
    await host.connect('eth0', `10.91.${index}.2/24`, router, `to-${name}`, `10.91.${index}.1/24`);
    await host.ip('route', 'add', '10.91.0.0/16', 'via', `10.91.${index}.1`);
    const pod = await Host.create(t, `pod-${name}`);
    await host.connect('pods', `10.42.${index}.1/24`, pod, 'eth0', `10.42.${index}.5/24`);
    await pod.ip('route', 'add', 'default', 'via', `10.42.${index}.1`);
    return { host, pod, agent: await startAgent(t, host, name, vxlan) };
  };
  return { router, a: await node('a', 1), b: await node('b', 2) };
}

/** Whole frames, as a node would send them, from an address that is no node's: none reaches a pod. */
async function forgeFrames(t: Test, forger: Host, { host, pod }: Node): Promise<void> {
  const link = ['type', 'vxlan', 'id', '107', 'local', '10.91.1.1', 'remote', '10.91.1.2', 'dstport', '8472'];
  await forger.ip('link', 'add', 'forged', ...link);
  await forger.ip('address', 'add', '10.42.2.5/32', 'dev', 'forged');
  await forger.ip('link', 'set', 'forged', 'up');
  const [, mac = ''] = /ether (\S+)/.exec(await host.ip('link', 'show', 'kedge.vxlan')) ?? [];
  await forger.ip('route', 'add', '10.42.1.5/32', 'dev', 'forged', 'src', '10.42.2.5');
  await forger.ip('neighbour', 'add', '10.42.1.5', 'lladdr', mac, 'dev', 'forged');
  const seen = async (): Promise<number> => {
    const snmp = await pod.run('cat', '/proc/net/snmp');
    const [names = '', values = ''] = snmp.split('\n').filter((line) => line.startsWith('Icmp:'));
    return Number(values.split(' ')[names.split(' ').indexOf('InEchos')]);
  };
  const before = await seen();
  await forger.pings('10.42.1.5');
  t.equal(await seen(), before, 'a forged frame reaches no pod');
  await host.run('nft', 'add', 'element', 'inet', 'kedge-overlay', 'nodes', '{ 10.91.1.1 }');
  await forger.pings('10.42.1.5');
  t.equal(await seen(), before + 1, 'as one does from a node');
  await host.run('nft', 'delete', 'element', 'inet', 'kedge-overlay', 'nodes', '{ 10.91.1.1 }');
  await forger.ip('link', 'delete', 'forged');
}

t.test('pods on nodes of different networks reach each other, and keep their addresses', async (t) => {
  const { router, a, b } = await startNetwork(t, 'auto');
  await eventually('the pods to reach each other', () => a.pod.pings('10.42.2.5'));
  t.ok(await b.pod.pings('10.42.1.5'));
  t.ok(await a.host.pings('10.42.2.5'), 'a node reaches the pods of the other');
  t.match(await a.host.ip('-4', 'route', 'get', '10.42.2.5'), /via 10\.42\.2\.0 dev kedge\.vxlan src 10\.42\.1\.0/);
  t.match(await a.host.ip('link', 'show', 'kedge.vxlan'), /mtu 1450 .*\n.*ether 0a:6b:0a:2a:01:00/);
  t.ok(await a.pod.pings('10.42.2.5', '-s', '1400'), 'as much as fits');
  t.ok(
    a.agent.lines.some((line) => line === JSON.stringify({ message: 'overlay', mtu: 1450 })),
    'new pods get the MTU',
  );
  t.equal(
    a.agent.lines.filter((line) => line.includes('no route leads to the node')).length,
    1,
    a.agent.lines.join('\n'),
  );

  // Who is not a node gets nothing in, whatever it claims inside; neither does a pod by way of its own node.
  const inject = async (from: Host, to: string): Promise<void> => {
    // A datagram that holds a ping from one pod to another would do; that it arrives at the node's socket is what counts.
    await from.run('bash', '-c', `printf x > /dev/udp/${to}/8472`);
  };
  const dropped = async (host: Host, chain: string): Promise<number> => {
    const rules = await host.run('nft', 'list', 'chain', 'inet', 'kedge-overlay', chain);
    return Number(/counter packets (\d+)/.exec(rules)?.[1]);
  };
  t.equal(await dropped(a.host, 'input'), 0);
  await inject(router, '10.91.1.2');
  await eventually('a stranger to be ignored', async () => (await dropped(a.host, 'input')) === 1);
  await inject(a.pod, '10.91.2.2');
  await eventually('a pod to be ignored', async () => (await dropped(a.host, 'forward')) === 1);
  // A Service whose endpoint is a node leads there, in the name of the node that does so.
  const service =
    'table ip test { chain in { type nat hook prerouting priority dstnat; udp dport 30999 dnat to 10.91.2.2:8472; }; chain out { type nat hook postrouting priority srcnat; udp dport 8472 masquerade; }; }';
  await a.host.run('nft', service);
  await router.run('bash', '-c', 'printf x > /dev/udp/10.91.1.2/30999');
  await eventually('a Service to be ignored', async () =>
    /ip saddr != @nodes counter packets 1 /.test(
      await a.host.run('nft', 'list', 'chain', 'inet', 'kedge-overlay', 'forward'),
    ),
  );
  await a.host.run('nft', 'delete', 'table', 'ip', 'test');
  await forgeFrames(t, router, a);
  t.ok(await a.pod.pings('10.42.2.5'), 'nodes go on');
  await eventually('removed rules to be reported', () => a.agent.lines.some((line) => line.includes('nft monitor')));
  await a.host.run('nft', 'flush', 'ruleset');
  const guards = async (): Promise<boolean> =>
    (await a.host.run('nft', 'list', 'ruleset')).includes('udp dport 8472 ip saddr != @nodes');
  await eventually('the guard that somebody has flushed', guards, 10);

  // A restart changes nothing; a node that moves to another address is followed.
  const before = await a.host.ip('-details', 'link', 'show', 'kedge.vxlan');
  await a.agent.end();
  t.ok(await a.pod.pings('10.42.2.5'), 'the overlay outlives the agent');
  await b.host.ip('address', 'add', '10.91.2.7/24', 'dev', 'eth0');
  await b.agent.end();
  const moved = NODES.map((node) => (node.name === 'b' ? { ...node, addresses: ['10.91.2.7'] } : node));
  const again = await startAgent(t, a.host, 'a', 'auto', moved);
  await startAgent(t, b.host, 'b', 'auto', moved);
  await b.host.ip('address', 'delete', '10.91.2.2/24', 'dev', 'eth0');
  await b.host.ip('address', 'replace', '10.91.2.7/24', 'dev', 'eth0');
  await b.host.ip('route', 'replace', '10.91.0.0/16', 'via', '10.91.2.1');
  await eventually('the pods to reach each other again', () => a.pod.pings('10.42.2.5'));
  t.equal(await a.host.ip('-details', 'link', 'show', 'kedge.vxlan'), before, 'the link is the same');
  await again.end();

  // The last node of another network leaves.
  const alone = await startAgent(t, a.host, 'a', 'auto', moved.slice(0, 1));
  await eventually('the link to be removed', async () => !(await a.host.ip('link')).includes('kedge.vxlan'));
  await eventually(
    'its table to be removed',
    async () => !(await a.host.run('nft', 'list', 'tables')).includes('kedge'),
  );
  t.notMatch(await a.host.ip('route'), 'proto 107');
  await alone.end();
});

/** What nodes may write of themselves. */
const HOSTILE: readonly (readonly [podCidr: string, address: string])[] = [
  ['10.42.10.0/24', '127.0.0.1'],
  ['10.42.11.0/24', '0.0.0.0'],
  ['10.42.12.0/24', '224.0.0.1'],
  ['10.42.13.0/24', '255.255.255.255'],
  ['10.42.14.0/24', '169.254.169.254'],
  ['10.42.15.0/24', '10.91.1.2'],
  ['10.42.16.9/24', '10.91.2.2'],
  ['10.42.17.0/24', '10.42.2.5'],
  ['10.42.18.0/24', '10.91.1.255'],
  ['10.42.19.0/32', '10.91.2.9'],
  ['10.42.2.0/24', '10.91.1.66'],
  ['10.42.2.0/25', '10.91.1.67'],
  ['10.42.2.5/32', '10.91.1.68'],
  ['10.42.0.0/17', '10.91.1.69'],
  ['fd00::/64', 'fd00::1'],
  ['::ffff:10.42.20.0/120', '::ffff:10.91.1.70'],
  ['; reboot', '$(reboot)'],
];

t.test('what other nodes claim keeps no node from another', async (t) => {
  const { a } = await startNetwork(t, 'auto');
  await eventually('the pods to reach each other', () => a.pod.pings('10.42.2.5'));
  await a.agent.end();
  const hostile = HOSTILE.map(([podCidr, address], index) => ({
    ...{ name: `hostile-${index}`, podCidrs: [podCidr], addresses: [address], since: '2027' },
  }));
  for (const nodes of [
    [...hostile, ...NODES],
    [...NODES, ...hostile],
  ]) {
    await a.host.run('ip', 'route', 'flush', 'proto', '107');
    const agent = await startAgent(t, a.host, 'a', 'auto', nodes);
    await eventually('the other node', () => a.pod.pings('10.42.2.5'));
    t.match(await a.host.ip('-4', 'route', 'get', '10.42.2.5'), /via 10\.42\.2\.0 dev kedge\.vxlan/);
    t.notMatch(agent.lines.join('\n'), 'failed to sync');
    await agent.end();
  }
});

t.test('neighbours use the overlay where it is wanted for all', async (t) => {
  const nodes: NodeAddressing[] = [
    { name: 'a', podCidrs: ['10.42.1.0/24'], addresses: ['10.91.1.2'], since: '2026' },
    { name: 'b', podCidrs: ['10.42.2.0/24'], addresses: ['10.91.1.3'], since: '2026' },
  ];
  const a = await Host.create(t, 'a');
  const b = await Host.create(t, 'b');
  await a.connect('eth0', '10.91.1.2/24', b, 'eth0', '10.91.1.3/24');
  for (const [host, address] of [
    [a, '10.42.1.5/32'],
    [b, '10.42.2.5/32'],
  ] as const)
    await host.ip('address', 'add', address, 'dev', 'lo');
  const direct = [await startAgent(t, a, 'a', 'auto', nodes), await startAgent(t, b, 'b', 'auto', nodes)];
  await eventually('the other node', () => a.pings('10.42.2.5'));
  t.match(await a.ip('-4', 'route', 'get', '10.42.2.5'), /via 10\.91\.1\.3 dev eth0/);
  t.notMatch(await a.ip('link'), 'kedge.vxlan');
  for (const agent of direct) await agent.end();
  await startAgent(t, a, 'a', 'always', nodes);
  await startAgent(t, b, 'b', 'always', nodes);
  await eventually('the overlay to be used', async () =>
    (await a.ip('-4', 'route', 'get', '10.42.2.5')).includes('via 10.42.2.0 dev kedge.vxlan'),
  );
  await eventually('the other node', () => a.pings('10.42.2.5'));
});

t.test('packets of IPv6 travel in datagrams of IPv4, between nodes that have no addresses of IPv6', async (t) => {
  const nodes = (...own: readonly string[]): NodeAddressing[] =>
    ['a', 'b'].map((name, index) => ({
      ...{ name, since: '2026', podCidrs: [`10.42.${index + 1}.0/24`, `fd00:42:0:${index + 1}::/64`] },
      addresses: [`10.91.1.${index + 2}`, ...own.slice(index, index + 1)],
    }));
  const a = await Host.create(t, 'a');
  const b = await Host.create(t, 'b');
  await a.connect('eth0', '10.91.1.2/24', b, 'eth0', '10.91.1.3/24');
  for (const [host, ...addresses] of [
    [a, '10.42.1.5/32', 'fd00:42:0:1::5/128'],
    [b, '10.42.2.5/32', 'fd00:42:0:2::5/128'],
  ] as const)
    for (const address of addresses) await host.ip('address', 'add', address, 'dev', 'lo');
  const wayToB = (): Promise<string> => a.ip('-6', 'route', 'get', 'fd00:42:0:2::5');
  const apart = [await startAgent(t, a, 'a', 'auto', nodes()), await startAgent(t, b, 'b', 'auto', nodes())];
  await eventually('the pods of IPv6', () => a.pings('fd00:42:0:2::5'));
  t.match(await wayToB(), /via fd00:42:0:2:: dev kedge\.vxlan/);
  t.match(await a.ip('-4', 'route', 'get', '10.42.2.5'), /via 10\.91\.1\.3 dev eth0/, 'and IPv4 without them');
  for (const agent of apart) await agent.end();

  const own = ['fd00:91::2', 'fd00:91::3'];
  for (const [index, host] of [a, b].entries())
    await host.ip('address', 'add', `${own[index]}/64`, 'dev', 'eth0', 'nodad');
  await startAgent(t, a, 'a', 'auto', nodes(...own));
  await startAgent(t, b, 'b', 'auto', nodes(...own));
  await eventually('routes through the nodes', async () => (await wayToB()).includes('via fd00:91::3 dev eth0'));
  await eventually('the pods of IPv6', () => a.pings('fd00:42:0:2::5'));
  await eventually('the overlay to be gone', async () => !(await a.ip('link')).includes('kedge.vxlan'));
});
