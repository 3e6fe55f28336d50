/** Services in a table of nftables of their own, of which each change writes the difference in one transaction. */
import { release } from 'node:os';
import type { Cidr, IpFamily } from '../../../../../api/domain/address.ts';
import type { ProgramError } from '../../../../host/run.ts';
import { admitAll } from '../../../netfilter/bisect.ts';
import type { Netfilter } from '../../../netfilter/netfilter.ts';
import { isNftRejection, type Nft } from '../../../netfilter/nft.ts';
import type { WatchedChain } from '../../../netfilter/rule-watch.ts';
import type { Sysctl } from '../../kernel-tuning.ts';
import type { ServiceEntry } from '../../model/service-entry.ts';
import { LOOPBACK_NODE_PORTS } from '../loopback-node-ports.ts';
import { PodForwarding } from '../pod-forwarding.ts';
import { compileServices } from '../compile-services.ts';
import type { ProxyBackend, ProxyChanges, SyncResult } from '../proxy-backend.ts';
import { compileService } from './compile-service.ts';
import { fixedChains, fixedSets, layoutMark, objectsOf, TABLES, type Ranges } from './layout.ts';
import { TableLedger, type TableChange } from './table-ledger.ts';
import { changeCommands, emptyTableCommands, readTable, tableCommands, usesKnownMaps } from './table-text.ts';
import type { TableUnit, TableUnits } from './table-unit.ts';

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

/** From Linux 6.2 on, chains can be removed in the transaction that removes the elements which led to them; before, a moment later. */
const RELEASES_AT_ONCE = [6, 2] as const;
const LATE_RELEASE_MS = 1_000;

/** @param kernel as `uname -r` prints it */
function chainReleaseOf(kernel: string): number {
  const [major = 0, minor = 0] = kernel.split(/\D/, 2).map(Number);
  const [sinceMajor, sinceMinor] = RELEASES_AT_ONCE;
  return major > sinceMajor || (major === sinceMajor && minor >= sinceMinor) ? 0 : LATE_RELEASE_MS;
}

type Item = readonly [key: string, unit: TableUnit | undefined];

interface Outcome {
  wrote: boolean;
  readonly rejected: Map<string, ProgramError>;
  /** Whether the table was read in this sync, so that a rejection cannot be due to what others have changed. */
  isFresh: boolean;
}

const NOTHING = { sets: new Map(), chains: new Map(), elements: new Map() } as const;

export class NftablesBackend implements ProxyBackend {
  readonly family: IpFamily;
  readonly sysctls: readonly Sysctl[];
  readonly #nft: Nft;
  readonly #clusterCidr: Cidr;
  readonly #compile: NonNullable<NftablesBackendOptions['compile']>;
  readonly #ledger: TableLedger;
  readonly #forwarding: PodForwarding;
  #serviceRange: Cidr | undefined;
  /** Whether the ledger knows what the kernel has. */
  #isKnown = false;
  /** Whether there is no table of this layout: it is made anew, in the transaction that fills it. */
  #isMissing = true;
  /** Settles when the last access that was asked for is over: accesses follow each other. */
  #last: Promise<unknown> = Promise.resolve();

