/** What IPVS needs of this host: its programs, its addresses, and whether its kernel has it at all. */
import { IpAddress, type IpFamily } from '../../../../../api/domain/address.ts';
import { HostError } from '../../../../host/host-error.ts';
import { hostAddresses } from '../../../../host/link-addresses.ts';
import { isProgramMissing, ProgramError, run } from '../../../../host/run.ts';
import { checkTable } from '../../../netfilter/nft-table/owned-table.ts';
import type { Nft } from '../../../netfilter/nft.ts';
import type { Cidr } from '../../../../../api/domain/address.ts';
import type { IpvsScheduler } from './ipvs-scheduler.ts';
import { Ipvsadm } from './ipvsadm.ts';
import { probeUnit, tableLayout } from './layout.ts';
import { ServiceAddresses } from './service-addresses.ts';

export interface IpvsSettings {
  readonly scheduler: IpvsScheduler;
  /** Whether a link answers ARP for its own addresses only: without, it answers for those of Services. */
  readonly strictArp: boolean;
}

export interface IpvsHost extends IpvsSettings {
  readonly ipvsadm: Ipvsadm;
  readonly serviceAddresses: ServiceAddresses;
  /** Those that the host is reached at, besides those of Services. Throws ProgramError. */
  readonly hostAddresses: () => Promise<readonly IpAddress[]>;
  /** Those at which other nodes are reached, as far as they are known. */
  readonly otherNodes: () => readonly IpAddress[];
}

export const DEFAULT_IPVS: IpvsSettings = { scheduler: 'rr', strictArp: true };

export const ipvsHost = (
  family: IpFamily,
  settings: IpvsSettings,
  signal: AbortSignal,
  otherNodes: IpvsHost['otherNodes'] = () => [],
): IpvsHost => ({
  ...settings,
  otherNodes: () => otherNodes().filter((address) => address.family === family),
  ipvsadm: new Ipvsadm(signal),
  serviceAddresses: new ServiceAddresses(family, signal),
  hostAddresses: async () => (await hostAddresses(family, signal)).flatMap((text) => IpAddress.parse(text) ?? []),
});

/** A mark that no packet has. */
const PROBE = '-f 4294967295';

/**
 * Loads what the kernel has as modules. Throws a HostError that says what the host lacks.
 * https://kubernetes.io/docs/reference/networking/virtual-ips/#proxy-mode-ipvs
 */
export async function requireIpvs(
  { ipvsadm, scheduler }: Pick<IpvsHost, 'ipvsadm' | 'scheduler'>,
  { clusterCidr, nft }: { readonly clusterCidr: Cidr; readonly nft: Nft },
): Promise<void> {
  const { family } = clusterCidr;
  try {
    if (!(await ipvsadm.isLoaded())) await run('modprobe', ['--', 'ip_vs']);
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
    throw new HostError('proxy-mode ipvs: this kernel has no ip_vs; choose nftables or iptables', { cause: error });
  }
  try {
    await ipvsadm.restore([`-A ${PROBE} -s ${scheduler}`, `-D ${PROBE}`]);
  } catch (error) {
    const what = isProgramMissing(error)
      ? 'this host has no ipvsadm; install it'
      : `the kernel rejects a virtual server with scheduler ${scheduler}`;
    throw new HostError(`proxy-mode ipvs: ${what}`, { cause: error });
  }
  try {
    await checkTable(
      nft,
      tableLayout(family, () => ({ cluster: clusterCidr, services: undefined })),
      probeUnit(family),
    );
  } catch (error) {
    throw new HostError('proxy-mode ipvs: nftables is unavailable on this host', { cause: error });
  }
}
