/**
 * What the EndpointSlices of Endpoints look like that somebody wrote by hand, for a Service without a selector: proxies read
 * slices alone. The rules are those of upstream's `endpointslicemirroring`.
 */
import { SERVICE_NAME_LABEL, SKIP_MIRROR_LABEL } from '../../../api/kinds/discovery/endpoint-slice.ts';
import { isDeepStrictEqual } from 'node:util';
import { isIPv6 } from 'node:net';
import { endpoints as endpointsResource } from '../../../client/resources.gen.ts';
import { controllerReference } from '../framework/owner-references.ts';
import { MANAGED_BY, NOT_COPIED, type SlicePlan } from './endpoint-slices.ts';
import type { EndpointAddress, Endpoints, Service } from '../../../api/types/core/v1.gen.ts';
import type { Endpoint, EndpointPort, EndpointSlice } from '../../../api/types/discovery/v1.gen.ts';

export const MIRROR_NAME = 'endpointslicemirroring-controller.k8s.io';
const LEADER = 'control-plane.alpha.kubernetes.io/leader';
/** Upstream's --mirroring-max-endpoints-per-subset. */
const MAX_ENDPOINTS_PER_SUBSET = 1000;

/** Endpoints of a Service with a selector have slices already, and some say that they want none. */
export function isMirrored(endpoints: Endpoints | undefined, service: Service | undefined): endpoints is Endpoints {
  if (!endpoints || !service || service.spec?.selector || endpoints.metadata?.deletionTimestamp) return false;
  const { labels, annotations } = endpoints.metadata ?? {};
  return labels?.[SKIP_MIRROR_LABEL] !== 'true' && annotations?.[LEADER] === undefined;
}

/** @param slices those that this controller manages for a Service of that name. */
export function mirrorEndpoints(endpoints: Endpoints, slices: readonly EndpointSlice[]): SlicePlan {
  const create: EndpointSlice[] = [];
  const update: EndpointSlice[] = [];
  const remaining = new Set(slices);
  for (const wanted of desiredSlices(endpoints)) {
    const same = [...remaining].find(
      ({ addressType, ports }) =>
        addressType === wanted.addressType && isDeepStrictEqual(ports ?? [], wanted.ports ?? []),
    );
    if (!same) {
      create.push(wanted);
      continue;
    }
    remaining.delete(same);
    const { labels, annotations } = wanted.metadata ?? {};
    const isRight =
      isDeepStrictEqual(same.endpoints ?? [], wanted.endpoints) &&
      isDeepStrictEqual(same.metadata?.labels, labels) &&
      isDeepStrictEqual(same.metadata?.annotations ?? {}, annotations);
    if (isRight) continue;
    update.push({ ...same, endpoints: wanted.endpoints, metadata: { ...same.metadata, labels, annotations } });
  }
  // What points elsewhere is rewritten rather than replaced: connections go on.
  const remove = [...remaining];
  for (const wanted of create.splice(0)) {
    const at = remove.findIndex(({ addressType }) => addressType === wanted.addressType);
    const [old] = at < 0 ? [] : remove.splice(at, 1);
    if (!old) {
      create.push(wanted);
      continue;
    }
    const { labels, annotations } = wanted.metadata ?? {};
    const { endpoints: now, ports } = wanted;
    update.push({ ...old, endpoints: now, ports, metadata: { ...old.metadata, labels, annotations } });
  }
  return { create, update, remove };
}

/** One for each family of addresses and set of ports. */
function desiredSlices(endpoints: Endpoints): EndpointSlice[] {
  const groups = new Map<string, Pick<EndpointSlice, 'addressType' | 'ports'> & { endpoints: Endpoint[] }>();
  for (const { addresses = [], notReadyAddresses = [], ports: subsetPorts = [] } of endpoints.subsets ?? []) {
    const ports = subsetPorts.map(({ name = '', port, protocol = 'TCP', appProtocol }): EndpointPort => {
      return { name, port, protocol, ...(appProtocol && { appProtocol }) };
    });
    const all = [
      ...addresses.map((address) => endpointOf(address, true)),
      ...notReadyAddresses.map((address) => endpointOf(address, false)),
    ];
    for (const endpoint of all.slice(0, MAX_ENDPOINTS_PER_SUBSET)) {
      const addressType = isIPv6(endpoint.addresses[0] ?? '') ? 'IPv6' : 'IPv4';
      const key = `${addressType} ${JSON.stringify(ports)}`;
      const group = groups.get(key) ?? { addressType, ports, endpoints: [] };
      group.endpoints.push(endpoint);
      groups.set(key, group);
    }
  }
  return [...groups.values()].map((group) => ({ ...emptySlice(endpoints), ...group }));
}

function endpointOf({ ip, hostname, nodeName, targetRef }: EndpointAddress, ready: boolean): Endpoint {
  return {
    addresses: [ip],
    conditions: { ready },
    ...(hostname && { hostname }),
    ...(targetRef && { targetRef }),
    ...(nodeName && { nodeName }),
  };
}

function emptySlice(endpoints: Endpoints) {
  const { namespace, name = '', labels, annotations = {} } = endpoints.metadata ?? {};
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      namespace,
      generateName: `${name}-`,
      labels: { ...labels, [SERVICE_NAME_LABEL]: name, [MANAGED_BY]: MIRROR_NAME },
      annotations: Object.fromEntries(Object.entries(annotations).filter(([key]) => !NOT_COPIED.has(key))),
      ownerReferences: [controllerReference(endpointsResource, endpoints)],
    },
  };
}
