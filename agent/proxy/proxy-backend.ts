/** What a way of telling the kernel of Services (iptables, nftables, IPVS) has to do. */
import type { Cidr } from '../../api/domain/address.ts';
import type { ServiceEntry } from './service-table.ts';

export interface ProxyChanges {
  /** By `namespace/name`; undefined for a Service that has gone. */
  readonly services: ReadonlyMap<string, ServiceEntry | undefined>;
  /** The range out of which Services get their addresses, where it is known. */
  readonly serviceRange: Cidr | undefined;
}

export interface SyncResult {
  /** Whether the kernel had to be told anything. */
  readonly wrote: boolean;
  /** Services that are left out of the rules because the kernel refuses theirs: key -> why. All others are in force. */
  readonly refused: ReadonlyMap<string, string>;
}

export interface ProxyBackend {
  /**
   * Brings the kernel from what the calls before asked for to what this one asks for. No Service can keep another out. Throws
   * when the kernel cannot be told at all; the changes are kept then, and the next call writes everything.
   */
  sync(changes: ProxyChanges): Promise<SyncResult>;
  /** Whether the kernel still has what was written; otherwise the next `sync` writes all of it anew. */
  verify(): Promise<boolean>;
  /** Takes everything out of the kernel. */
  remove(): Promise<void>;
}
