/** Where the backend of a rule leads: the endpoints of a port of a Service. Pure. */
import { IpAddress } from '../../../api/domain/address.ts';
import { validateSubdomainName } from '../../../api/machinery/names.ts';
import type { IngressBackend } from '../../../api/types/networking/v1.gen.ts';
import type { ClusterView, ServiceFacts, ServicePortFacts, SliceFacts } from './cluster-view.ts';
import type { ProblemReason } from './model.ts';

export interface Target {
  readonly service: string;
  /** As the rule has it: a name or a number. */
  readonly port: string;
  readonly endpoints: readonly string[];
  readonly problem?: { readonly reason: ProblemReason; readonly message: string };
}

export interface TargetOptions {
  readonly allowExternalNames: boolean;
  /** The cluster IP instead of the endpoints. */
  readonly useClusterIP: boolean;
}

const MAX_PORT = 65_535;
/** Of more endpoints of a port, the first are used. */
const MAX_ENDPOINTS = 2_000;

/** An address as the proxy's configuration has it; undefined for what is none, or none of an endpoint. */
export function socketAddress(text: string, port: number): string | undefined {
  const address = IpAddress.parse(text);
  if (!address || address.isUnspecified || address.isLoopback || address.isMulticast) return undefined;
  if (!Number.isInteger(port) || port < 1 || port > MAX_PORT) return undefined;
  return address.family === 'IPv6' ? `[${address.text}]:${port}` : `${address.text}:${port}`;
}

/** Never throws: what is wrong is in `problem`, and there are no endpoints then. */
export function findTarget(
  view: ClusterView,
  namespace: string,
  { service: reference, resource }: IngressBackend,
  options: TargetOptions,
): Target {
  const name = reference?.name ?? '';
  const { name: portName = '', number: portNumber = 0 } = reference?.port ?? {};
  const port = portName || String(portNumber);
  const without = (reason: ProblemReason, message: string): Target => ({
    ...{ service: name, port, endpoints: [] },
    problem: { reason, message },
  });
  if (resource) return without('BackendRefused', `backends of kind ${resource.kind} are not supported: name a Service`);
  const service = view.service(namespace, name);
  if (!service) return without('ServiceNotFound', `Service ${namespace}/${name} does not exist`);
  const found = service.ports.find((each) => (portName ? each.name === portName : each.port === portNumber));
  if (service.type === 'ExternalName') {
    if (!options.allowExternalNames)
      return without(
        'BackendRefused',
        `Service ${namespace}/${name} is of type ExternalName, which the controller is not set to serve`,
      );
    return external(service, name, port, found?.targetPort ?? found?.port ?? portNumber, without);
  }
  if (!found) return without('ServiceNotFound', `Service ${namespace}/${name} has no port ${port}`);
  if (options.useClusterIP && service.clusterIP) {
    const address = socketAddress(service.clusterIP, found.port);
    if (address) return { service: name, port, endpoints: [address] };
  }
  return { service: name, port, endpoints: endpointsOf(view.slices(namespace, name), found) };
}

function external(
  { externalName = '' }: ServiceFacts,
  service: string,
  port: string,
  number: number,
  without: (reason: ProblemReason, message: string) => Target,
): Target {
  const isAddress = IpAddress.parse(externalName) !== undefined;
  if (isAddress || validateSubdomainName(externalName).length > 0 || !(number >= 1 && number <= MAX_PORT))
    return without('BackendRefused', `externalName ${JSON.stringify(externalName)} is not a DNS name with a port`);
  return { service, port, endpoints: [`${externalName}:${number}`] };
}

/** Ready endpoints, or those that still serve while they terminate when there are no others. */
export function endpointsOf(slices: readonly SliceFacts[], { name }: ServicePortFacts): readonly string[] {
  const ready = new Set<string>();
  const terminating = new Set<string>();
  for (const { ports, endpoints } of slices) {
    const port = ports.get(name);
    if (port === undefined) continue;
    for (const endpoint of endpoints) {
      const chosen = endpoint.ready ? ready : endpoint.serving && endpoint.terminating ? terminating : undefined;
      const address = socketAddress(endpoint.addresses[0] ?? '', port);
      if (chosen && address) chosen.add(address);
    }
  }
  return [...(ready.size > 0 ? ready : terminating)].sort().slice(0, MAX_ENDPOINTS);
}
