/** Which addresses a load balancer gets: of the pools, or, where there are none, those of the nodes. */
import { IpAddress, type IpFamily } from '../../../../api/domain/address.ts';
import {
  balancedPort,
  EXCLUDE_FROM_LOAD_BALANCERS,
  isLoadBalanced,
  LOAD_BALANCER_IPS,
} from '../../../../api/domain/load-balancer.ts';
import { own } from '../../../../api/machinery/own.ts';
import { objectKey } from '../../../../client/informer.ts';
import type { NodeAddress, Service, ServicePort } from '../../../../api/types/core/v1.gen.ts';
import { readyStatus, type NodeView } from '../../caches/node-view.ts';
import type { AddressPools } from './address-pools.ts';

export interface AddressesPlan {
  readonly addresses: readonly IpAddress[];
  /** As a sentence for users, when the Service does not get what it asks for. */
  readonly problem?: string;
}

const refused = (problem: string): AddressesPlan => ({ addresses: [], problem });

export const keyOf = ({ metadata }: Pick<Service, 'metadata'>): string =>
  objectKey(metadata?.namespace, metadata?.name ?? '');

/** The addresses in the status of a Service that are addresses. */
export const ingressAddresses = ({ status }: Pick<Service, 'status'>): readonly IpAddress[] =>
  (status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => IpAddress.parse(ip ?? '') ?? []);

const familiesOf = ({ spec }: Service): readonly IpFamily[] => {
  const { ipFamilies = [] } = spec ?? {};
  const known = ipFamilies.filter((family): family is IpFamily => family === 'IPv4' || family === 'IPv6');
  return known.length > 0 ? known : ['IPv4'];
};

function requestedTexts({ metadata, spec }: Service): readonly string[] {
  const text = own(metadata?.annotations, LOAD_BALANCER_IPS) ?? spec?.loadBalancerIP ?? '';
  return text === '' ? [] : text.split(',').map((part) => part.trim());
}

/**
 * Of the pools. An address that the Service has is kept for as long as it is in a pool.
 * @param isTaken whether somebody else has the address, and goes before this Service
 */
export function planPoolAddresses(
  service: Service,
  pools: AddressPools,
  isTaken: (address: IpAddress) => boolean,
): AddressesPlan {
  const families = familiesOf(service);
  const texts = requestedTexts(service);
  if (texts.length > 0) return planRequested(texts, { families, pools, isTaken });
  const present = ingressAddresses(service);
  const missing: IpFamily[] = [];
  const addresses = families.flatMap((family) => {
    const kept = present.find((one) => one.family === family && pools.contains(one) && !isTaken(one));
    const address = kept ?? pools.firstFree(family, isTaken);
    if (!address) missing.push(family);
    return address ?? [];
  });
  if (missing.length === 0) return { addresses };
  const why = missing.map((family) =>
    pools.has(family) ? `all ${family} addresses of the pools are taken` : `no pool has ${family} addresses`,
  );
  return { addresses, problem: why.join(', and ') };
}

interface Choice {
  readonly families: readonly IpFamily[];
  readonly pools: AddressPools;
  readonly isTaken: (address: IpAddress) => boolean;
}

function planRequested(texts: readonly string[], { families, pools, isTaken }: Choice): AddressesPlan {
  const addresses: IpAddress[] = [];
  for (const text of texts) {
    const address = IpAddress.parse(text);
    const shown = JSON.stringify(text);
    if (!address) return refused(`${shown} is asked for and is not an IP address`);
    if (!families.includes(address.family))
      return refused(`${shown} is asked for, and the Service has no ${address.family}`);
    if (addresses.some((one) => one.family === address.family))
      return refused(`more than one ${address.family} address is asked for`);
    if (!pools.contains(address)) return refused(`${shown} is asked for and is in no pool`);
    if (isTaken(address)) return refused(`${shown} is asked for and is taken`);
    addresses.push(address);
  }
  return { addresses };
}

/** What the Service had that others may have been waiting for, and has no more: addresses, and ports of the nodes. */
export const hasReleased = (old: Service, now: Service): boolean => claimsOf(old).difference(claimsOf(now)).size > 0;

const claimsOf = (service: Service): ReadonlySet<string> =>
  new Set([
    ...ingressAddresses(service).map(({ text }) => text),
    ...(isLoadBalanced(service) ? (service.spec?.ports ?? []).map(balancedPort) : []),
  ]);

/** Nodes that may take part: ready, and not excluded by their label. */
export const mayBalance = (node: NodeView): boolean =>
  !node.deleting && readyStatus(node) === 'True' && own(node.labels, EXCLUDE_FROM_LOAD_BALANCERS) === undefined;

export interface NodesView {
  /** Of those that may take part. */
  readonly nodes: readonly NodeView[];
  /** The nodes that have ready endpoints, where only these count; undefined when all do. */
  readonly withEndpoints: ReadonlySet<string> | undefined;
  /** Why the Service cannot have the port; undefined when it can. */
  readonly portProblem: (port: ServicePort) => string | undefined;
}

/** Those of the nodes, where there are no pools. */
export function planNodeAddresses(service: Service, { nodes, withEndpoints, portProblem }: NodesView): AddressesPlan {
  for (const port of service.spec?.ports ?? []) {
    const problem = portProblem(port);
    if (problem !== undefined) return refused(problem);
  }
  const taking = nodes
    .filter(({ name }) => withEndpoints?.has(name) ?? true)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const families = familiesOf(service);
  const texts = taking.flatMap(({ addresses }) => families.flatMap((family) => addressOf(addresses, family) ?? []));
  const addresses = [...new Map(texts.map((address) => [address.text, address])).values()];
  return addresses.length > 0 ? { addresses } : refused('no node can take part');
}

/** The external address, or else the internal one. */
function addressOf(addresses: readonly NodeAddress[], family: IpFamily): IpAddress | undefined {
  for (const wanted of ['ExternalIP', 'InternalIP'])
    for (const { type, address } of addresses) {
      const parsed = type === wanted ? IpAddress.parse(address) : undefined;
      if (parsed?.family === family) return parsed;
    }
  return undefined;
}
