/**
 * Services as iptables rules. A transaction that is refused is halved by Service until the one at fault is alone: that takes
 * a logarithm of their number, and every half that is taken is in force at once.
 */
import type { Cidr } from '../../api/domain/address.ts';
import { ProgramError } from '../host/run.ts';
import { compileService, type CompiledService, type Ranges } from './iptables-rules.ts';
import { Iptables } from './iptables.ts';
import type { ProxyBackend, ProxyChanges, SyncResult } from './proxy-backend.ts';
import { isEmpty, RuleBook, type CompiledServices } from './rule-book.ts';
import type { ServiceEntry } from './service-table.ts';

export interface IptablesBackendOptions {
  readonly clusterCidr: Cidr;
  readonly iptables: Iptables;
  readonly compile?: (service: ServiceEntry, ranges: Ranges) => CompiledService;
}

/** The lock of the legacy tables, which others hold: its exit code is that of a kernel that refuses rules of the nft tables. */
const LOCKED = /xtables lock/;
const isRefusal = (error: unknown): error is ProgramError =>
  error instanceof ProgramError && error.exitCode !== null && !LOCKED.test(error.stderr);

export class IptablesBackend implements ProxyBackend {
  readonly #book: RuleBook;
  readonly #iptables: Iptables;
  readonly #compile: NonNullable<IptablesBackendOptions['compile']>;
  /** Whether the kernel has what the book says that it has. */
  #known = false;
  #wrote = false;

  constructor({ clusterCidr, iptables, compile = compileService }: IptablesBackendOptions) {
    this.#book = new RuleBook(clusterCidr);
    this.#iptables = iptables;
    this.#compile = compile;
  }

  async sync({ services, serviceRange }: ProxyChanges): Promise<SyncResult> {
    this.#wrote = false;
    this.#book.reserve(serviceRange);
    const refused = new Map<string, string>();
    const compiled = this.#compileAll(services, refused);
    // Those that were taken before are on trial again when all of them have to be written anew.
    const batch = this.#known ? compiled : new Map([...this.#book.clear(), ...compiled]);
    try {
      await this.#admit(batch, refused);
    } catch (error) {
      // The next call begins with all of them.
      this.#book.put(batch);
      this.#known = false;
      throw error;
    }
    return { wrote: this.#wrote, refused };
  }

  async verify(): Promise<boolean> {
    if (this.#known) this.#known = await this.#iptables.isIntact();
    return this.#known;
  }

  async remove(): Promise<void> {
    this.#known = false;
    await this.#iptables.remove();
  }

  #compileAll(
    services: ProxyChanges['services'],
    refused: Map<string, string>,
  ): Map<string, CompiledService | undefined> {
    const compiled = new Map<string, CompiledService | undefined>();
    for (const [key, service] of services) {
      compiled.set(key, undefined);
      try {
        if (service) compiled.set(key, this.#compile(service, this.#book.ranges));
      } catch (error) {
        refused.set(key, (error as Error).message);
      }
    }
    return compiled;
  }

  /** Puts `batch` in force, less those that the kernel refuses. Throws when it refuses what is nobody's as well. */
  async #admit(batch: CompiledServices, refused: Map<string, string>): Promise<void> {
    const before = this.#book.put(batch);
    try {
      await this.#write();
      return;
    } catch (error) {
      if (!isRefusal(error) || batch.size === 0) throw error;
      if (batch.size === 1) {
        const [key = ''] = batch.keys();
        this.#book.put(new Map([[key, undefined]]));
        // The chains in question are written without it: where that is refused, too, it was not this Service's fault.
        await this.#write();
        refused.set(key, error.message);
        return;
      }
      this.#book.put(before);
    }
    const entries = [...batch];
    const middle = Math.ceil(entries.length / 2);
    await this.#admit(new Map(entries.slice(0, middle)), refused);
    await this.#admit(new Map(entries.slice(middle)), refused);
  }

  async #write(): Promise<void> {
    if (!this.#known) this.#book.forget();
    const change = this.#book.pending();
    if (this.#known && isEmpty(change)) return;
    try {
      if (this.#known) await this.#iptables.apply(change);
      else await this.#iptables.replace(change);
    } catch (error) {
      this.#book.failed(change);
      throw error;
    }
    this.#book.written(change);
    this.#known = true;
    this.#wrote = true;
  }
}
