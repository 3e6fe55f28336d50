/**
 * The link that has the addresses of Services, so that the kernel takes packets to them as the host's own and hands them to IPVS.
 *
 * It is a link of ours alone, so that whatever addresses it has are ours to remove: on the loopback link they would be beside
 * those that load balancers and operators put there. A dummy; where the kernel has none, a bridge without ports is as good.
 */
import type { IpFamily } from '../../../../../api/domain/address.ts';
import { SERVICE_LINK } from '../../../../host/links.ts';
import { ProgramError, run } from '../../../../host/run.ts';

const TIME_LIMIT_MS = 60_000;
const LENGTHS: Readonly<Record<IpFamily, number>> = { IPv4: 32, IPv6: 128 };
const FLAGS: Readonly<Record<IpFamily, string>> = { IPv4: '', IPv6: ' nodad noprefixroute' };
const FAMILY_OPTIONS: Readonly<Record<IpFamily, string>> = { IPv4: '-4', IPv6: '-6' };

interface ListedLink {
  readonly addr_info: readonly { readonly local?: string; readonly scope?: string }[];
}

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
      const stdout = await this.#ip(['-json', FAMILY_OPTIONS[this.#family], 'address', 'show', 'dev', SERVICE_LINK]);
      const links = JSON.parse(stdout.trim() || '[]') as readonly Partial<ListedLink>[];
      const found = links.flatMap(({ addr_info }) => addr_info ?? []).filter(({ scope }) => scope === 'global');
      return new Set(found.flatMap(({ local }) => local ?? []));
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
      const stdout = await this.#ip(['-json', 'address', 'show', 'dev', SERVICE_LINK]);
      const links = JSON.parse(stdout.trim() || '[]') as readonly Partial<ListedLink>[];
      if (links.every(({ addr_info = [] }) => addr_info.length === 0)) await this.#ip(['link', 'delete', SERVICE_LINK]);
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

  async #ip(args: readonly string[], input?: string): Promise<string> {
    return (await run('ip', args, { input, timeoutMs: TIME_LIMIT_MS, signal: this.#signal })).stdout;
  }
}
