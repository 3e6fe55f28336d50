/**
 * The contract of a proxy mode: how the Services of one IP family are programmed into the kernel. Every backend has to pass
 * `test/support/proxy-backend-contract.ts`.
 */
import type { Cidr, IpFamily } from '../../../../api/domain/address.ts';
import type { WatchedChain } from '../../netfilter/rule-watch.ts';
import type { Sysctl } from '../kernel-tuning.ts';
import type { ServiceEntry } from '../model/service-entry.ts';

export interface ProxyChanges {
  /** By `namespace/name`; undefined for a Service that is gone. All are of the backend's family. */
  readonly services: ReadonlyMap<string, ServiceEntry | undefined>;
  /** The range that Services get their addresses from, where it is known. */
  readonly serviceRange: Cidr | undefined;
}

export interface SyncResult {
  /** Whether the kernel had to be changed. */
  readonly wrote: boolean;
  /** Services that are left out because the kernel rejects their rules: key -> why. All others are in force. */
  readonly rejected: ReadonlyMap<string, Error>;
}

/** Rules of iptables, by table. */
export interface RuleCounts {
  readonly total: Readonly<Record<string, number>>;
  /** By the transaction that was the last. */
  readonly last: Readonly<Record<string, number>>;
}

export interface ProxyBackend {
  readonly family: IpFamily;
  /** Settings that have to be made before the rules are written. */
  readonly prerequisites?: readonly Sysctl[];
  /** Settings that the rules need, made each time after they were found missing and have been written. */
  readonly sysctls: readonly Sysctl[];
  /** When these lose rules, another program may have removed what was written. */
  readonly watched: readonly WatchedChain[];
  /**
   * Brings the kernel from what the calls before asked for to what this one asks for. No Service can keep another out. Throws
   * when the kernel cannot be changed at all; the changes are kept then, and the next call makes them.
   */
  sync(changes: ProxyChanges): Promise<SyncResult>;
  /** What is counted where the mode has rules of iptables. */
  ruleCounts?(): RuleCounts;
  /** Whether the kernel still has what was written; otherwise the next `sync` restores it. Throws when the kernel cannot be read. */
  verify(): Promise<boolean>;
  /**
   * Another mode serves: removes what no open connection needs, and resolves to whether that was all. Without it, `remove` cuts no
   * connection.
   */
  retire?(): Promise<boolean>;
  /** Removes everything from the kernel, what earlier processes have written, too. */
  remove(): Promise<void>;
}
