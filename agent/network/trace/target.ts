/** What an operator wants to have traced, and what a Service has at that port. Pure. */
import { isPortNumber } from '../../../api/domain/port-number.ts';
import { IpAddress, type IpFamily } from '../../../api/domain/address.ts';
import { SERVICE_NAME_LABEL } from '../../../api/kinds/discovery/endpoint-slice.ts';
import type { Service } from '../../../api/types/core/v1.gen.ts';
import type { EndpointSlice } from '../../../api/types/discovery/v1.gen.ts';
import { HostError } from '../../host/host-error.ts';
import type { ServiceEntry } from '../services/model/service-entry.ts';
import { serviceEntry, serviceFacts, sliceFacts, type ServiceFacts } from '../services/model/service-facts.ts';

type Protocol = 'TCP' | 'UDP';

export type Target =
  | { readonly kind: 'service'; readonly name: string; readonly port?: string; readonly protocol?: Protocol }
  | { readonly kind: 'address'; readonly address: IpAddress; readonly port: number; readonly protocol: Protocol };

const NAME = /^(?:svc|service|services)\/([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)(?::([a-z0-9-]{1,63}))?$/;
const SOCKET = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+)):(\d{1,5})$/i;

/** Throws HostError with what is understood. */
export function parseTarget(text: string): Target {
  const [, socket = text, said] = /^(.*)\/(tcp|udp)$/i.exec(text) ?? [];
  const protocol = said?.toUpperCase() as Protocol | undefined;
  const [, name, , port] = NAME.exec(socket) ?? [];
  if (name !== undefined) return { kind: 'service', name, ...(port && { port }), ...(protocol && { protocol }) };
  const [, six, four, number] = SOCKET.exec(socket) ?? [];
  const address = IpAddress.parse(six ?? four ?? '');
  if (address && isPortNumber(Number(number)))
    return { kind: 'address', address, port: Number(number), protocol: protocol ?? 'TCP' };
  throw new HostError(
    `what is to be traced must be svc/NAME, svc/NAME:PORT or ADDRESS:PORT, with /udp at the end for datagrams, not ${JSON.stringify(text)}`,
  );
}

const FAMILIES: readonly IpFamily[] = ['IPv4', 'IPv6'];

/** A Service and all that is known of it on a node. */
export interface ServiceView {
  readonly object: Service;
  /** Undefined for one that has no rules: headless, ExternalName, another proxy's. */
  readonly facts: ServiceFacts | undefined;
  /** One for each IP family that it has an address of. */
  readonly entries: readonly ServiceEntry[];
  readonly slices: readonly EndpointSlice[];
}

/** @param zone the node's; undefined when it is in none that is known. */
export function viewOf(object: Service, all: readonly EndpointSlice[], nodeName: string, zone?: string): ServiceView {
  const { namespace, name } = object.metadata ?? {};
  const slices = all.filter(
    ({ metadata }) => metadata?.namespace === namespace && metadata?.labels?.[SERVICE_NAME_LABEL] === name,
  );
  const facts = serviceFacts(object, FAMILIES);
  const parsed = slices.map((slice) => sliceFacts(slice, nodeName));
  const entries = facts
    ? FAMILIES.flatMap((family) => serviceEntry(facts, parsed, family, { nodeName, zone }) ?? [])
    : [];
  return { object, facts, entries, slices };
}

/** The Service that has the address and port, or the node port; undefined for none. */
export function serviceAt(
  views: readonly ServiceView[],
  { address, port, protocol }: Extract<Target, { kind: 'address' }>,
  isOfNode: boolean,
): ServiceEntry | undefined {
  const entries = views.flatMap((view) => view.entries);
  const has = ({ clusterIP, externalIPs, loadBalancerIPs, ports }: ServiceEntry): boolean =>
    [clusterIP, ...externalIPs, ...loadBalancerIPs].some(({ text }) => text === address.text) &&
    ports.some((each) => each.port === port && each.protocol === protocol);
  const hasNodePort = ({ family, ports }: ServiceEntry): boolean =>
    isOfNode && family === address.family && ports.some((each) => each.nodePort === port && each.protocol === protocol);
  return entries.find(has) ?? entries.find(hasNodePort);
}

export interface ChosenPort {
  readonly name: string;
  readonly port: number;
  readonly protocol: Protocol;
}

/** The port of the Service that is meant. Throws HostError when it has none such, or several. */
export function choosePort({ metadata, spec }: Service, wanted: Extract<Target, { kind: 'service' }>): ChosenPort {
  const ports = (spec?.ports ?? []).map(({ name = '', port = 0, protocol = 'TCP' }) => ({ name, port, protocol }));
  const found = ports.filter(
    ({ name, port, protocol }) =>
      (wanted.port === undefined || name === wanted.port || String(port) === wanted.port) &&
      (wanted.protocol === undefined || protocol === wanted.protocol),
  );
  const [only] = found;
  const service = `Service ${metadata?.namespace}/${metadata?.name}`;
  const list = ports
    .map(({ name, port, protocol }) => `${name && `${name} `}${port}/${protocol.toLowerCase()}`)
    .join(', ');
  if (!only) throw new HostError(`${service} has no such port: it has ${list || 'none'}`);
  if (found.length > 1) throw new HostError(`${service} has several ports, name one of them: ${list}`);
  if (only.protocol !== 'TCP' && only.protocol !== 'UDP')
    throw new HostError(`${service}: connections of ${only.protocol} cannot be traced, TCP and UDP can`);
  return { ...only, protocol: only.protocol };
}

/** `pod default/web-1`, by the addresses of the slices' endpoints. */
export function podNames(slices: readonly EndpointSlice[]): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const { endpoints } of slices)
    for (const { addresses = [], targetRef } of endpoints ?? [])
      for (const address of addresses) {
        const text = IpAddress.parse(address)?.text;
        if (text !== undefined && targetRef?.kind === 'Pod')
          names.set(text, `pod ${targetRef.namespace}/${targetRef.name}`);
      }
  return names;
}
