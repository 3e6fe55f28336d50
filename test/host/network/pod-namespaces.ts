/**
 * A node with pods for tests of the kernel's rules: the test runs in a network and mount namespace of its own, which is the
 * "node"; its "pods" are network namespaces joined to it by a bridge.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import type { Test } from 'tap';
import { run } from '../../../agent/host/run.ts';
import { Iptables } from '../../../agent/network/netfilter/iptables.ts';
import { Netfilter } from '../../../agent/network/netfilter/netfilter.ts';
import { Nft } from '../../../agent/network/netfilter/nft.ts';
import type { ProxyBackend } from '../../../agent/network/services/backends/proxy-backend.ts';
import { DEFAULT_IPVS, ipvsHost } from '../../../agent/network/services/backends/ipvs/ipvs-host.ts';
import { PROXY_MODES, type ProxyMode } from '../../../agent/network/services/backends/proxy-mode.ts';
import { proxyModes, type ProxyHost } from '../../../agent/network/services/backends/proxy-modes.ts';
import { writeSysctl } from '../../../agent/host/sysctl.ts';
import type { Cidr } from '../../../api/domain/address.ts';
import { CLUSTER_CIDR } from '../../support/service-entries.ts';

const INSIDE = 'KEDGE_TEST_PROXY_NAMESPACE';

/** Runs the test file again, inside; returns there alone. */
export function enterNamespace(): void {
  if (process.env[INSIDE]) return;
  const { status } = spawnSync('unshare', ['--net', '--mount', process.execPath, ...process.argv.slice(1)], {
    stdio: 'inherit',
    env: { ...process.env, [INSIDE]: '1' },
  });
  process.exit(status ?? 1);
}

export const NODE_ADDRESS = '10.42.0.1';
const netns = (index: number): string => `kedge-proxy-${process.pid}-${index}`;
export const ip = (...args: string[]) => run('ip', args);

/** The bridge and a default route that leads nowhere, as far as the node knows. */
export async function makeNode(): Promise<void> {
  await ip('link', 'set', 'lo', 'up');
  await ip('link', 'add', 'cni0', 'type', 'bridge');
  await ip('addr', 'add', `${NODE_ADDRESS}/24`, 'dev', 'cni0');
  await ip('link', 'set', 'cni0', 'up');
  // Local packets to a cluster IP need a route before they are redirected, as the default route is on a host.
  await ip('route', 'add', 'default', 'dev', 'cni0');
  await run('sysctl', [
    '-qw',
    'net.ipv4.ip_forward=1',
    'net.bridge.bridge-nf-call-iptables=1',
    'net.ipv4.conf.all.route_localnet=1',
    // Packets leave by the interface that they arrived on, for which the kernel sends ICMP redirects: these use up the rate limit of ICMP errors.
    'net.ipv4.icmp_ratelimit=0',
  ]);
  if (hasIpvs) for (const { key, value } of backendOf('ipvs').prerequisites ?? []) await writeSysctl(key, value);
}

/** A pod per address that runs `program` (JavaScript, with the address as argument). Resolves after its first output. */
export async function makePods(t: Test, addresses: readonly string[], program: string): Promise<void> {
  for (const [index, address] of addresses.entries()) {
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
      ['route', 'add', 'default', 'via', NODE_ADDRESS],
    ]) {
      await ip('-n', name, ...args);
    }
    const server = spawn('nsenter', [`--net=/run/netns/${name}`, process.execPath, '-e', program, address], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.teardown(() => server.kill());
    await once(server.stdout, 'data');
  }
}

/** The output of a program in a pod. */
export const runInPod = async (index: number, program: string): Promise<string> =>
  (await run('nsenter', [`--net=/run/netns/${netns(index)}`, process.execPath, '-e', program], { timeoutMs: 60_000 }))
    .stdout;

const { signal } = new AbortController();

/** Whether this machine's kernel has IPVS: that of the lab has (`scripts/lab-tests.sh`). */
const hasIpvs = spawnSync('modprobe', ['--', 'ip_vs']).status === 0;
/** One mode, where not all that this machine can have are to be tested. */
const onlyMode = process.env['KEDGE_TEST_PROXY_MODE'];
export const TESTED_MODES: readonly ProxyMode[] = PROXY_MODES.filter(
  (mode) => (mode !== 'ipvs' || hasIpvs) && (onlyMode === undefined || mode === onlyMode),
);

/** The modes whose Services are rules of netfilter, and nothing besides. */
export const RULE_MODES = ['nftables', 'iptables'] as const;
export type RuleMode = (typeof RULE_MODES)[number];

/** What this machine gives a backend. */
export const proxyHostOf = (clusterCidr: Cidr, own: Partial<ProxyHost> = {}): ProxyHost => ({
  clusterCidr,
  netfilter: new Netfilter(new Iptables(clusterCidr.family, signal)),
  nft: new Nft(signal),
  ipvs: ipvsHost(clusterCidr.family, DEFAULT_IPVS, signal),
  ...own,
});

/** A backend of the mode as an agent that starts has it, in the family of the pods' range. */
export const backendOf = (mode: ProxyMode, clusterCidr = CLUSTER_CIDR): ProxyBackend =>
  proxyModes[mode](proxyHostOf(clusterCidr));

/** All that the kernel has of Services in the mode, as people read it. */
export async function rulesOf(mode: ProxyMode): Promise<string> {
  const commands: Readonly<Record<ProxyMode, readonly (readonly string[])[]>> = {
    nftables: [['nft', 'list', 'ruleset']],
    iptables: [['iptables-save'], ['ip6tables-save']],
    ipvs: [
      ['nft', 'list', 'ruleset'],
      ['ipvsadm', '--save', '--numeric'],
      ['ip', 'address', 'show'],
    ],
  };
  const outputs = commands[mode].map(async ([program = '', ...args]) => (await run(program, args)).stdout);
  return (await Promise.all(outputs)).join('');
}
