/** What policies look at in pods and namespaces: labels, addresses and named ports, and nothing else of the objects. */
import { IpAddress } from '../../../api/domain/address.ts';
import { isSidecar } from '../../../api/domain/pod-lifecycle.ts';
import { isPortNumber } from '../../../api/domain/port-number.ts';
import type { Labels } from '../../../api/machinery/selectors.ts';
import type { Namespace, Pod } from '../../../api/types/core/v1.gen.ts';

export type Protocol = 'tcp' | 'udp' | 'sctp';

const PROTOCOLS: ReadonlyMap<string, Protocol> = new Map([
  ['TCP', 'tcp'],
  ['UDP', 'udp'],
  ['SCTP', 'sctp'],
]);

/** Undefined for what is none of the API's; TCP where nothing is said. */
export const protocolOf = (text = 'TCP'): Protocol | undefined => PROTOCOLS.get(text);

export interface NamedPort {
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
}

export interface PodFacts {
  readonly uid: string;
  /** Its namespace and labels, as `readGroup` reads them: pods of one group are the same to every selector. */
  readonly group: string;
  /** None of pods that policies are not about: those in the host's network, and those that have ended. */
  readonly addresses: readonly IpAddress[];
  readonly ports: readonly NamedPort[];
  readonly node: string;
}

export interface PodGroup {
  readonly namespace: string;
  readonly labels: Labels;
}

const NO_PORTS: readonly NamedPort[] = [];
const NOT_SUBJECT: PodFacts = { uid: '', group: '', addresses: [], ports: NO_PORTS, node: '' };

const groupOf = (namespace: string, labels: Labels = {}): string =>
  JSON.stringify([namespace, Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))]);

export function readGroup(group: string): PodGroup {
  const [namespace, labels] = JSON.parse(group) as [string, [string, string][]];
  return { namespace, labels: Object.fromEntries(labels) };
}

/** @param addresses as the node knows them, which may be ahead of the API */
export function podFacts({ metadata, spec, status }: Pod, addresses = addressesIn(status)): PodFacts {
  const hasEnded = status?.phase === 'Succeeded' || status?.phase === 'Failed';
  if (spec?.hostNetwork || hasEnded || addresses.length === 0) return NOT_SUBJECT;
  const containers = [...spec!.containers, ...(spec?.initContainers ?? []).filter(isSidecar)];
  const ports = containers.flatMap(({ ports: declared = [] }) =>
    declared.flatMap(({ name, protocol: given, containerPort: port }) => {
      const protocol = protocolOf(given);
      return name && protocol && isPortNumber(port) ? [{ name, protocol, port }] : [];
    }),
  );
  return {
    uid: metadata?.uid ?? '',
    group: groupOf(metadata?.namespace ?? '', metadata?.labels),
    addresses: addresses.flatMap((text) => IpAddress.parse(text) ?? []),
    ports: ports.length > 0 ? ports : NO_PORTS,
    node: spec?.nodeName ?? '',
  };
}

const addressesIn = (status: Pod['status']): readonly string[] =>
  status?.podIPs?.length ? status.podIPs.map(({ ip }) => ip) : status?.podIP ? [status.podIP] : [];

/** The cluster's DNS, which the agent serves, as the pods that serve it in other clusters: policies select them by these labels. */
export const dnsFacts = (addresses: readonly string[]): PodFacts => ({
  uid: '',
  group: groupOf('kube-system', { 'k8s-app': 'kube-dns' }),
  addresses: addresses.flatMap((text) => IpAddress.parse(text) ?? []),
  ports: [
    { name: 'dns', protocol: 'udp', port: 53 },
    { name: 'dns-tcp', protocol: 'tcp', port: 53 },
  ],
  node: '',
});

export const namespaceLabels = ({ metadata }: Namespace): Labels => ({ ...metadata?.labels });

/** Whether all that policies look at is the same. */
export const isSamePod = (a: PodFacts, b: PodFacts): boolean =>
  a === b ||
  (a.uid === b.uid &&
    a.group === b.group &&
    a.node === b.node &&
    a.addresses.length === b.addresses.length &&
    a.addresses.every((address, index) => address.equals(b.addresses[index]!)) &&
    (a.ports === b.ports || JSON.stringify(a.ports) === JSON.stringify(b.ports)));
