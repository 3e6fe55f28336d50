/**
 * Compiles a Service of one IP family to its part of the table: pure. `layout.ts` says how the table works.
 * https://kubernetes.io/docs/reference/networking/virtual-ips/
 */
import { createHash } from 'node:crypto';
import type { Cidr, IpAddress, IpFamily } from '../../../../../api/domain/address.ts';
import { socketText, type Endpoint, type ServiceEntry, type ServicePort } from '../../model/service-entry.ts';
import { endpointsMap, externalEndpointsChain, nodePortEndpointsMap, protocolOf } from './layout.ts';
import { elementTail, rule, type Element, type TableUnit } from '../../../netfilter/nft-table/table-unit.ts';
import type { Ranges } from '../ranges.ts';

/** Where packets come in: an address and a port, or a port of every address of the node. */
interface Frontend {
  readonly kind: 'services' | 'nodeports';
  readonly key: string;
}
const VERDICTS = { services: 'service-ips', nodeports: 'service-nodeports' } as const;
const NO_ENDPOINTS = { services: 'no-endpoint-services', nodeports: 'no-endpoint-nodeports' } as const;

/** So much of a name that nft(8) and people can read. */
const NAME_LIMIT = 110;
const HASH_LENGTH = 16;

const drop = 'drop';
const reject = 'goto reject-chain';

export function compileService(service: ServiceEntry, ranges: Ranges): TableUnit {
  const compiler = new Compiler(service, ranges);
  for (const port of service.ports) compiler.port(port);
  compiler.add('cluster-ips', service.clusterIP.text, service.ports[0]?.label, undefined);
  return compiler;
}

class Compiler implements TableUnit {
  readonly sets = new Map<string, string>();
  readonly chains = new Map<string, readonly string[]>();
  readonly elements: Element[] = [];
  readonly #service: ServiceEntry;
  readonly #cluster: Cidr;
  readonly #ip: string;
  readonly #externalIPs: readonly IpAddress[];
  readonly #loadBalancerIPs: readonly IpAddress[];

  constructor(service: ServiceEntry, { cluster, services }: Ranges) {
    // In the Services' range an address is whose cluster IP it is: nobody takes over another Service by naming it as its own.
    const isOutside = (ip: IpAddress): boolean => !services?.contains(ip);
    this.#service = service;
    this.#cluster = cluster;
    this.#ip = protocolOf(service.family);
    this.#externalIPs = service.externalIPs.filter(isOutside);
    this.#loadBalancerIPs = service.loadBalancerIPs.filter(isOutside);
  }

  add(container: string, key: string, comment: string | undefined, value: string | undefined): void {
    this.elements.push({ container, key, tail: elementTail(comment, value) });
  }

  port(port: ServicePort): void {
    const { internalPolicyLocal, clusterIP } = this.#service;
    const { cluster, local } = port;
    for (const { ip, elsewhere } of new Set([...cluster, ...local]))
      if (!elsewhere) this.add('hairpin-connections', `${ip.text} . ${ip.text}`, undefined, undefined);
    const internal = internalPolicyLocal ? local : cluster;
    const frontend = addressOf(clusterIP, port);
    if (internal.length > 0) this.#lead(frontend, port, internal, 'inside');
    // No endpoint on this node under a Local policy: the sender is to try again. Without any endpoint the address is rejected anyway.
    else if (cluster.length > 0) this.add(NO_ENDPOINTS.services, frontend.key, port.label, drop);
    this.#outside(port, cluster, local);
  }

  #outside(port: ServicePort, cluster: readonly Endpoint[], local: readonly Endpoint[]): void {
    const { externalPolicyLocal } = this.#service;
    const frontends = [...this.#externalIPs, ...this.#loadBalancerIPs].map((ip) => addressOf(ip, port));
    if (port.nodePort !== undefined)
      frontends.push({ kind: 'nodeports', key: `${port.protocol.toLowerCase()} . ${port.nodePort}` });
    if (frontends.length === 0) return;
    const isServed = (externalPolicyLocal ? local : cluster).length > 0;
    for (const frontend of frontends) {
      if (!isServed)
        this.add(NO_ENDPOINTS[frontend.kind], frontend.key, port.label, cluster.length > 0 ? drop : reject);
      if (cluster.length === 0) continue;
      if (externalPolicyLocal)
        this.add(
          VERDICTS[frontend.kind],
          frontend.key,
          port.label,
          `goto ${this.#localPolicyChain(port, cluster, local)}`,
        );
      else this.#lead(frontend, port, cluster, 'outside');
    }
    if (cluster.length > 0) this.#firewall(port);
  }

