import type { IPAddress } from '../../../../api/types/networking/v1.gen.ts';
import type { Owner } from './allocation-index.ts';

/** Labels by which upstream's allocator identifies its objects. */
const MANAGED_BY = 'ipaddress.kubernetes.io/managed-by';
const FAMILY = 'ipaddress.kubernetes.io/ip-family';
const ALLOCATOR = 'ipallocator.k8s.io';

/** The object of an IPv4 address that is allocated to a Service. */
export const allocatedAddress = (ip: string, { namespace, name }: Owner): IPAddress => ({
  metadata: { name: ip, labels: { [FAMILY]: 'IPv4', [MANAGED_BY]: ALLOCATOR } },
  spec: { parentRef: { group: '', resource: 'services', namespace, name } },
});

/** Whether the object was created by an allocator of cluster IPs, this one or upstream's. */
export const isAllocated = ({ metadata }: IPAddress): boolean => metadata?.labels?.[MANAGED_BY] === ALLOCATOR;
