/** Services of type LoadBalancer that the cluster itself looks after, and how its parts tell each other about them. */
import type { IpAddress } from './address.ts';
import type { Lease } from '../types/coordination/v1.gen.ts';
import type { Service, ServicePort } from '../types/core/v1.gen.ts';
import { own } from '../machinery/own.ts';

/** The class of those that name one; those that name none are meant as well. */
export const LOAD_BALANCER_CLASS = 'kedge.io/load-balancer';
/** Of a Service: the addresses that it asks for, separated by commas. */
export const LOAD_BALANCER_IPS = 'kedge.io/load-balancer-ips';
/**
 * Conditions of a Service, with the name of the node as the message: who announces its addresses to the network, and who has to take them
 * over as soon as nobody answers for them. In the status, which those who write Services cannot write.
 */
export const ANNOUNCING_NODE = 'kedge.io/AnnouncingNode';
export const TAKEOVER_NODE = 'kedge.io/TakeoverNode';
/** Of a node's Lease: the addresses that the node announces, separated by commas. */
export const ANNOUNCED_ADDRESSES = 'kedge.io/announced-addresses';
/** https://kubernetes.io/docs/reference/labels-annotations-taints/#node-kubernetes-io-exclude-from-external-load-balancers */
export const EXCLUDE_FROM_LOAD_BALANCERS = 'node.kubernetes.io/exclude-from-external-load-balancers';

/** How often a node that announces addresses renews its Lease, and how long it may be silent before another is to take them over. */
export const ANNOUNCER_RENEW_MS = 400;
export const ANNOUNCER_SILENCE_MS = 1_300;

export const isLoadBalanced = ({ metadata, spec }: Pick<Service, 'metadata' | 'spec'>): boolean =>
  spec?.type === 'LoadBalancer' &&
  (spec.loadBalancerClass ?? LOAD_BALANCER_CLASS) === LOAD_BALANCER_CLASS &&
  metadata?.deletionTimestamp === undefined;

/** `TCP/443`: what only one load balancer can have on the addresses of the nodes. */
export const balancedPort = ({ protocol, port }: Pick<ServicePort, 'protocol' | 'port'>): string =>
  `${protocol ?? 'TCP'}/${port}`;

/** Whether a node may answer for the address on its network. */
export const isAnnounceable = (address: IpAddress): boolean =>
  !address.isUnspecified && !address.isLoopback && !address.isLinkLocalUnicast && !address.isMulticast;

/** Undefined when there is none. */
export const nodeThat = (
  condition: typeof ANNOUNCING_NODE | typeof TAKEOVER_NODE,
  { status }: Pick<Service, 'status'>,
): string | undefined =>
  status?.conditions?.find(({ type, status: is }) => type === condition && is === 'True')?.message;

const NONE: readonly never[] = Object.freeze([]);

export function announcedBy({ metadata }: Pick<Lease, 'metadata'>): readonly string[] {
  const text = own(metadata?.annotations, ANNOUNCED_ADDRESSES) ?? '';
  return text === '' ? NONE : text.split(',');
}
