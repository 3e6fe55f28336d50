/** Services as iptables rules, a unit for each Service in the tables that netfilter owns. */
import type { Cidr, IpFamily } from '../../../../../api/domain/address.ts';
import { isProgramMissing } from '../../../../host/run.ts';
import type { Netfilter, NetfilterOwner, RuleCounts } from '../../../netfilter/netfilter.ts';
import type { RuleUnit } from '../../../netfilter/rules.ts';
import type { WatchedChain } from '../../../netfilter/rule-watch.ts';
import type { Sysctl } from '../../kernel-tuning.ts';
import type { ServiceEntry } from '../../model/service-entry.ts';
import { LOOPBACK_NODE_PORTS } from '../loopback-node-ports.ts';
import { compileServices } from '../compile-services.ts';
import type { ProxyBackend, ProxyChanges, SyncResult } from '../proxy-backend.ts';
import { compileService } from './compile-service.ts';
import { frameChains, JUMPS, PREFIX } from './frame.ts';
import type { Ranges } from '../ranges.ts';

export interface IptablesBackendOptions {
  /** Of the pods, in the family of `netfilter`. */
  readonly clusterCidr: Cidr;
  readonly netfilter: Netfilter;
  readonly compile?: (service: ServiceEntry, ranges: Ranges) => RuleUnit;
}

export class IptablesBackend implements ProxyBackend {
  readonly family: IpFamily;
  readonly sysctls: readonly Sysctl[];
  readonly #owner: NetfilterOwner;
  readonly #clusterCidr: Cidr;
  readonly #compile: NonNullable<IptablesBackendOptions['compile']>;
  #serviceRange: Cidr | undefined;

  /** Throws when the range is of another family than the tables. */
  constructor({ clusterCidr, netfilter, compile = compileService }: IptablesBackendOptions) {
    if (clusterCidr.family !== netfilter.family)
      throw new Error(`${clusterCidr.text} is no range of ${netfilter.family}`);
    this.family = netfilter.family;
    this.sysctls = LOOPBACK_NODE_PORTS[this.family];
    this.#clusterCidr = clusterCidr;
    this.#compile = compile;
    this.#owner = netfilter.register({
      name: 'services',
      prefix: PREFIX,
      jumps: JUMPS[this.family],
      frame: (table, shared) => frameChains(table, shared, this.#ranges),
    });
  }

  get watched(): readonly WatchedChain[] {
    return this.#owner.watched;
  }

  get #ranges(): Ranges {
    return { cluster: this.#clusterCidr, services: this.#serviceRange };
  }

  async sync({ services, serviceRange }: ProxyChanges): Promise<SyncResult> {
    this.#serviceRange = serviceRange;
    const { units, invalid } = compileServices(services, (service) => this.#compile(service, this.#ranges));
    const { wrote, rejected } = await this.#owner.apply(units);
    return { wrote, rejected: new Map([...invalid, ...rejected]) };
  }

  ruleCounts(): RuleCounts {
    return this.#owner.ruleCounts();
  }

  verify(): Promise<boolean> {
    return this.#owner.verify();
  }

  async remove(): Promise<void> {
    try {
      await this.#owner.remove();
    } catch (error) {
      // Without the program nobody has written rules.
      if (!isProgramMissing(error)) throw error;
    }
  }
}
