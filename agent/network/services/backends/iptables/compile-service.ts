/**
 * Compiles a Service of one IP family to iptables rules: pure. Names and roles of the chains are kube-proxy's, so that whoever knows
 * one reads the other; `shared-chains.ts` says what differs. https://kubernetes.io/docs/reference/networking/virtual-ips/
 */
import { createHash } from 'node:crypto';
import { Cidr, type IpAddress, type IpFamily } from '../../../../../api/domain/address.ts';
import { comment, type Chains, type Rule, type RuleUnit, type Table } from '../../../netfilter/rules.ts';
import { socketText, type Endpoint, type ServiceEntry, type ServicePort } from '../../model/service-entry.ts';
import type { Port } from '../../model/service-values.ts';
import { addressChain, nodePortChain, reject, rejectUnlessLocal } from './shared-chains.ts';
import type { Ranges } from '../ranges.ts';

/** A client is known by its whole address. */
const AFFINITY_MASK: Readonly<Record<IpFamily, string>> = {
  IPv4: '255.255.255.255',
  IPv6: 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
};

const hash = (...parts: readonly (string | number)[]): string =>
  createHash('sha256')
    .update(parts.join('\0'))
    .digest('base64')
    .replace(/[^A-Za-z0-9]/g, '')
    .toUpperCase()
    .slice(0, 16);

/** The address as a range. */
const host = ({ family, text }: IpAddress): string => `${text}/${family === 'IPv4' ? 32 : 128}`;

const match = ({ protocol }: ServicePort, port: Port): string =>
  `-p ${protocol.toLowerCase()} -m ${protocol.toLowerCase()} --dport ${port}`;

/** Of 2^31, the share that the kernel compares a random number with; printed as iptables-save does. */
const SHARES = 0x8000_0000;
/** The even share of the remaining endpoints. */
const probability = (remaining: number): string => (Math.round(SHARES / remaining) / SHARES).toFixed(11);

/** Returns rules of `chain` that spread connections over endpoints, one rule per endpoint; adds one chain per endpoint. */
function spread(
  chain: string,
  service: ServiceEntry,
  port: ServicePort,
  endpoints: readonly Endpoint[],
  chains: Map<string, string[]>,
): string[] {
  const rules: string[] = [];
  const client = `--mask ${AFFINITY_MASK[service.family]} --rsource`;
  const targets = endpoints.map((endpoint) => ({
    endpoint,
    name: `KUBE-SEP-${hash(port.label, port.protocol, endpoint.ip.text, endpoint.port)}`,
  }));
  for (const { endpoint, name } of targets) {
    const set = service.affinitySeconds ? `-m recent --set --name ${name} ${client} ` : '';
    const protocol = port.protocol.toLowerCase();
    chains.set(name, [
      // A pod that reaches itself through its Service must see another's address as the source.
      `-s ${host(endpoint.ip)} ${comment(port.label)} -j KUBE-MARK-MASQ`,
      `-p ${protocol} ${comment(port.label)} ${set}-m ${protocol} -j DNAT --to-destination ${socketText(endpoint.ip, endpoint.port)}`,
    ]);
  }
  if (service.affinitySeconds) {
    for (const { name } of targets) {
      rules.push(
        `${comment(port.label)} -m recent --rcheck --seconds ${service.affinitySeconds} --reap --name ${name} ${client} -j ${name}`,
      );
    }
  }
  targets.forEach(({ endpoint, name }, index) => {
    const remaining = targets.length - index;
    const chance = remaining > 1 ? ` -m statistic --mode random --probability ${probability(remaining)}` : '';
    rules.push(`${comment(`${port.label} -> ${socketText(endpoint.ip, endpoint.port)}`)}${chance} -j ${name}`);
  });
  return rules;
}

const NO_CHAINS: Chains = new Map();

export function compileService(service: ServiceEntry, ranges: Ranges): RuleUnit {
  const nat = new Map<string, string[]>();
  const shared: Rule[] = [];
  // In the Services' range an address is whose cluster IP it is: nobody takes over another Service by naming it as its own.
  const isOutside = (ip: IpAddress): boolean => !ranges.services?.contains(ip);
  const outside = {
    externalIPs: service.externalIPs.filter(isOutside),
    loadBalancerIPs: service.loadBalancerIPs.filter(isOutside),
  };
  for (const port of service.ports) compilePort({ ...service, ...outside }, port, ranges.cluster, nat, shared);
  const { clusterIP } = service;
  if (!ranges.services?.contains(clusterIP)) {
    const why = `no such port or no endpoints at ${clusterIP.text}`;
    const rule = rejectUnlessLocal(Cidr.host(clusterIP), why);
    shared.push({ table: 'filter', chain: addressChain(clusterIP), rule });
  }
  return { chains: { nat, filter: NO_CHAINS }, shared };
}

