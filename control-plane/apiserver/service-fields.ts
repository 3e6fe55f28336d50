/** Which of a service's fields its type calls for, and what an update that leaves them out keeps. */
import type { Service } from '../../api/core/service.ts';

export const needsClusterIP = ({ spec }: Service): boolean => spec?.type !== 'ExternalName';

export const needsNodePorts = ({ spec }: Service): boolean =>
  spec?.type === 'NodePort' || (spec?.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false);

export const needsHealthCheckPort = ({ spec }: Service): boolean =>
  spec?.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';

/** Upstream's `patchAllocatedValues` and `dropTypeDependentFields`. */
export function carryOver(service: Service, old: Service): void {
  keepAllocated(service, old);
  dropForeign(service, old);
}

/** A PUT that leaves out what the server gave keeps it. */
function keepAllocated({ spec, ...rest }: Service, old: Service): void {
  const before = old.spec;
  const service = { ...rest, spec };
  if (!spec || !before) return;
  if (needsClusterIP(service) && needsClusterIP(old)) {
    if (!spec.clusterIP && !spec.clusterIPs?.length) {
      spec.clusterIP = before.clusterIP;
      spec.clusterIPs = before.clusterIPs;
    } else if (spec.clusterIP && !spec.clusterIPs?.length) {
      spec.clusterIPs = [spec.clusterIP];
    } else if (spec.clusterIP !== before.clusterIP && spec.clusterIPs?.[0] === before.clusterIP) {
      // Who knows only of the older field changes that one.
      spec.clusterIPs = spec.clusterIP ? [spec.clusterIP] : undefined;
    }
    spec.ipFamilies ??= before.ipFamilies;
    spec.ipFamilyPolicy ??= before.ipFamilyPolicy;
  }
  if (needsNodePorts(service) && needsNodePorts(old)) {
    const given = new Map(before.ports?.map((port) => [`${port.protocol}/${port.port}`, port.nodePort]));
    const used = new Set(spec.ports?.map(({ nodePort }) => nodePort));
    for (const port of spec.ports ?? []) {
      const nodePort = given.get(`${port.protocol}/${port.port}`);
      if (port.nodePort || !nodePort || used.has(nodePort)) continue;
      port.nodePort = nodePort;
      used.add(nodePort);
    }
  }
  if (needsHealthCheckPort(service) && needsHealthCheckPort(old)) {
    spec.healthCheckNodePort ||= before.healthCheckNodePort;
  }
}

/** Fields that came with the old type go with it, unless the client has changed them. */
function dropForeign(service: Service, old: Service): void {
  const { spec } = service;
  const before = old.spec;
  if (!spec || !before) return;
  if (needsClusterIP(old) && !needsClusterIP(service) && spec.clusterIP === before.clusterIP) {
    delete spec.clusterIP;
    delete spec.clusterIPs;
    delete spec.ipFamilies;
    delete spec.ipFamilyPolicy;
  }
  if (needsNodePorts(old) && !needsNodePorts(service)) {
    const given = new Set(before.ports?.map(({ nodePort }) => nodePort));
    for (const port of spec.ports ?? []) if (given.has(port.nodePort)) delete port.nodePort;
  }
  if (needsHealthCheckPort(old) && !needsHealthCheckPort(service)) {
    if (spec.healthCheckNodePort === before.healthCheckNodePort) delete spec.healthCheckNodePort;
  }
  if (before.type === 'LoadBalancer' && spec.type !== 'LoadBalancer') {
    if (spec.allocateLoadBalancerNodePorts === before.allocateLoadBalancerNodePorts) {
      delete spec.allocateLoadBalancerNodePorts;
    }
    if (spec.loadBalancerClass === before.loadBalancerClass) delete spec.loadBalancerClass;
  }
  const external = (type: string | undefined) => type === 'NodePort' || type === 'LoadBalancer';
  if (external(before.type) && !external(spec.type) && spec.externalTrafficPolicy === before.externalTrafficPolicy) {
    delete spec.externalTrafficPolicy;
  }
}