  constructor({
    clusterCidr,
    nft,
    netfilter,
    compile = compileService,
    chainReleaseMs = chainReleaseOf(release()),
  }: NftablesBackendOptions) {
    this.family = clusterCidr.family;
    this.sysctls = LOOPBACK_NODE_PORTS[this.family];
    this.#nft = nft;
    this.#clusterCidr = clusterCidr;
    this.#compile = compile;
    this.#forwarding = new PodForwarding(netfilter, clusterCidr);
    this.#ledger = new TableLedger({
      sets: fixedSets(this.family),
      chains: () => fixedChains(this.family, this.#ranges),
      objectsOf: (container) => objectsOf(this.family, container),
      chainReleaseMs,
      now: () => performance.now(),
    });
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
      const { wrote, rejected } = await this.#apply(units);
      const forwards = await this.#forwarding.apply();
      return { wrote: wrote || forwards, rejected: new Map([...invalid, ...rejected]) };
    });
  }

  verify(): Promise<boolean> {
    return this.#exclusive(async () => {
      if (!this.#isKnown) return false;
      const missing = await this.#read();
      this.#isKnown = missing.size === 0 && !this.#isMissing && this.#ledger.pending() === undefined;
      return (await this.#forwarding.verify()) && this.#isKnown;
    });
  }

  remove(): Promise<void> {
    return this.#exclusive(async () => {
      this.#isKnown = false;
      await this.#nft.removeTable(TABLES[this.family]);
      await this.#forwarding.remove();
    });
  }

  #exclusive<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#last.then(action);
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #apply(units: TableUnits): Promise<Outcome> {
    const outcome: Outcome = { wrote: false, rejected: new Map(), isFresh: false };
    let items: readonly Item[] = [...units];
    try {
      if (!this.#isKnown) {
        this.#ledger.put(units);
        // All units are on trial of which the kernel may not have the rules; those that it has stay in force meanwhile.
        items = [...(await this.#read())];
        outcome.isFresh = true;
        this.#ledger.put(new Map(items.map(([key]) => [key, undefined])));
      }
      if (items.length === 0) await this.#write(outcome);
      await admitAll(items, {
        admit: (some) => this.#admit(some, outcome),
        leaveOut: (item, error) => this.#leaveOut(item, error, outcome),
        isRejection: isNftRejection,
        isTooMuch: () => this.#answers(),
      });
      return outcome;
    } catch (error) {
      // The next call begins with all of them.
      this.#ledger.put(new Map(items));
      this.#isKnown = false;
      throw error;
    }
  }

  /** Whether the program works at all; what one that was killed has written is read. */
  async #answers(): Promise<boolean> {
    await this.#nft.applyCommands(tableCommands(TABLES[this.family]));
    await this.#read();
    return true;
  }

  /** Puts the items in force; what was in force before is when this throws. */
  async #admit(items: readonly Item[], outcome: Outcome): Promise<void> {
    const before = this.#ledger.put(new Map(items));
    try {
      await this.#write(outcome);
    } catch (error) {
      this.#ledger.put(before);
      throw error;
    }
  }

  /** Writes all but the item; where that is rejected as well, it was not the item's fault. */
  async #leaveOut([key]: Item, error: ProgramError, outcome: Outcome): Promise<void> {
    this.#ledger.put(new Map([[key, undefined]]));
    // With nothing to write, what the table is made of shows whether anything is accepted.
    if (this.#ledger.pending()) await this.#write(outcome);
    else await this.#nft.applyCommands(tableCommands(TABLES[this.family]));
    outcome.rejected.set(key, error);
  }

  /** One transaction with all that is pending. Throws ProgramError; the kernel has none of it then. */
  async #write(outcome: Outcome): Promise<void> {
    try {
      await this.#writePending(outcome);
    } catch (error) {
      if (outcome.isFresh || !isNftRejection(error)) throw error;
      // Somebody else may have changed the table, so that what is to be removed is not there.
      outcome.isFresh = true;
      await this.#read();
      await this.#writePending(outcome);
    }
  }

  async #writePending(outcome: Outcome): Promise<void> {
    let change = this.#ledger.pending();
    if (change && !this.#isMissing && usesKnownMaps(change)) {
      this.#isMissing = true;
      this.#ledger.adopt(NOTHING);
      change = this.#ledger.pending();
    }
    if (!change) return;
    const table = TABLES[this.family];
    await this.#nft.applyCommands([
      ...(this.#isMissing ? emptyTableCommands(table) : []),
      ...changeCommands(table, change),
    ]);
    this.#isMissing = false;
    this.#ledger.written(change);
    outcome.wrote = true;
  }

  /** Learns what the kernel has. Returns the units that it lacks. */
  async #read(): Promise<TableUnits> {
    const objects = await this.#nft.list(TABLES[this.family]);
    const state = objects && readTable(objects);
    this.#isMissing = !state?.chains.has(layoutMark(this.family));
    const missing = this.#ledger.adopt(state && !this.#isMissing ? state : NOTHING);
    this.#isKnown = true;
    return missing;
  }
}

/** Throws ProgramError when this host has no nft(8), or its kernel or nft(8) lacks something that the rules need. */
export async function checkNftables({
  clusterCidr,
  nft,
}: Pick<NftablesBackendOptions, 'clusterCidr' | 'nft'>): Promise<void> {
  const { family } = clusterCidr;
  const ledger = new TableLedger({
    sets: fixedSets(family),
    chains: () => fixedChains(family, { cluster: clusterCidr, services: undefined }),
    objectsOf: (container) => objectsOf(family, container),
    chainReleaseMs: 0,
    now: () => 0,
  });
  ledger.put(new Map([['probe', probeUnit(family)]]));
  const change: TableChange | undefined = ledger.pending();
  if (change)
    await nft.check(
      [...emptyTableCommands(TABLES[family]), ...changeCommands(TABLES[family], change)]
        .map((line) => `${line}\n`)
        .join(''),
    );
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
