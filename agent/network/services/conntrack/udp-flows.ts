/**
 * UDP has no connections that end: the kernel keeps sending a flow where its first packet went. The endpoints of Services are
 * compared with the kernel's flows, so that neither a restart nor a missed change leaves a flow at the wrong endpoint. A flow to
 * an endpoint that serves is kept, whatever else changes: also while it terminates, and under either traffic policy.
 * Pure: conntrack.ts reads and deletes.
 */
import { IpAddress, type IpFamily } from '../../../../api/domain/address.ts';
import { socketText, type ServiceEntry } from '../model/service-entry.ts';

/** One entry of the kernel's table: where the first packet went, and where its replies come from. */
export interface UdpFlow {
  readonly family: IpFamily;
  readonly destination: string;
  readonly destinationPort: number;
  readonly replySource: string;
  readonly replySourcePort: number;
}

const TUPLE = /\b(src|dst|sport|dport)=(\S+)/g;

/** A line of `conntrack -L -p udp`, which describes the first packet and then the replies; undefined for any other. */
export function parseFlow(line: string, family: IpFamily): UdpFlow | undefined {
  if (!/^(ipv[46]\s+\d+\s+)?udp\s/.test(line)) return undefined;
  const words = [...line.matchAll(TUPLE)];
  const nth = (name: string, index: number): string | undefined => words.filter(([, key]) => key === name)[index]?.[2];
  const [destination, replySource] = [nth('dst', 0), nth('src', 1)];
  const [destinationPort, replySourcePort] = [Number(nth('dport', 0)), Number(nth('sport', 1))];
  if (!destination || !replySource || Number.isNaN(destinationPort + replySourcePort)) return undefined;
  return { family, destination, destinationPort, replySource, replySourcePort };
}

/** Where flows to Services may lead: frontend -> the endpoints that serve it, as `address:port`. */
export interface ExpectedFlows {
  readonly addresses: ReadonlyMap<string, ReadonlySet<string>>;
  readonly nodePorts: ReadonlyMap<number, ReadonlySet<string>>;
}

export function expectedFlows(services: Iterable<ServiceEntry>): ExpectedFlows {
  const addresses = new Map<string, ReadonlySet<string>>();
  const nodePorts = new Map<number, ReadonlySet<string>>();
  for (const { clusterIP, externalIPs, loadBalancerIPs, ports } of services) {
    for (const { protocol, port, nodePort, endpoints } of ports) {
      if (protocol !== 'UDP') continue;
      const serving = new Set(endpoints.filter((each) => each.serving).map((each) => socketText(each.ip, each.port)));
      // An external address may belong to several Services.
      for (const frontend of [clusterIP, ...externalIPs, ...loadBalancerIPs].map((ip) => socketText(ip, port)))
        addresses.set(frontend, serving.union(addresses.get(frontend) ?? new Set()));
      if (nodePort !== undefined) nodePorts.set(nodePort, serving.union(nodePorts.get(nodePort) ?? new Set()));
    }
  }
  return { addresses, nodePorts };
}

/** Where flows to Services may have led while one thing was wanted, or the other. */
export const unionOf = (one: ExpectedFlows, other: ExpectedFlows): ExpectedFlows => ({
  addresses: new Map([...one.addresses, ...other.addresses]),
  nodePorts: new Map([...one.nodePorts, ...other.nodePorts]),
});

/** What of a Service decides about its flows: as long as this text stays the same, no flow can become stale. */
export const flowsOf = (service: ServiceEntry | undefined): string => {
  if (!service?.ports.some(({ protocol }) => protocol === 'UDP')) return '';
  const { addresses, nodePorts } = expectedFlows([service]);
  return [...addresses, ...nodePorts].map(([frontend, endpoints]) => `${frontend}>${[...endpoints].join()}`).join(';');
};

export const isEmpty = ({ addresses, nodePorts }: ExpectedFlows): boolean => addresses.size + nodePorts.size === 0;

/**
 * @param before what was wanted since flows were last compared: a frontend that is gone since leads nowhere.
 * @param isLocal whether this node has the address: only there does a node port belong to a Service.
 */
export function isStale(
  flow: UdpFlow,
  wanted: ExpectedFlows,
  before: ExpectedFlows,
  isLocal: (address: string) => boolean,
): boolean {
  const { family, destination, destinationPort, replySource, replySourcePort } = flow;
  const frontend = socketText({ family, text: destination }, destinationPort);
  const source = socketText({ family, text: replySource }, replySourcePort);
  const endpoints = wanted.addresses.get(frontend);
  if (endpoints) return !endpoints.has(source);
  const isOurs = source !== frontend;
  if (before.addresses.has(frontend)) return isOurs;
  const behindPort = wanted.nodePorts.get(destinationPort);
  if (!behindPort && !before.nodePorts.has(destinationPort)) return false;
  if (!isLocal(destination)) return false;
  return behindPort ? !behindPort.has(source) : isOurs;
}

/** Whether a node port answers at the address, given those that the host's interfaces have. */
export const isLocalAddress = (hostAddresses: ReadonlySet<string>, address: string): boolean =>
  hostAddresses.has(address) || IpAddress.parse(address)?.isLoopback === true;
