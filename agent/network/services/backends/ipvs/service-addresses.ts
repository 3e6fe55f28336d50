/**
 * The link that has the addresses of Services, so that the kernel takes packets to them as the host's own and hands them to IPVS.
 *
 * It is a link of ours alone, so that whatever addresses it has are ours to remove: on the loopback link they would be beside
 * those that load balancers and operators put there. A dummy; where the kernel has none, a bridge without ports is as good.
 */
import type { IpFamily } from '../../../../../api/domain/address.ts';
import { ProgramError, run } from '../../../../host/run.ts';
import { listLinkAddresses, SERVICE_LINK } from '../../../../host/link-addresses.ts';

const TIME_LIMIT_MS = 60_000;
const LENGTHS: Readonly<Record<IpFamily, number>> = { IPv4: 32, IPv6: 128 };
const FLAGS: Readonly<Record<IpFamily, string>> = { IPv4: '', IPv6: ' nodad noprefixroute' };

const isWithoutLink = (error: unknown): boolean =>
  error instanceof ProgramError && /does not exist|Cannot find device/.test(error.stderr);

/** All methods throw ProgramError. */
export class ServiceAddresses {
  readonly #family: IpFamily;
  readonly #signal: AbortSignal;

  constructor(family: IpFamily, signal: AbortSignal) {
    this.#family = family;
    this.#signal = signal;
  }

  /** Those of the family; undefined when there is no such link. */
  async list(): Promise<ReadonlySet<string> | undefined> {
    try {
      const links = await listLinkAddresses({ family: this.#family, link: SERVICE_LINK }, this.#signal);
      const found = links.get(SERVICE_LINK)?.filter(({ scope }) => scope === 'global') ?? [];
      return new Set(found.map(({ local }) => local));
    } catch (error) {
      if (isWithoutLink(error)) return undefined;
      throw error;
    }
  }

  /** Makes the link, which must not be there. */
  async create(): Promise<void> {
    try {
      await this.#ip(['link', 'add', SERVICE_LINK, 'type', 'dummy']);
    } catch (error) {
      if (!(error instanceof ProgramError) || !/not supported|Unknown device type/.test(error.stderr)) throw error;
      await this.#ip(['link', 'add', SERVICE_LINK, 'type', 'bridge']);
    }
    // Before it is up: it is to have no addresses but ours.
    await this.#ip(['link', 'set', SERVICE_LINK, 'addrgenmode', 'none']);
    await this.#ip(['link', 'set', SERVICE_LINK, 'arp', 'off', 'up']);
  }

  add(addresses: Iterable<string>): Promise<void> {
    return this.#batch('add', addresses, FLAGS[this.#family]);
  }

  remove(addresses: Iterable<string>): Promise<void> {
    return this.#batch('delete', addresses, '');
  }

  /** Unless it has addresses of the other family. None is no error. */
  async removeLink(): Promise<void> {
    try {
      const links = await listLinkAddresses({ link: SERVICE_LINK }, this.#signal);
      if (links.get(SERVICE_LINK)?.length === 0) await this.#ip(['link', 'delete', SERVICE_LINK]);
    } catch (error) {
      if (!isWithoutLink(error)) throw error;
    }
  }

  async #batch(verb: 'add' | 'delete', addresses: Iterable<string>, flags: string): Promise<void> {
    const lines = Array.from(
      addresses,
      (address) => `address ${verb} ${address}/${LENGTHS[this.#family]} dev ${SERVICE_LINK}${flags}\n`,
    );
    if (lines.length > 0) await this.#ip(['-batch', '-'], lines.join(''));
  }

  async #ip(args: readonly string[], input?: string): Promise<void> {
    await run('ip', args, { input, timeoutMs: TIME_LIMIT_MS, signal: this.#signal });
  }
}
