/** Writes units to the three places that they are in: the table of nftables, the virtual servers, and the host's addresses. */
import type { IpFamily } from '../../../../../api/domain/address.ts';
import type { ProgramError } from '../../../../host/run.ts';
import type { OwnedTable } from '../../../netfilter/nft-table/owned-table.ts';
import type { TableUnit } from '../../../netfilter/nft-table/table-unit.ts';
import { isNftRejection } from '../../../netfilter/nft.ts';
import type { UnitDriver, Units } from '../../../netfilter/owned-units.ts';
import { AddressLedger, type Addresses } from './address-ledger.ts';
import type { IpvsUnit } from './compile-service.ts';
import type { Ipvsadm } from './ipvsadm.ts';
import type { ServiceAddresses } from './service-addresses.ts';
import { lineOf, VirtualServerLedger, type VirtualServers } from './virtual-servers.ts';

export interface IpvsDriverOptions {
  readonly family: IpFamily;
  readonly table: OwnedTable;
  readonly ipvsadm: Ipvsadm;
  readonly addresses: ServiceAddresses;
}

/** All methods that access the kernel throw ProgramError. */
export class IpvsDriver implements UnitDriver<IpvsUnit> {
  readonly #options: IpvsDriverOptions;
  readonly #units = new Map<string, IpvsUnit>();
  readonly #servers = new VirtualServerLedger();
  readonly #addresses = new AddressLedger();
  /** Whether the two ledgers know what the kernel has: a failed write leaves a part of it. */
  #isKnown = false;
  #hasLink = false;

  constructor(options: IpvsDriverOptions) {
    this.#options = options;
  }

  put(units: Units<IpvsUnit>): Units<IpvsUnit> {
    const before = new Map<string, IpvsUnit | undefined>();
    const tables = new Map<string, TableUnit | undefined>();
    const servers = new Map<string, VirtualServers | undefined>();
    const addresses = new Map<string, Addresses | undefined>();
    for (const [key, unit] of units) {
      before.set(key, this.#units.get(key));
      if (unit) this.#units.set(key, unit);
      else this.#units.delete(key);
      tables.set(key, unit?.table);
      servers.set(key, unit?.servers);
      addresses.set(key, unit?.addresses);
    }
    this.#options.table.put(tables);
    this.#servers.put(servers);
    this.#addresses.put(addresses);
    return before;
  }

  async read(): Promise<Units<IpvsUnit>> {
    const lacking = await this.#options.table.read();
    const keys = new Set([...lacking.keys(), ...(await this.#readServers())]);
    return new Map(Array.from(keys, (key) => [key, this.#units.get(key)]));
  }

  /** Returns the keys of units that the kernel lacks something of. */
  async #readServers(): Promise<Set<string>> {
    const { family, ipvsadm, addresses } = this.#options;
    const lacking = this.#servers.adopt(await ipvsadm.save(family));
    const listed = await addresses.list();
    this.#hasLink = listed !== undefined;
    this.#isKnown = true;
    return lacking.union(this.#addresses.adopt(listed ?? new Set()));
  }

  isPending(): boolean {
    const { add, remove } = this.#addresses.pending();
    const isDone = this.#isKnown && this.#servers.pending().length + add.length + remove.length === 0;
    return !isDone || this.#options.table.isPending();
  }

  /**
   * In this order no packet to a Service reaches the host itself: the table rejects what no virtual server takes before the host
   * has the address.
   */
  async write(): Promise<boolean> {
    const wrote = await this.#options.table.write();
    if (!this.#isKnown) await this.#readServers();
    const { ipvsadm, addresses } = this.#options;
    const commands = this.#servers.pending();
    const change = this.#addresses.pending();
    if (commands.length + change.add.length + change.remove.length === 0) return wrote;
    this.#isKnown = false;
    await addresses.remove(change.remove);
    if (commands.length > 0) await ipvsadm.restore(commands.map(lineOf));
    if (!this.#hasLink && change.add.length > 0) await addresses.create();
    this.#hasLink ||= change.add.length > 0;
    await addresses.add(change.add);
    this.#servers.written(commands);
    this.#addresses.written(change);
    this.#isKnown = true;
    return true;
  }

  /** Removes the endpoints that are gone and that nobody is connected to any more. */
  async releaseIdle(): Promise<void> {
    if (!this.#isKnown || !this.#servers.isDraining) return;
    const { ipvsadm } = this.#options;
    const counts = await ipvsadm.connections();
    const commands = this.#servers.idle((server, real) => counts.get(server)?.get(real));
    if (commands.length === 0) return;
    this.#isKnown = false;
    await ipvsadm.restore(commands.map(lineOf));
    this.#servers.removed(commands);
    this.#isKnown = true;
  }

  async probe(): Promise<void> {
    const { table, ipvsadm, family } = this.#options;
    await table.probe();
    await ipvsadm.save(family);
  }

  isRejection(error: unknown): error is ProgramError {
    return isNftRejection(error);
  }
}
