import type { IpAddress } from '../../../../api/domain/address.ts';
import type { IPAddress } from '../../../../api/types/networking/v1.gen.ts';
import type { Owner } from './allocation-index.ts';

/** Labels by which upstream's allocator identifies its objects. */
const MANAGED_BY = 'ipaddress.kubernetes.io/managed-by';
const FAMILY = 'ipaddress.kubernetes.io/ip-family';
const ALLOCATOR = 'ipallocator.k8s.io';

/** The object of an address that is allocated to a Service: its name is the address in canonical form. */
export const allocatedAddress = ({ text, family }: IpAddress, { namespace, name }: Owner): IPAddress => ({
  metadata: { name: text, labels: { [FAMILY]: family, [MANAGED_BY]: ALLOCATOR } },
  spec: { parentRef: { group: '', resource: 'services', namespace, name } },
});

/** Whether the object was created by an allocator of cluster IPs, this one or upstream's. */
export const isAllocated = ({ metadata }: IPAddress): boolean => metadata?.labels?.[MANAGED_BY] === ALLOCATOR;
