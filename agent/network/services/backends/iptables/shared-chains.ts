/**
 * How a packet finds its Service: in two steps, so that neither a packet nor a change walks a list of all Services. KUBE-SERVICES
 * leads to a chain for each 256 service addresses, KUBE-NODEPORTS to one for each 64 node ports; these are shared by Services.
 */
import { Cidr, IpAddress, type IpFamily } from '../../../../../api/domain/address.ts';
import { comment, type Chains, type Table } from '../../../netfilter/rules.ts';
import { PROTOCOLS, type Port } from '../../model/service-values.ts';

const NODE_PORTS_PER_CHAIN = 64;
const NODE_PORT_PREFIX = 'KUBE-NODEPORTS-';
const IPV4_PREFIX = 'KUBE-SERVICES-';
/** With the 20 characters that 15 bytes take, this is as long as a chain's name may be: 28. */
const IPV6_PREFIX = 'KUBE-S6-';
/** The last byte of an address tells those of one chain apart. */
const LAST_BYTE = 8n;
const IPV6_NETWORK_DIGITS = 30;

/** 10.43.7.9 -> KUBE-SERVICES-10-43-7; the network of an IPv6 address is written in base64. */
export function addressChain({ family, text, value }: IpAddress): string {
  if (family === 'IPv4') return `${IPV4_PREFIX}${text.slice(0, text.lastIndexOf('.')).replaceAll('.', '-')}`;
  const digits = (value >> LAST_BYTE).toString(16).padStart(IPV6_NETWORK_DIGITS, '0');
  return `${IPV6_PREFIX}${Buffer.from(digits, 'hex').toString('base64url')}`;
}

/** The addresses that an address chain is for. */
function networkOf(chain: string): string {
  if (chain.startsWith(IPV4_PREFIX)) return `${chain.slice(IPV4_PREFIX.length).replaceAll('-', '.')}.0/24`;
  const digits = Buffer.from(chain.slice(IPV6_PREFIX.length), 'base64url').toString('hex');
  return `${IpAddress.of('IPv6', BigInt(`0x${digits}`) << LAST_BYTE).text}/120`;
}

export const nodePortChain = (nodePort: Port): string =>
  `${NODE_PORT_PREFIX}${nodePort - (nodePort % NODE_PORTS_PER_CHAIN)}`;

const REJECT: Readonly<Record<IpFamily, string>> = {
  IPv4: '-j REJECT --reject-with icmp-port-unreachable',
  IPv6: '-j REJECT --reject-with icmp6-port-unreachable',
};
export const reject = (family: IpFamily): string => REJECT[family];

/** Packets that no Service accepts must not leave the host by its default route. A host may have such an address itself. */
export const rejectUnlessLocal = (range: Cidr, why: string): string =>
  `-d ${range.text} -m addrtype ! --dst-type LOCAL ${comment(why)} ${reject(range.family)}`;

/** The first step: KUBE-SERVICES and KUBE-NODEPORTS, which lead to the chains that are in use. */
export function dispatchChains(table: Table, used: Iterable<string>, range: Cidr | undefined): Chains {
  const services: string[] = [];
  const nodePorts: string[] = [];
  for (const chain of [...used].sort()) {
    if (chain.startsWith(NODE_PORT_PREFIX)) {
      const first = Number(chain.slice(NODE_PORT_PREFIX.length));
      for (const protocol of PROTOCOLS.map((each) => each.toLowerCase()))
        nodePorts.push(
          `-p ${protocol} -m ${protocol} --dport ${first}:${first + NODE_PORTS_PER_CHAIN - 1} -j ${chain}`,
        );
    } else services.push(`-d ${networkOf(chain)} -j ${chain}`);
  }
  if (nodePorts.length > 0)
    services.push(`-m addrtype --dst-type LOCAL ${comment('node ports; after all addresses')} -j KUBE-NODEPORTS`);
  if (table === 'filter' && range) services.push(rejectUnlessLocal(range, 'no such Service or no endpoints'));
  return new Map([
    ['KUBE-SERVICES', services],
    ['KUBE-NODEPORTS', nodePorts],
  ]);
}
