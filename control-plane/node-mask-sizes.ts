/** How large the parts of the pods' ranges are that nodes get. */
import type { IpFamily } from '../api/domain/address.ts';

/** Settings of the server, under upstream's names; 0 for what is not set. */
export interface NodeMaskSettings {
  /** Of the only range. */
  readonly nodeCidrMaskSize: number;
  readonly nodeCidrMaskSizeIpv4: number;
  readonly nodeCidrMaskSizeIpv6: number;
}

export const DEFAULT_NODE_MASKS: Readonly<Record<IpFamily, number>> = { IPv4: 24, IPv6: 64 };

/** The prefix length of a node's part of the pod range of each family. */
export const nodeMaskSizes = ({
  nodeCidrMaskSize,
  nodeCidrMaskSizeIpv4,
  nodeCidrMaskSizeIpv6,
}: NodeMaskSettings): Readonly<Record<IpFamily, number>> => ({
  IPv4: nodeCidrMaskSizeIpv4 || nodeCidrMaskSize || DEFAULT_NODE_MASKS.IPv4,
  IPv6: nodeCidrMaskSizeIpv6 || nodeCidrMaskSize || DEFAULT_NODE_MASKS.IPv6,
});
