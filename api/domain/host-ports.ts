/** The host ports of a pod: scheduler and agent decide with them whether two pods can run on the same node. */
import { isSidecar } from './pod-lifecycle.ts';
import type { PodSpec } from '../types/core/v1.gen.ts';

export interface HostPort {
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
}

const ALL_ADDRESSES = '0.0.0.0';
/** Shared: most pods use none. */
const NONE: readonly HostPort[] = Object.freeze([]);

export function hostPorts({ containers, initContainers = [] }: PodSpec): readonly HostPort[] {
  const sidecars = initContainers.filter(isSidecar);
  const ports = [...containers, ...sidecars].flatMap(({ ports = [] }) =>
    ports.flatMap(({ hostPort, hostIP, protocol = 'TCP' }) =>
      hostPort ? [{ ip: hostIP || ALL_ADDRESSES, protocol, port: hostPort }] : [],
    ),
  );
  return ports.length > 0 ? ports : NONE;
}

/** Whether two use the same port and protocol on the same address, or one of them on all addresses. */
export const hostPortsConflict = (a: HostPort, b: HostPort): boolean =>
  a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || a.ip === ALL_ADDRESSES || b.ip === ALL_ADDRESSES);
