/** What `pods/proxy`, `services/proxy` and `nodes/proxy` lead to. */
import { parsePortNumber } from '../../../api/domain/port-number.ts';
import { pods } from '../../../api/kinds/core/pod.ts';
import { services } from '../../../api/kinds/core/service.ts';
import { endpointSlices, SERVICE_NAME_LABEL } from '../../../api/kinds/discovery/endpoint-slice.ts';
import { nodes } from '../../../api/kinds/core/node.ts';
import { badRequest, notFound, serviceUnavailable } from '../../../api/machinery/status-error.ts';
import type { LookupFunction } from 'node:net';
import type { RequestInfo } from '../http/request-info.ts';
import type { Backend } from './backend.ts';
import type { NodeBackends } from './node-backend.ts';
import type { ReadApi } from '../verbs/handlers.ts';
import { proxyableAddress, proxyableHost } from './proxyable.ts';
import type { Service } from '../../../api/types/core/v1.gen.ts';
import type { Endpoint } from '../../../api/types/discovery/v1.gen.ts';

/** `NAME`, `NAME:PORT` or `SCHEME:NAME:PORT`. */
export interface ProxyName {
  readonly scheme: 'http' | 'https';
  readonly name: string;
  readonly port: string;
}

function parseProxyName(text: string, resource: string): ProxyName {
  const parts = text.split(':');
  const [scheme = '', name = '', port = ''] = parts.length === 3 ? parts : ['', ...parts];
  if (parts.length > 3 || name === '' || !['', 'http', 'https'].includes(scheme))
    throw badRequest(`invalid ${resource} request ${JSON.stringify(text)}`);
  return { scheme: scheme === 'https' ? 'https' : 'http', name, port };
}

function portNumber(text: string): number {
  if (text === '') return 0;
  const port = parsePortNumber(text);
  if (port === undefined) throw badRequest(`invalid port ${JSON.stringify(text)}`);
  return port;
}

/** Certificates are not verified, as upstream: those of pods are not of the cluster's CA. */
const unverified = (backend: Omit<Backend, 'tls'>): Backend => ({ ...backend, tls: { rejectUnauthorized: false } });

export function podBackend(api: ReadApi, info: RequestInfo): Backend {
  const { scheme, name, port } = parseProxyName(info.name, 'pod');
  const pod = api.get(pods, info.namespace, name);
  if (pod === undefined) throw notFound(pods, name);
  const first = pod.spec?.containers?.flatMap((container) => container.ports ?? [])[0]?.containerPort;
  const host = proxyableAddress(pod.status?.podIPs?.[0]?.ip ?? pod.status?.podIP ?? '');
  return unverified({ scheme, host, port: port === '' ? (first ?? 0) : portNumber(port) });
}

/** The endpoint's first address, where it is one of the pod that it names: slices may say anything. */
function podAddress(api: ReadApi, namespace: string, { addresses, targetRef }: Endpoint): string | undefined {
  if (targetRef?.namespace !== namespace) return undefined;
  const { podIPs = [] } = api.get(pods, namespace, targetRef.name ?? '')?.status ?? {};
  const [address] = addresses;
  return podIPs.some(({ ip }) => ip === address) ? address : undefined;
}

/** One of the ready endpoints of a service's port, at random, of its first IP family: the one that this server's host has. */
function endpointOf(api: ReadApi, service: Service, portName: string): { host: string; port: number } {
  const { namespace = '', name = '' } = service.metadata ?? {};
  const family = service.spec?.ipFamilies?.[0];
  const reachable = api
    .list(endpointSlices, namespace)
    .filter(
      ({ metadata, addressType }) =>
        metadata?.labels?.[SERVICE_NAME_LABEL] === name && (family ? addressType === family : addressType !== 'FQDN'),
    )
    .flatMap(({ ports, endpoints }) =>
      (ports ?? [])
        .filter((candidate) => (candidate.name ?? '') === portName && candidate.port)
        .flatMap((candidate) =>
          (endpoints ?? [])
            .filter((endpoint) => endpoint.conditions?.ready !== false)
            .flatMap((endpoint) => podAddress(api, namespace, endpoint) ?? [])
            .map((host) => ({ host, port: candidate.port ?? 0 })),
        ),
    );
  const chosen = reachable[Math.floor(Math.random() * reachable.length)];
  if (chosen === undefined) throw serviceUnavailable(`no endpoints available for service ${JSON.stringify(name)}`);
  return { host: proxyableAddress(chosen.host), port: chosen.port };
}

export function serviceBackend(api: ReadApi, info: RequestInfo): Backend {
  const { scheme, name, port } = parseProxyName(info.name, 'service');
  const service = api.get(services, info.namespace, name);
  if (service === undefined) throw notFound(services, name);
  let portName = port;
  if (/^\d+$/.test(port)) {
    const found = service.spec?.ports?.find((candidate) => candidate.port === Number(port));
    if (found === undefined)
      throw serviceUnavailable(`no service port ${port} found for service ${JSON.stringify(name)}`);
    portName = found.name ?? '';
  }
  return unverified({ scheme, ...endpointOf(api, service, portName) });
}

/**
 * Where webhooks and aggregated APIs of a service are reached: at an endpoint, as upstream with `--enable-aggregator-routing`, since
 * this host need not have rules for cluster IPs. Throws a StatusError: 404 without the service, 503 without such a port or endpoint.
 */
export function serviceAddress(
  api: ReadApi,
  namespace: string,
  name: string,
  port: number,
): { host: string; port: number; lookup?: LookupFunction | undefined } {
  const service = api.get(services, namespace, name);
  if (service === undefined) throw notFound(services, name);
  const { type, externalName = '', ports = [] } = service.spec ?? {};
  if (type === 'ExternalName') return { ...proxyableHost(externalName), port };
  const found = ports.find((candidate) => candidate.port === port);
  if (found === undefined)
    throw serviceUnavailable(`no service port ${port} found for service ${JSON.stringify(name)}`);
  return endpointOf(api, service, found.name ?? '');
}

/** The node's own API with the api-server's certificate, or any other port of the node without it. */
export function nodeBackend(api: ReadApi, backends: NodeBackends, info: RequestInfo): Backend {
  const { scheme, name, port } = parseProxyName(info.name, 'node');
  const node = api.get(nodes, '', name);
  if (node === undefined) throw notFound(nodes, name);
  const backend = backends.find(name);
  const { host, lookup } = proxyableHost(backend.host);
  // A kept connection was not looked up under this rule.
  const checked = lookup ? { ...backend, host, lookup, agent: undefined } : { ...backend, host };
  if (port === '' || portNumber(port) === backend.port) return checked;
  return unverified({ scheme, host, lookup, port: portNumber(port) });
}
