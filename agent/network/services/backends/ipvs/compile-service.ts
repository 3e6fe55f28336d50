/**
 * Compiles a Service of one IP family to virtual servers, the addresses that they are at, and elements of the table: pure.
 * `layout.ts` says how the table works. https://kubernetes.io/docs/reference/networking/virtual-ips/
 */
import { createHash } from 'node:crypto';
import type { IpAddress } from '../../../../../api/domain/address.ts';
import {
  elementTail,
  rule,
  type Chains,
  type Declarations,
  type Element,
  type TableUnit,
} from '../../../netfilter/nft-table/table-unit.ts';
import { socketText, type Endpoint, type ServiceEntry, type ServicePort } from '../../model/service-entry.ts';
import { WORDS } from '../nft-words.ts';
import { serverName } from './ipvsadm.ts';
import type { IpvsScheduler } from './ipvs-scheduler.ts';
import type { ServerName, VirtualServer } from './virtual-servers.ts';
import type { Ranges } from '../ranges.ts';

export interface IpvsUnit {
  readonly table: TableUnit;
  readonly servers: ReadonlyMap<ServerName, VirtualServer>;
  /** Which the host is to have for the Service. */
  readonly addresses: ReadonlySet<string>;
}

/** What a unit depends on besides the Service. */
export interface IpvsNode extends Ranges {
  readonly scheduler: IpvsScheduler;
  /** The host's own: node ports are served there, and none of them is a Service's alone. */
  readonly addresses: readonly IpAddress[];
  /** Those of other nodes. */
  readonly otherNodes: readonly IpAddress[];
}

const DROP = 'drop';
const REJECT = 'goto reject-chain';

export function compileService(service: ServiceEntry, node: IpvsNode): IpvsUnit {
  const compiler = new Compiler(service, node);
  for (const port of service.ports) compiler.port(port);
  return compiler;
}

class Compiler implements IpvsUnit {
  readonly servers = new Map<ServerName, VirtualServer>();
  readonly addresses = new Set<string>();
  readonly #sets: Declarations = new Map();
  readonly #chains = new Map<string, readonly string[]>();
  readonly #elements = new Map<string, Element>();
  readonly #service: ServiceEntry;
  readonly #node: IpvsNode;
  /** Addresses outside of the cluster. */
  readonly #outside: readonly IpAddress[];
  readonly #loadBalancerIPs: readonly IpAddress[];

