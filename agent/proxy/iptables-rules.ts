/**
 * Compiles Services to iptables rules: pure. Chain names and their roles are kube-proxy's, so that whoever knows one reads the
 * other; new is that Services and node ports are told apart in two steps (a chain for each /24 of service addresses and for
 * each 64 node ports), so that neither a packet nor a change walks a list of all Services.
 */
import { createHash } from 'node:crypto';
import { Cidr, IpAddress } from '../../api/domain/address.ts';
import { socketText, usable, type Endpoint, type ServiceEntry, type ServicePort } from './service-table.ts';
import { PROTOCOLS, type Port } from './service-values.ts';

export type Table = 'nat' | 'filter';

/** Chains of one table: name -> rules without their `-A CHAIN`. */
export type Chains = ReadonlyMap<string, readonly string[]>;
export type RuleSet = Readonly<Record<Table, Chains>>;

/** A rule that leads to a Service's own chains, and the chain in which it stands among those of other Services. */
interface Dispatch {
  readonly table: Table;
  readonly chain: string;
  readonly rule: string;
}

/** One Service: chains of its own, and its entries in the chains that it shares. */
export interface CompiledService {
  readonly nat: Chains;
  readonly dispatch: readonly Dispatch[];
}

export interface Ranges {
  /** Of pods: traffic from there to a Service keeps its source address. */
  readonly cluster: Cidr;
  /** Of Services; undefined while it is not known. */
  readonly services: Cidr | undefined;
}

/** Packets with this bit leave with the node's address (kube-proxy's default masquerade bit 14). */
const MASQUERADE_MARK = '0x4000/0x4000';
const NODE_PORTS_PER_CHAIN = 64;

const hash = (...parts: readonly (string | number)[]): string =>
  createHash('sha256')
    .update(parts.join('\0'))
    .digest('base64')
    .replace(/[^A-Za-z0-9]/g, '')
    .toUpperCase()
    .slice(0, 16);

/** Comments name the Service in `iptables -L`. The text is ours and a `Label`, so it needs no further quoting. */
const comment = (text: string): string => `-m comment --comment "${text}"`;

const match = ({ protocol }: ServicePort, port: Port): string =>
  `-p ${protocol.toLowerCase()} -m ${protocol.toLowerCase()} --dport ${port}`;

const ADDRESS_CHAIN_LENGTH = 24;
const ADDRESS_CHAIN_PREFIX = 'KUBE-SERVICES-';
const NODE_PORT_CHAIN_PREFIX = 'KUBE-NODEPORTS-';

/** `10.43.7.9` -> the chain for 10.43.7.0/24. */
const addressChain = (ip: IpAddress): string =>
  `${ADDRESS_CHAIN_PREFIX}${ip.text.slice(0, ip.text.lastIndexOf('.')).replaceAll('.', '-')}`;
const nodePortChain = (nodePort: Port): string =>
  `${NODE_PORT_CHAIN_PREFIX}${nodePort - (nodePort % NODE_PORTS_PER_CHAIN)}`;

const REFUSE = '-j REJECT --reject-with icmp-port-unreachable';
/** What nobody answers must not leave the host by its default route. A host may have such an address itself. */
const refuseUnlessLocal = (range: Cidr, why: string): string =>
  `-d ${range.text} -m addrtype ! --dst-type LOCAL ${comment(why)} ${REFUSE}`;

/** The even share of the remaining endpoints, as kube-proxy writes it. */
const probability = (remaining: number): string => (1 / remaining).toFixed(10);

