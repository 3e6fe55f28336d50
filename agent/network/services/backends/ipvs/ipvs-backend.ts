/** Services as virtual servers of IPVS, each at addresses that the host has for it. */
import { release } from 'node:os';
import type { Cidr, IpAddress, IpFamily } from '../../../../../api/domain/address.ts';
import { isProgramMissing } from '../../../../host/run.ts';
import { OwnedTable, type TableLayout } from '../../../netfilter/nft-table/owned-table.ts';
import type { Netfilter } from '../../../netfilter/netfilter.ts';
import type { Nft } from '../../../netfilter/nft.ts';
import { OwnedUnits } from '../../../netfilter/owned-units.ts';
import type { WatchedChain } from '../../../netfilter/rule-watch.ts';
import type { Sysctl } from '../../kernel-tuning.ts';
import type { ServiceEntry } from '../../model/service-entry.ts';
import { compileServices } from '../compile-services.ts';
import { PodForwarding } from '../pod-forwarding.ts';
import type { ProxyBackend, ProxyChanges, SyncResult } from '../proxy-backend.ts';
import { compileService, type IpvsNode, type IpvsUnit } from './compile-service.ts';
import { IpvsDriver } from './ipvs-driver.ts';
import type { IpvsHost } from './ipvs-host.ts';
import { addressOf } from './ipvsadm.ts';
import { TABLES, tableLayout } from './layout.ts';
import type { ServerName } from './virtual-servers.ts';

export interface IpvsBackendOptions extends IpvsHost {
  /** Of the pods. */
  readonly clusterCidr: Cidr;
  readonly nft: Nft;
  /** For what iptables alone can say. */
  readonly netfilter: Netfilter;
  readonly compile?: (service: ServiceEntry, node: IpvsNode) => IpvsUnit;
}

const FORWARDING_CHAIN = 'KEDGE-IPVS-FORWARD';

export class IpvsBackend implements ProxyBackend {
  readonly family: IpFamily;
  readonly sysctls: readonly Sysctl[] = [];
  readonly prerequisites: readonly Sysctl[];
  readonly #options: IpvsBackendOptions;
  readonly #layout: TableLayout;
  readonly #table: OwnedTable;
  readonly #driver: IpvsDriver;
  readonly #units: OwnedUnits<IpvsUnit>;
  readonly #forwarding: PodForwarding;
  readonly #services = new Map<string, ServiceEntry>();
  #serviceRange: Cidr | undefined;
  /** The host's own, as the units have them; undefined before they were read. */
  #hostAddresses: readonly IpAddress[] | undefined;
  #otherNodes: readonly IpAddress[] = [];
  /** Settles when the last access that was asked for is over: accesses follow each other. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: IpvsBackendOptions) {
    const { clusterCidr, nft, netfilter, ipvsadm, serviceAddresses, strictArp } = options;
    this.#options = options;
    this.family = clusterCidr.family;
    this.prerequisites = prerequisites(strictArp, release());
    this.#forwarding = new PodForwarding(netfilter, clusterCidr, FORWARDING_CHAIN);
    this.#layout = tableLayout(this.family, () => ({ cluster: clusterCidr, services: this.#serviceRange }));
    this.#table = new OwnedTable(nft, this.#layout);
    this.#driver = new IpvsDriver({ family: this.family, table: this.#table, ipvsadm, addresses: serviceAddresses });
    this.#units = new OwnedUnits(this.#driver);
  }

  get watched(): readonly WatchedChain[] {
    const { family, name: table } = TABLES[this.family];
    const chains = this.#layout.chains().keys();
    return [...Array.from(chains, (chain) => ({ family, table, chain })), ...this.#forwarding.watched];
  }

  sync({ services, serviceRange }: ProxyChanges): Promise<SyncResult> {
    return this.#exclusive(async () => {
      this.#serviceRange = serviceRange;
      for (const [key, service] of services) {
        if (service) this.#services.set(key, service);
        else this.#services.delete(key);
      }
      // Node ports are at each address of the host.
      const otherNodes = this.#options.otherNodes();
      const isAnew = this.#hostAddresses === undefined || textOf(otherNodes) !== textOf(this.#otherNodes);
      const addresses = (this.#hostAddresses ??= await this.#options.hostAddresses());
      this.#otherNodes = otherNodes;
      const changed = isAnew ? new Map([...services, ...this.#services]) : services;
      const { units, invalid } = compileServices(changed, (service) => this.#compile(service, addresses));
      const { wrote, rejected } = await this.#units.apply(units);
      await this.#driver.releaseIdle();
      const forwards = await this.#forwarding.apply();
      return { wrote: wrote || forwards, rejected: new Map([...invalid, ...rejected]) };
    });
  }

  #compile(service: ServiceEntry, addresses: readonly IpAddress[]): IpvsUnit {
    const { clusterCidr, scheduler, compile = compileService } = this.#options;
    return compile(service, {
      cluster: clusterCidr,
      services: this.#serviceRange,
      scheduler,
      addresses,
      otherNodes: this.#otherNodes,
    });
  }

  verify(): Promise<boolean> {
    return this.#exclusive(async () => {
      const addresses = await this.#options.hostAddresses();
      const isSame =
        textOf(addresses) === textOf(this.#hostAddresses ?? []) &&
        textOf(this.#options.otherNodes()) === textOf(this.#otherNodes);
      if (!isSame) this.#hostAddresses = undefined;
      // All are asked: what is found missing is restored by the next call.
      const checks = [isSame, await this.#units.verify(), await this.#forwarding.verify()];
      if (!checks.every(Boolean)) return false;
      await this.#driver.releaseIdle();
      return true;
    });
  }

  remove(): Promise<void> {
    return this.#exclusive(async () => {
      const { ipvsadm, serviceAddresses } = this.#options;
      this.#units.forget();
      const addresses = await serviceAddresses.list();
      // Without the link, virtual servers are another program's.
      if (addresses !== undefined) {
        await serviceAddresses.remove(addresses);
        await ipvsadm.restore((await this.#serverNames()).map(removalLine));
        await serviceAddresses.removeLink();
      }
      await this.#table.remove();
      await this.#forwarding.remove();
    });
  }

  /**
   * Another mode serves: connections that are open stay until they end, as IPVS alone knows where they lead. New ones are led by
   * the other mode's rules before they would come here.
   */
  retire(): Promise<boolean> {
    return this.#exclusive(async () => {
      const { ipvsadm, serviceAddresses } = this.#options;
      this.#units.forget();
      await this.#table.remove();
      await this.#forwarding.remove();
      const addresses = await serviceAddresses.list();
      if (addresses === undefined) return true;
      const names = await this.#serverNames();
      const counts = names.length > 0 ? await ipvsadm.connections() : new Map<string, Map<string, number>>();
      const isIdle = (name: string): boolean => [...(counts.get(name)?.values() ?? [])].every((count) => count === 0);
      const busy = names.filter((name) => !isIdle(name));
      const needed = new Set(busy.map(addressOf));
      await serviceAddresses.remove([...addresses].filter((address) => !needed.has(address)));
      await ipvsadm.restore(names.filter(isIdle).map(removalLine));
      if (busy.length > 0) return false;
      await serviceAddresses.removeLink();
      return true;
    });
  }

  /** Those in the kernel, of the family. */
  async #serverNames(): Promise<readonly ServerName[]> {
    const { ipvsadm } = this.#options;
    if (!(await ipvsadm.isLoaded())) return [];
    try {
      return [...(await ipvsadm.save(this.family)).keys()];
    } catch (error) {
      // Without the program nobody has made any.
      if (!isProgramMissing(error)) throw error;
      return [];
    }
  }

  #exclusive<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#last.then(action);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