  constructor(service: ServiceEntry, node: IpvsNode) {
    // In the Services' range an address is whose cluster IP it is: nobody takes over another Service by naming it as its own.
    // A host that had the address of another node would not reach that any more: there the Service is served as well.
    const isOutside = (ip: IpAddress): boolean =>
      !node.services?.contains(ip) && !node.otherNodes.some((other) => other.equals(ip));
    this.#service = service;
    this.#node = node;
    this.#loadBalancerIPs = service.loadBalancerIPs.filter(isOutside);
    this.#outside = [...service.externalIPs.filter(isOutside), ...this.#loadBalancerIPs];
    const label = service.ports[0]?.label;
    this.#add('cluster-ips', service.clusterIP.text, label);
    for (const ip of [service.clusterIP, ...this.#outside]) {
      // What the host has anyway stays reachable at all other ports.
      if (node.addresses.some((own) => own.equals(ip))) continue;
      this.addresses.add(ip.text);
      this.#add('service-addresses', ip.text, label);
    }
  }

  get table(): TableUnit {
    const chains: Chains = this.#chains;
    return { sets: this.#sets, chains, elements: [...this.#elements.values()] };
  }

  #add(container: string, key: string, comment: string | undefined, value?: string): void {
    this.#elements.set(`${container} ${key}`, { container, key, tail: elementTail(comment, value) });
  }

  port(port: ServicePort): void {
    const { internalPolicyLocal, clusterIP } = this.#service;
    const { cluster, local } = port;
    for (const { ip, elsewhere } of [...cluster, ...local])
      if (!elsewhere) this.#add('hairpin-connections', `${ip.text} . ${ip.text}`, undefined);
    const internal = internalPolicyLocal ? local : cluster;
    if (internal.length > 0) this.#serve(clusterIP, port, internal);
    // No endpoint on this node under a Local policy: the sender is to try again. Without any endpoint the address is rejected anyway.
    else if (cluster.length > 0) this.#add('no-endpoint-services', keyOf(clusterIP, port), port.label, DROP);
    for (const ip of this.#outside) this.#outsideAddress(ip, port);
    if (port.nodePort !== undefined) this.#nodePort(port, port.nodePort);
    if (cluster.length > 0) this.#firewall(port);
  }

  #outsideAddress(ip: IpAddress, port: ServicePort): void {
    const { externalPolicyLocal, clusterIP } = this.#service;
    const { cluster, local, label } = port;
    const endpoints = externalPolicyLocal ? local : cluster;
    const key = keyOf(ip, port);
    if (endpoints.length > 0) this.#serve(ip, port, endpoints);
    else this.#add('no-endpoint-services', key, label, cluster.length > 0 ? DROP : REJECT);
    if (cluster.length === 0) return;
    if (externalPolicyLocal) this.#add('inside-ips', key, label, `${clusterIP.text} . ${port.port}`);
    else this.#add('masquerade-ips', key, label);
  }

  #nodePort(port: ServicePort, nodePort: number): void {
    const { externalPolicyLocal, clusterIP } = this.#service;
    const { cluster, local, label, protocol } = port;
    const endpoints = externalPolicyLocal ? local : cluster;
    const key = `${protocol.toLowerCase()} . ${nodePort}`;
    if (endpoints.length > 0) {
      for (const ip of this.#node.addresses) this.#server(ip, port, nodePort, endpoints);
    } else this.#add('no-endpoint-nodeports', key, label, cluster.length > 0 ? DROP : REJECT);
    if (cluster.length === 0) return;
    if (externalPolicyLocal) this.#add('inside-nodeports', key, label, `${clusterIP.text} . ${port.port}`);
    else this.#add('masquerade-nodeports', key, label);
  }

  #serve(ip: IpAddress, port: ServicePort, endpoints: readonly Endpoint[]): void {
    this.#server(ip, port, port.port, endpoints);
    this.#add('service-ips', keyOf(ip, port), port.label);
  }

  /** @param at the port of the virtual server */
  #server(ip: IpAddress, port: ServicePort, at: number, chosen: readonly Endpoint[]): void {
    const { affinitySeconds } = this.#service;
    // Endpoints that terminate keep the connections that they have as long as they serve.
    const leaving = port.endpoints.filter(({ serving, terminating }) => serving && terminating);
    const persistence = affinitySeconds === undefined ? '' : ` -p ${affinitySeconds}`;
    this.servers.set(serverName(port.protocol, socketText(ip, at)), {
      options: `-s ${this.#node.scheduler}${persistence}`,
      realServers: new Map([
        ...leaving.map((endpoint) => [socketText(endpoint.ip, endpoint.port), 0] as const),
        ...chosen.map((endpoint) => [socketText(endpoint.ip, endpoint.port), 1] as const),
      ]),
    });
  }

  #firewall(port: ServicePort): void {
    const { loadBalancerSources: sources, family } = this.#service;
    if (sources === undefined || this.#loadBalancerIPs.length === 0) return;
    const chain = firewallChain(port);
    const admit = sources.map(({ text }) => text).join(', ');
    this.#chains.set(chain, [
      ...(sources.length > 0 ? [rule(`${WORDS[family].ip} saddr { ${admit} } return`, port.label)] : []),
      rule('drop', 'not in the source ranges'),
    ]);
    for (const ip of this.#loadBalancerIPs) this.#add('firewall-ips', keyOf(ip, port), port.label, `goto ${chain}`);
  }
}

const keyOf = (ip: IpAddress, { protocol, port }: ServicePort): string =>
  `${ip.text} . ${protocol.toLowerCase()} . ${port}`;

const NAME_LIMIT = 110;
const HASH_LENGTH = 16;

/** `firewall-1b2c3d4e5f607182-default/web` */
function firewallChain({ label, protocol, port }: ServicePort): string {
  const hash = createHash('sha256').update([label, protocol, port].join('\0')).digest('hex').slice(0, HASH_LENGTH);
  return `firewall-${hash}-${label.split(':')[0]}`.slice(0, NAME_LIMIT);
}
