/** The Endpoints object of a Service: the same addresses as in its EndpointSlices, in the older shape. */
import { isIPv6 } from 'node:net';
import { compareText } from '../../../api/machinery/compare-text.ts';
import { HEADLESS_LABEL } from '../../../api/kinds/discovery/endpoint-slice.ts';
import { isTerminated, type PodView } from '../caches/pod-view.ts';
import { resolveTargetPort } from './endpoint-slice-plan.ts';
import type {
  EndpointAddress,
  EndpointPort,
  EndpointSubset,
  Endpoints,
  Service,
} from '../../../api/types/core/v1.gen.ts';

export const ENDPOINTS_MANAGED_BY = 'endpoints.kubernetes.io/managed-by';
const OVER_CAPACITY = 'endpoints.kubernetes.io/over-capacity';
/** More addresses are cut off, and an annotation says so. */
const MAX_ADDRESSES = 1000;

/** Undefined for Services whose endpoints are not this controller's to keep. */
export function desiredEndpoints(service: Service, pods: readonly PodView[]): Endpoints | undefined {
  const { metadata, spec } = service;
  if (!spec?.selector || spec.type === 'ExternalName' || metadata?.deletionTimestamp) return undefined;
  const { subsets, isTruncated } = truncated(subsetsOf(service, pods));
  return {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: {
      namespace: metadata?.namespace,
      name: metadata?.name,
      labels: {
        ...metadata?.labels,
        [ENDPOINTS_MANAGED_BY]: 'endpoint-controller',
        ...(spec.clusterIP === 'None' && { [HEADLESS_LABEL]: '' }),
      },
      ...(isTruncated && { annotations: { [OVER_CAPACITY]: 'truncated' } }),
    },
    subsets,
  };
}

function subsetsOf(service: Service, pods: readonly PodView[]): EndpointSubset[] {
  const { spec, metadata } = service;
  const wantsIPv6 = spec?.ipFamilies?.[0] === 'IPv6';
  /** By address, the ports on which it is ready or not. */
  const byPorts = new Map<string, { ports: EndpointPort[]; ready: EndpointAddress[]; notReady: EndpointAddress[] }>();
  for (const pod of pods) {
    const ip = pod.ips.find((each) => isIPv6(each) === wantsIPv6);
    if (ip === undefined || isTerminated(pod)) continue;
    if (pod.deleting && !spec?.publishNotReadyAddresses) continue;
    const ports = (spec?.ports ?? []).flatMap((servicePort): EndpointPort[] => {
      const port = resolveTargetPort(servicePort, pod);
      if (port === undefined) return [];
      const { name, protocol = 'TCP', appProtocol } = servicePort;
      return [{ ...(name && { name }), port, protocol, ...(appProtocol && { appProtocol }) }];
    });
    if (ports.length === 0 && (spec?.ports?.length ?? 0) > 0) continue;
    const { namespace, name, uid, nodeName, hostname, subdomain } = pod;
    const isNamed = hostname !== '' && subdomain === metadata?.name;
    const address: EndpointAddress = {
      ip,
      ...(isNamed && { hostname }),
      ...(nodeName && { nodeName }),
      targetRef: { kind: 'Pod', namespace, name, uid },
    };
    const sorted = ports.sort((a, b) => compareText(`${a.name ?? ''}/${a.port}`, `${b.name ?? ''}/${b.port}`));
    const key = JSON.stringify(sorted);
    const subset = byPorts.get(key) ?? { ports: sorted, ready: [], notReady: [] };
    byPorts.set(key, subset);
    if (pod.ready || spec?.publishNotReadyAddresses) subset.ready.push(address);
    else subset.notReady.push(address);
  }
  return [...byPorts.entries()]
    .sort(([a], [b]) => compareText(a, b))
    .map(([, { ports, ready, notReady }]) => ({
      ...(ready.length > 0 && { addresses: ready.sort(byIp) }),
      ...(notReady.length > 0 && { notReadyAddresses: notReady.sort(byIp) }),
      ...(ports.length > 0 && { ports }),
    }));
}

const byIp = (a: EndpointAddress, b: EndpointAddress): number => compareText(a.ip, b.ip);

/** Ready addresses go before those that are not. */
function truncated(subsets: EndpointSubset[]): { subsets: EndpointSubset[]; isTruncated: boolean } {
  const count = subsets.reduce(
    (sum, { addresses = [], notReadyAddresses = [] }) => sum + addresses.length + notReadyAddresses.length,
    0,
  );
  if (count <= MAX_ADDRESSES) return { subsets, isTruncated: false };
  let room = MAX_ADDRESSES;
  const take = (addresses: EndpointAddress[] | undefined): EndpointAddress[] | undefined => {
    const taken = addresses?.slice(0, room);
    room -= taken?.length ?? 0;
    return taken?.length ? taken : undefined;
  };
  const ready = subsets.map(({ addresses }) => take(addresses));
  const cut = subsets.map(({ notReadyAddresses, ports }, index) => {
    const addresses = ready[index];
    const others = take(notReadyAddresses);
    return { ...(addresses && { addresses }), ...(others && { notReadyAddresses: others }), ...(ports && { ports }) };
  });
  return { subsets: cut, isTruncated: true };
}