function compilePort(
  service: ServiceEntry,
  port: ServicePort,
  clusterCidr: Cidr,
  nat: Map<string, string[]>,
  shared: Rule[],
): void {
  const id = hash(port.label, port.protocol);
  const { cluster, local } = port;
  const internal = service.internalPolicyLocal ? local : cluster;
  const toAddress = (ip: IpAddress, table: Table, action: string, source?: Cidr): void => {
    const from = source ? `-s ${source.text} ` : '';
    const rule = `${from}-d ${host(ip)} ${match(port, port.port)} ${comment(port.label)} ${action}`;
    shared.push({ table, chain: addressChain(ip), rule });
  };
  if (internal.length) {
    const chain = `KUBE-SVC-${id}`;
    nat.set(chain, [
      `! -s ${clusterCidr.text} -d ${host(service.clusterIP)} ${match(port, port.port)} ${comment(`${port.label} cluster IP`)} -j KUBE-MARK-MASQ`,
      ...spread(chain, service, port, internal, nat),
    ]);
    toAddress(service.clusterIP, 'nat', `-j ${chain}`);
  } else if (cluster.length) {
    // No endpoint on this node under a Local policy: the sender is to try again. Without any endpoint the address is rejected anyway.
    toAddress(service.clusterIP, 'filter', '-j DROP');
  }

  const outside = [...service.externalIPs, ...service.loadBalancerIPs];
  if (outside.length === 0 && port.nodePort === undefined) return;
  const external = service.externalPolicyLocal ? local : cluster;
  const filterNodePort = (action: string): void => {
    if (!port.nodePort) return;
    shared.push({
      table: 'filter',
      chain: nodePortChain(port.nodePort),
      rule: `${match(port, port.nodePort)} ${comment(port.label)} ${action}`,
    });
  };
  if (external.length === 0 && !(service.externalPolicyLocal && cluster.length)) {
    for (const ip of outside) toAddress(ip, 'filter', reject(service.family));
    filterNodePort(reject(service.family));
    return;
  }

  const chain = `KUBE-EXT-${id}`;
  const rules: string[] = [];
  if (service.externalPolicyLocal) {
    // Pods and the node itself are inside: they are not bound by the policy for traffic from outside.
    const everywhere = `KUBE-SVL-ALL-${id}`.slice(0, 28);
    nat.set(everywhere, spread(everywhere, service, port, cluster, nat));
    rules.push(`-s ${clusterCidr.text} ${comment(`pods to ${port.label}`)} -j ${everywhere}`);
    rules.push(`-m addrtype --src-type LOCAL ${comment(`this node to ${port.label}`)} -j KUBE-MARK-MASQ`);
    rules.push(`-m addrtype --src-type LOCAL ${comment(`this node to ${port.label}`)} -j ${everywhere}`);
    if (local.length) {
      const here = `KUBE-SVL-${id}`;
      nat.set(here, spread(here, service, port, local, nat));
      rules.push(`-j ${here}`);
    }
  } else {
    const everywhere = `KUBE-SVE-${id}`;
    nat.set(everywhere, spread(everywhere, service, port, cluster, nat));
    rules.push(`${comment(`${port.label} from outside`)} -j KUBE-MARK-MASQ`, `-j ${everywhere}`);
  }
  nat.set(chain, rules);
  for (const ip of service.externalIPs) toAddress(ip, 'nat', `-j ${chain}`);
  for (const ip of service.loadBalancerIPs) {
    const sources = service.loadBalancerSources;
    if (sources === undefined) toAddress(ip, 'nat', `-j ${chain}`);
    for (const source of sources ?? []) toAddress(ip, 'nat', `-j ${chain}`, source);
    if (sources !== undefined) toAddress(ip, 'filter', '-j DROP');
  }
  if (port.nodePort) {
    shared.push({
      table: 'nat',
      chain: nodePortChain(port.nodePort),
      rule: `${match(port, port.nodePort)} ${comment(port.label)} -j ${chain}`,
    });
  }
  if (external.length === 0) {
    for (const ip of outside) toAddress(ip, 'filter', '-j DROP');
    filterNodePort('-j DROP');
  }
}
