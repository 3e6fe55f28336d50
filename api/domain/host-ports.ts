/** The ports of its node that a pod takes, by which scheduler and node tell whether two pods can be on one node. */
import type { PodSpec } from '../types/core/v1.gen.ts';

export interface HostPort {
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
}

const ALL_ADDRESSES = '0.0.0.0';
/** Shared: most pods take none. */
const NONE: readonly HostPort[] = Object.freeze([]);

export function hostPorts({ containers, initContainers = [] }: PodSpec): readonly HostPort[] {
  const sidecars = initContainers.filter(({ restartPolicy }) => restartPolicy === 'Always');
  const ports = [...containers, ...sidecars].flatMap(({ ports = [] }) =>
    ports.flatMap(({ hostPort, hostIP, protocol = 'TCP' }) =>
      hostPort ? [{ ip: hostIP || ALL_ADDRESSES, protocol, port: hostPort }] : [],
    ),
  );
  return ports.length > 0 ? ports : NONE;
}

/** The same port and protocol on the same address, or on all addresses by either. */
export const clash = (a: HostPort, b: HostPort): boolean =>
  a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || a.ip === ALL_ADDRESSES || b.ip === ALL_ADDRESSES);
