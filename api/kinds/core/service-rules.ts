/** Defaults of Services, and their preparation for create and update. Addresses and ports are allocated by the api-server. */
import { DEFAULT_AFFINITY_SECONDS } from '../../domain/session-affinity.ts';
import type { Service, ServicePort, ServiceSpec } from '../../types/core/v1.gen.ts';

const NONE = 'None';

export const needsClusterIP = ({ type }: ServiceSpec): boolean => type !== 'ExternalName';
/** Whether its ports may have node ports. Those that it asks for are its own even where it gets no others. */
export const mayHaveNodePorts = ({ type }: ServiceSpec): boolean => type === 'NodePort' || type === 'LoadBalancer';
/** Whether each port that asks for no node port gets one. */
export const allocatesNodePorts = (spec: ServiceSpec): boolean =>
  mayHaveNodePorts(spec) && (spec.type === 'NodePort' || spec.allocateLoadBalancerNodePorts !== false);
export const needsHealthCheckPort = ({ type, externalTrafficPolicy }: ServiceSpec): boolean =>
  type === 'LoadBalancer' && externalTrafficPolicy === 'Local';
export const isHeadless = ({ clusterIP, clusterIPs }: ServiceSpec): boolean => (clusterIPs?.[0] ?? clusterIP) === NONE;
/** Whether it accepts traffic from outside the cluster. */
export const isExternallyAccessible = ({ type, externalIPs }: ServiceSpec): boolean =>
  type === 'LoadBalancer' || type === 'NodePort' || (type === 'ClusterIP' && Boolean(externalIPs?.length));

export function applyServiceDefaults({ spec, status }: Service): void {
  for (const ingress of status?.loadBalancer?.ingress ?? []) if (ingress.ip) ingress.ipMode ??= 'VIP';
  if (!spec) return;
  spec.sessionAffinity ||= 'None';
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig;
  if (spec.sessionAffinity === 'ClientIP') {
    const { clientIP } = spec.sessionAffinityConfig ?? {};
    if (clientIP?.timeoutSeconds === undefined) {
      spec.sessionAffinityConfig = { clientIP: { timeoutSeconds: DEFAULT_AFFINITY_SECONDS } };
    }
  }
  spec.type ||= 'ClusterIP';
  for (const port of spec.ports ?? []) {
    port.protocol ||= 'TCP';
    if (!port.targetPort) port.targetPort = port.port;
  }
  if (isExternallyAccessible(spec)) spec.externalTrafficPolicy ||= 'Cluster';
  if (needsClusterIP(spec)) spec.internalTrafficPolicy ??= 'Cluster';
  if (spec.type === 'LoadBalancer') spec.allocateLoadBalancerNodePorts ??= true;
}

/** `clusterIP` is the first of `clusterIPs`; clients that only know the former need not set the latter. */
function normalizeClusterIPs(spec: ServiceSpec, old: ServiceSpec | undefined): void {
  if (!spec.clusterIPs?.length) {
    if (spec.clusterIP) spec.clusterIPs = [spec.clusterIP];
    return;
  }
  if (!old || spec.clusterIP === old.clusterIP) return;
  const same = spec.clusterIPs.join() === old.clusterIPs?.join();
  if (!same) return;
  if (!spec.clusterIP) delete spec.clusterIPs;
  else spec.clusterIPs = [spec.clusterIP, ...spec.clusterIPs.slice(1)];
}

const portKey = ({ protocol, port }: ServicePort): string => `${protocol}/${port}`;

/** Allocations that an update leaves out are kept. */
function keepAllocations(spec: ServiceSpec, old: ServiceSpec): void {
  if (needsClusterIP(old) && needsClusterIP(spec)) {
    if (!spec.clusterIP) spec.clusterIP = old.clusterIP;
    if (!spec.clusterIPs?.length && spec.clusterIP === old.clusterIP) spec.clusterIPs = old.clusterIPs;
  }
  if (allocatesNodePorts(old) && allocatesNodePorts(spec)) {
    const known = new Map(old.ports?.map((port) => [portKey(port), port.nodePort]));
    const used = new Set(spec.ports?.map((port) => `${port.protocol}/${port.nodePort ?? 0}`));
    for (const port of spec.ports ?? []) {
      const before = known.get(portKey(port));
      if (!port.nodePort && before && !used.has(`${port.protocol}/${before}`)) port.nodePort = before;
    }
  }
  if (needsHealthCheckPort(old) && needsHealthCheckPort(spec) && !spec.healthCheckNodePort) {
    spec.healthCheckNodePort = old.healthCheckNodePort;
  }
}

const nodePortsOf = ({ ports }: ServiceSpec): string =>
  (ports ?? [])
    .map(({ nodePort }) => nodePort ?? 0)
    .sort((a, b) => a - b)
    .join();

/** Drops fields that only the old type uses, unless the client changed them. */
function dropTypeDependentFields(spec: ServiceSpec, old: ServiceSpec): void {
  if (needsClusterIP(old) && !needsClusterIP(spec)) {
    if (spec.clusterIPs?.join() === old.clusterIPs?.join()) {
      delete spec.clusterIP;
      delete spec.clusterIPs;
    }
    if (spec.ipFamilies?.join() === old.ipFamilies?.join()) delete spec.ipFamilies;
    if (spec.ipFamilyPolicy === old.ipFamilyPolicy) delete spec.ipFamilyPolicy;
  }
  if (mayHaveNodePorts(old) && !mayHaveNodePorts(spec) && nodePortsOf(spec) === nodePortsOf(old)) {
    for (const port of spec.ports ?? []) delete port.nodePort;
  }
  if (
    needsHealthCheckPort(old) &&
    !needsHealthCheckPort(spec) &&
    spec.healthCheckNodePort === old.healthCheckNodePort
  ) {
    delete spec.healthCheckNodePort;
  }
  if (old.type === 'LoadBalancer' && spec.type !== 'LoadBalancer') {
    if (spec.allocateLoadBalancerNodePorts === old.allocateLoadBalancerNodePorts) {
      delete spec.allocateLoadBalancerNodePorts;
    }
    if (spec.loadBalancerClass === old.loadBalancerClass) delete spec.loadBalancerClass;
  }
  const lost = isExternallyAccessible(old) && !isExternallyAccessible(spec);
  if (lost && spec.externalTrafficPolicy === old.externalTrafficPolicy) delete spec.externalTrafficPolicy;
  if (needsClusterIP(old) && !needsClusterIP(spec) && spec.internalTrafficPolicy === old.internalTrafficPolicy) {
    delete spec.internalTrafficPolicy;
  }
}

/** Drops the load balancer's status when the type changes. */
const dropLoadBalancer = ({ spec, status }: Service): Service['status'] =>
  spec?.type === 'LoadBalancer' || !status?.loadBalancer?.ingress ? status : { ...status, loadBalancer: {} };

export function prepareServiceForCreate(service: Service): void {
  service.status = { loadBalancer: {} };
  if (service.spec) normalizeClusterIPs(service.spec, undefined);
}

export function prepareServiceForUpdate(service: Service, old: Service): void {
  service.status = old.status;
  if (!service.spec || !old.spec) return;
  keepAllocations(service.spec, old.spec);
  normalizeClusterIPs(service.spec, old.spec);
  dropTypeDependentFields(service.spec, old.spec);
  service.status = dropLoadBalancer(service);
}