/** Chains that spread connections over endpoints: one rule an endpoint in `chain`, one chain an endpoint. */
function spread(
  chain: string,
  service: ServiceEntry,
  port: ServicePort,
  endpoints: readonly Endpoint[],
  chains: Map<string, string[]>,
): string[] {
  const rules: string[] = [];
  const targets = endpoints.map((endpoint) => ({
    endpoint,
    name: `KUBE-SEP-${hash(port.label, port.protocol, endpoint.ip.text, endpoint.port)}`,
  }));
  for (const { endpoint, name } of targets) {
    const set = service.affinitySeconds ? `-m recent --name ${name} --set --mask 255.255.255.255 --rsource ` : '';
    const protocol = port.protocol.toLowerCase();
    chains.set(name, [
      // A pod that reaches itself through its Service must see another's address as the source.
      `-s ${endpoint.ip.text}/32 ${comment(port.label)} -j KUBE-MARK-MASQ`,
      `-p ${protocol} ${comment(port.label)} ${set}-m ${protocol} -j DNAT --to-destination ${socketText(endpoint.ip, endpoint.port)}`,
    ]);
  }
  if (service.affinitySeconds) {
    for (const { name } of targets) {
      rules.push(
        `${comment(port.label)} -m recent --name ${name} --rcheck --seconds ${service.affinitySeconds} --reap --mask 255.255.255.255 --rsource -j ${name}`,
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

export function compileService(service: ServiceEntry, ranges: Ranges): CompiledService {
  const nat = new Map<string, string[]>();
  const dispatch: Dispatch[] = [];
  for (const port of service.ports) compilePort(service, port, ranges.cluster, nat, dispatch);
  const { clusterIP } = service;
  if (!ranges.services?.contains(clusterIP)) {
    const why = `no such port or no endpoints at ${clusterIP.text}`;
    const rule = refuseUnlessLocal(Cidr.host(clusterIP), why);
    dispatch.push({ table: 'filter', chain: addressChain(clusterIP), rule });
  }
  return { nat, dispatch };
}

function compilePort(
  service: ServiceEntry,
  port: ServicePort,
  clusterCidr: Cidr,
  nat: Map<string, string[]>,
  dispatch: Dispatch[],
): void {
  const id = hash(port.label, port.protocol);
  const cluster = usable(port.endpoints);
  const local = usable(port.endpoints.filter((endpoint) => endpoint.local));
  const internal = service.internalPolicyLocal ? local : cluster;
  const toAddress = (ip: IpAddress, table: Table, action: string): void => {
    dispatch.push({
      table,
      chain: addressChain(ip),
      rule: `-d ${ip.text}/32 ${match(port, port.port)} ${comment(port.label)} ${action}`,
    });
  };
  if (internal.length) {
    const chain = `KUBE-SVC-${id}`;
    nat.set(chain, [
      `! -s ${clusterCidr.text} -d ${service.clusterIP.text}/32 ${match(port, port.port)} ${comment(`${port.label} cluster IP`)} -j KUBE-MARK-MASQ`,
      ...spread(chain, service, port, internal, nat),
    ]);
    toAddress(service.clusterIP, 'nat', `-j ${chain}`);
  } else if (cluster.length) {
    // Nobody on this node under a Local policy: the sender is to try another. Nobody anywhere needs no rule, it is as no such port.
    toAddress(service.clusterIP, 'filter', '-j DROP');
  }

  const outside = [...service.externalIPs, ...service.loadBalancerIPs];
  if (outside.length === 0 && port.nodePort === undefined) return;
  const external = service.externalPolicyLocal ? local : cluster;
  const filterNodePort = (action: string): void => {
    if (!port.nodePort) return;
    dispatch.push({
      table: 'filter',
      chain: nodePortChain(port.nodePort),
      rule: `${match(port, port.nodePort)} ${comment(port.label)} ${action}`,
    });
  };
  if (external.length === 0 && !(service.externalPolicyLocal && cluster.length)) {
    for (const ip of outside) toAddress(ip, 'filter', REFUSE);
    filterNodePort(REFUSE);
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
    for (const source of sources ?? []) toAddress(ip, 'nat', `-s ${source.text} -j ${chain}`);
    if (sources !== undefined) toAddress(ip, 'filter', '-j DROP');
  }
  if (port.nodePort) {
    dispatch.push({
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

/** The rules of the kernel's own chains: `-I` ones stand first. They are added once and checked, never rewritten. */
export const JUMPS: readonly { readonly table: Table; readonly chain: string; readonly rule: string }[] = [
  { table: 'nat', chain: 'PREROUTING', rule: `${comment('kubernetes service portals')} -j KUBE-SERVICES` },
  { table: 'nat', chain: 'OUTPUT', rule: `${comment('kubernetes service portals')} -j KUBE-SERVICES` },
  { table: 'nat', chain: 'POSTROUTING', rule: `${comment('kubernetes postrouting rules')} -j KUBE-POSTROUTING` },
  {
    table: 'filter',
    chain: 'INPUT',
    rule: `-m conntrack --ctstate NEW ${comment('kubernetes service portals')} -j KUBE-SERVICES`,
  },
  {
    table: 'filter',
    chain: 'OUTPUT',
    rule: `-m conntrack --ctstate NEW ${comment('kubernetes service portals')} -j KUBE-SERVICES`,
  },
  { table: 'filter', chain: 'FORWARD', rule: `${comment('kubernetes forwarding rules')} -j KUBE-FORWARD` },
  { table: 'filter', chain: 'INPUT', rule: `${comment('kubernetes firewall')} -j KUBE-FIREWALL` },
  { table: 'filter', chain: 'OUTPUT', rule: `${comment('kubernetes firewall')} -j KUBE-FIREWALL` },
];

/** The chains that are there whatever Services there are, less KUBE-SERVICES and KUBE-NODEPORTS themselves. */
export function baseChains(clusterCidr: Cidr): RuleSet {
  return {
    nat: new Map([
      ['KUBE-MARK-MASQ', [`-j MARK --or-mark 0x4000`]],
      [
        'KUBE-POSTROUTING',
        [
          // What pods send out of the cluster leaves with the node's address; what they send each other keeps theirs.
          `-s ${clusterCidr.text} ! -d ${clusterCidr.text} -m addrtype ! --dst-type MULTICAST ${comment('pods to the outside')} -j MASQUERADE --random-fully`,
          `-m mark ! --mark ${MASQUERADE_MARK} -j RETURN`,
          '-j MARK --xor-mark 0x4000',
          `${comment('kubernetes service traffic requiring SNAT')} -j MASQUERADE --random-fully`,
        ],
      ],
    ]),
    filter: new Map([
      [
        'KUBE-FIREWALL',
        [
          // With route_localnet the kernel would take what other hosts send to 127.0.0.0/8 (CVE-2020-8558).
          `! -s 127.0.0.0/8 -d 127.0.0.0/8 ${comment('block incoming localnet connections')} -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP`,
        ],
      ],
      [
        'KUBE-FORWARD',
        [
          // Untranslated, such a packet would reach a client as another host's, and the client would reset its connection.
          `-m conntrack --ctstate INVALID ${comment('packets of no connection')} -j DROP`,
          `${comment('kubernetes forwarding rules')} -m mark --mark ${MASQUERADE_MARK} -j ACCEPT`,
          `${comment('kubernetes forwarding conntrack rule')} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
          // Here and not in FORWARD: what Services refuse must be refused before pods are let through.
          `-m conntrack --ctstate NEW ${comment('kubernetes service portals')} -j KUBE-SERVICES`,
          `-s ${clusterCidr.text} ${comment('from pods')} -j ACCEPT`,
          `-d ${clusterCidr.text} ${comment('to pods')} -j ACCEPT`,
        ],
      ],
    ]),
  };
}

/** The first step of telling Services apart: from KUBE-SERVICES to the chains that are in use. */
export function dispatchChains(
  table: Table,
  used: Iterable<string>,
  serviceRange: Cidr | undefined,
): Map<string, readonly string[]> {
  const services: string[] = [];
  const nodePorts: string[] = [];
  for (const name of [...used].sort()) {
    if (name.startsWith(NODE_PORT_CHAIN_PREFIX)) {
      const first = Number(name.slice(NODE_PORT_CHAIN_PREFIX.length));
      for (const protocol of PROTOCOLS.map((each) => each.toLowerCase()))
        nodePorts.push(`-p ${protocol} -m ${protocol} --dport ${first}:${first + NODE_PORTS_PER_CHAIN - 1} -j ${name}`);
    } else {
      const network = name.slice(ADDRESS_CHAIN_PREFIX.length).replaceAll('-', '.');
      services.push(`-d ${network}.0/${ADDRESS_CHAIN_LENGTH} -j ${name}`);
    }
  }
  if (nodePorts.length)
    services.push(`-m addrtype --dst-type LOCAL ${comment('node ports; after all addresses')} -j KUBE-NODEPORTS`);
  if (table === 'filter' && serviceRange)
    services.push(refuseUnlessLocal(serviceRange, 'no such Service or no endpoints'));
  return new Map([
    ['KUBE-SERVICES', services],
    ['KUBE-NODEPORTS', nodePorts],
  ]);
}