  /** @param from whether packets come from outside of the cluster, so that the replies have to pass this node. */
  #lead({ kind, key }: Frontend, port: ServicePort, endpoints: readonly Endpoint[], from: 'inside' | 'outside'): void {
    const count = endpoints.length;
    let chain: string;
    if (this.#service.affinitySeconds !== undefined) {
      chain = this.#affinityChain('cluster', port, endpoints);
      if (from === 'outside') chain = this.#externalChain(port, [`jump mark-for-masquerade`, `goto ${chain}`]);
    } else {
      const map = kind === 'nodeports' ? nodePortEndpointsMap(count) : endpointsMap(count);
      chain = kind === 'services' && from === 'outside' ? externalEndpointsChain(count) : map;
      for (const [index, { ip, port: target }] of endpoints.entries())
        this.add(map, `${key} . ${index}`, port.label, `${ip.text} . ${target}`);
    }
    this.add(VERDICTS[kind], key, port.label, `goto ${chain}`);
  }

  /** Pods and the node itself are inside: they are not bound by the policy for traffic from outside. */
  #localPolicyChain(port: ServicePort, cluster: readonly Endpoint[], local: readonly Endpoint[]): string {
    const everywhere = this.#ownChain('cluster', port, cluster);
    const rules = [
      `${this.#ip} saddr ${this.#cluster.text} goto ${everywhere}`,
      'fib saddr type local jump mark-for-masquerade',
      `fib saddr type local goto ${everywhere}`,
    ];
    if (local.length > 0) rules.push(`goto ${this.#ownChain('local', port, local)}`);
    return this.#externalChain(port, rules);
  }

  #externalChain(port: ServicePort, rules: readonly string[]): string {
    const chain = nameOf('external', port);
    this.chains.set(
      chain,
      rules.map((text) => rule(text, port.label)),
    );
    return chain;
  }

  /** A chain of the port's own that leads to the endpoints. */
  #ownChain(policy: 'cluster' | 'local', port: ServicePort, endpoints: readonly Endpoint[]): string {
    if (this.#service.affinitySeconds !== undefined) return this.#affinityChain(policy, port, endpoints);
    const chain = nameOf(policy, port);
    const targets = endpoints.map(({ ip, port: target }, index) => `${index} : ${ip.text} . ${target}`).join(', ');
    const text =
      `meta l4proto ${port.protocol.toLowerCase()} dnat ${this.#ip} to ` +
      `numgen random mod ${endpoints.length} map { ${targets} }`;
    this.chains.set(chain, [rule(text, port.label)]);
    return chain;
  }

  /** Clients that were seen lately go on to the endpoint that they had: each endpoint has a set of its clients. */
  #affinityChain(policy: 'cluster' | 'local', port: ServicePort, endpoints: readonly Endpoint[]): string {
    const { family, affinitySeconds } = this.#service;
    const targets = endpoints.map((endpoint) => {
      const target = socketText(endpoint.ip, endpoint.port);
      const chain = nameOf('endpoint', port, target);
      // The kernel cannot change the timeout of a set.
      const clients = nameOf('affinity', port, `${target} ${affinitySeconds}`);
      this.sets.set(
        clients,
        `set { type ${ADDRESS_TYPES[family]}; flags dynamic,timeout; timeout ${affinitySeconds}s; }`,
      );
      this.chains.set(chain, [
        rule(`update @${clients} { ${this.#ip} saddr }`, `client of ${target}`),
        rule(`meta l4proto ${port.protocol.toLowerCase()} dnat to ${target}`, port.label),
      ]);
      return { chain, clients, target };
    });
    const chain = nameOf(policy, port);
    const verdicts = targets.map((target, index) => `${index} : goto ${target.chain}`).join(', ');
    this.chains.set(chain, [
      ...targets.map((each) =>
        rule(`${this.#ip} saddr @${each.clients} goto ${each.chain}`, `client of ${each.target}`),
      ),
      rule(`numgen random mod ${endpoints.length} vmap { ${verdicts} }`, port.label),
    ]);
    return chain;
  }

  #firewall(port: ServicePort): void {
    const sources = this.#service.loadBalancerSources;
    if (sources === undefined || this.#loadBalancerIPs.length === 0) return;
    const chain = nameOf('firewall', port);
    const admit = sources.map(({ text }) => text).join(', ');
    this.chains.set(chain, [
      ...(sources.length > 0 ? [rule(`${this.#ip} saddr { ${admit} } return`, port.label)] : []),
      rule('drop', 'not in the source ranges'),
    ]);
    for (const ip of this.#loadBalancerIPs)
      this.add('firewall-ips', addressOf(ip, port).key, port.label, `goto ${chain}`);
  }
}

const ADDRESS_TYPES: Readonly<Record<IpFamily, string>> = { IPv4: 'ipv4_addr', IPv6: 'ipv6_addr' };

const addressOf = (ip: IpAddress, { protocol, port }: ServicePort): Frontend => ({
  kind: 'services',
  key: `${ip.text} . ${protocol.toLowerCase()} . ${port}`,
});

/** `external-1b2c3d4e5f607182-default/web/tcp/http` */
function nameOf(role: string, { label, protocol }: ServicePort, of = ''): string {
  const [service = '', port = ''] = label.split(':');
  const hash = createHash('sha256').update([label, protocol, of].join('\0')).digest('hex').slice(0, HASH_LENGTH);
  return `${role}-${hash}-${service}/${protocol.toLowerCase()}/${port}`.slice(0, NAME_LIMIT);
}