const removalLine = (name: ServerName): string => `-D ${name}`;
const textOf = (addresses: readonly IpAddress[]): string => addresses.map(({ text }) => text).join();

/** https://kubernetes.io/docs/reference/networking/virtual-ips/#proxy-mode-ipvs */
const OF_IPVS: readonly Sysctl[] = [
  {
    key: 'net.ipv4.vs.conntrack',
    value: '1',
    without: 'connections from outside of the pods to Services are not answered, and network policies drop all others',
  },
  {
    key: 'net.ipv4.vs.expire_nodest_conn',
    value: '1',
    without: 'clients of removed endpoints wait for their connections to time out',
  },
  {
    key: 'net.ipv4.vs.expire_quiescent_template',
    value: '1',
    without: 'clients with session affinity stay with endpoints that are gone',
  },
];
/** From 5.9 on, a connection whose client's port comes again is not delayed by a second. */
const REUSES_PORTS = [5, 9] as const;
const NO_REUSE: Sysctl = {
  key: 'net.ipv4.vs.conn_reuse_mode',
  value: '0',
  without: 'some connections are delayed by a second',
};
const STRICT_ARP: readonly Sysctl[] = [
  { key: 'net.ipv4.conf.all.arp_ignore', value: '1', without: 'links answer ARP for addresses of Services' },
  { key: 'net.ipv4.conf.all.arp_announce', value: '2', without: 'links announce addresses of Services' },
];

/** @param kernel as `uname -r` prints it */
function prerequisites(strictArp: boolean, kernel: string): readonly Sysctl[] {
  const [major = 0, minor = 0] = kernel.split(/\D/, 2).map(Number);
  const [sinceMajor, sinceMinor] = REUSES_PORTS;
  const isOld = major < sinceMajor || (major === sinceMajor && minor < sinceMinor);
  return [...OF_IPVS, ...(isOld ? [NO_REUSE] : []), ...(strictArp ? STRICT_ARP : [])];
}
