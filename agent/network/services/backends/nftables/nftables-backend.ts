/** Services in a table of nftables of their own, of which each change writes the difference in one transaction. */
import type { Cidr, IpFamily } from '../../../../../api/domain/address.ts';
import type { Netfilter } from '../../../netfilter/netfilter.ts';
import type { Nft } from '../../../netfilter/nft.ts';
import { checkTable, OwnedTable } from '../../../netfilter/nft-table/owned-table.ts';
import type { TableUnit } from '../../../netfilter/nft-table/table-unit.ts';
import { OwnedUnits } from '../../../netfilter/owned-units.ts';
import type { WatchedChain } from '../../../netfilter/rule-watch.ts';
import type { Sysctl } from '../../kernel-tuning.ts';
import type { ServiceEntry } from '../../model/service-entry.ts';
import { LOOPBACK_NODE_PORTS } from '../loopback-node-ports.ts';
import { PodForwarding } from '../pod-forwarding.ts';
import { compileServices } from '../compile-services.ts';
import type { ProxyBackend, ProxyChanges, SyncResult } from '../proxy-backend.ts';
import { compileService } from './compile-service.ts';
import { fixedChains, layoutOf, TABLES } from './layout.ts';
import type { Ranges } from '../ranges.ts';

export interface NftablesBackendOptions {
  /** Of the pods. */
  readonly clusterCidr: Cidr;
  readonly nft: Nft;
  /** For what iptables alone can say. */
  readonly netfilter: Netfilter;
  readonly compile?: (service: ServiceEntry, ranges: Ranges) => TableUnit;
  /** How long the kernel keeps chains that elements of a map have led to; by its version when undefined. */
  readonly chainReleaseMs?: number;
}

export class NftablesBackend implements ProxyBackend {
  readonly family: IpFamily;
  readonly sysctls: readonly Sysctl[];
  readonly #clusterCidr: Cidr;
  readonly #compile: NonNullable<NftablesBackendOptions['compile']>;
  readonly #table: OwnedTable;
  readonly #units: OwnedUnits<TableUnit>;
  readonly #forwarding: PodForwarding;
  #serviceRange: Cidr | undefined;
  /** Settles when the last access that was asked for is over: accesses follow each other. */
  #last: Promise<unknown> = Promise.resolve();

  constructor({ clusterCidr, nft, netfilter, compile = compileService, chainReleaseMs }: NftablesBackendOptions) {
    this.family = clusterCidr.family;
    this.sysctls = LOOPBACK_NODE_PORTS[this.family];
    this.#clusterCidr = clusterCidr;
    this.#compile = compile;
    this.#forwarding = new PodForwarding(netfilter, clusterCidr);
    const layout = layoutOf(this.family, () => this.#ranges);
    this.#table = new OwnedTable(nft, layout, chainReleaseMs);
    this.#units = new OwnedUnits(this.#table);
  }

  get watched(): readonly WatchedChain[] {
    const { family, name: table } = TABLES[this.family];
    const chains = fixedChains(this.family, this.#ranges).keys();
    return [...Array.from(chains, (chain) => ({ family, table, chain })), ...this.#forwarding.watched];
  }

  get #ranges(): Ranges {
    return { cluster: this.#clusterCidr, services: this.#serviceRange };
  }

  sync({ services, serviceRange }: ProxyChanges): Promise<SyncResult> {
    return this.#exclusive(async () => {
      this.#serviceRange = serviceRange;
      const { units, invalid } = compileServices(services, (service) => this.#compile(service, this.#ranges));
      const { wrote, rejected } = await this.#units.apply(units);
      const forwards = await this.#forwarding.apply();
      return { wrote: wrote || forwards, rejected: new Map([...invalid, ...rejected]) };
    });
  }

  verify(): Promise<boolean> {
    return this.#exclusive(async () => {
      // Both are asked: what is found missing is restored by the next call.
      const checks = [await this.#units.verify(), await this.#forwarding.verify()];
      return checks.every(Boolean);
    });
  }

  remove(): Promise<void> {
    return this.#exclusive(async () => {
      this.#units.forget();
      await this.#table.remove();
      await this.#forwarding.remove();
    });
  }

  #exclusive<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#last.then(action);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

/** Throws ProgramError when this host has no nft(8), or its kernel or nft(8) lacks something that the rules need. */
export async function checkNftables({
  clusterCidr,
  nft,
}: Pick<NftablesBackendOptions, 'clusterCidr' | 'nft'>): Promise<void> {
  const { family } = clusterCidr;
  const layout = layoutOf(family, () => ({ cluster: clusterCidr, services: undefined }));
  await checkTable(nft, layout, probeUnit(family));
}

/** Something of everything that Services use. */
function probeUnit(family: IpFamily): TableUnit {
  const address = family === 'IPv4' ? '192.0.2.1' : '2001:db8::1';
  const tail = ` : ${address} . 80`;
  return {
    sets: new Map([
      [
        'affinity-probe',
        `set { type ${family === 'IPv4' ? 'ipv4_addr' : 'ipv6_addr'}; flags dynamic,timeout; timeout 1s; }`,
      ],
    ]),
    chains: new Map(),
    elements: [
      { container: 'endpoints-1', key: `${address} . tcp . 80 . 0`, tail },
      { container: 'nodeport-endpoints-1', key: 'tcp . 80 . 0', tail },
    ],
  };
}
