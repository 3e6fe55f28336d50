/**
 * Which node has which address, as far as nodes say so themselves: of two with one address, the one that was seen to have it while nobody else had.
 * Who comes later takes nothing from it. Pure.
 */
import { IpAddress } from '../../../api/domain/address.ts';
import type { NodeAddress } from '../../../api/types/core/v1.gen.ts';

/** As who verifies a certificate compares them. */
export const normalized = (address: string): string => IpAddress.parse(address)?.text ?? address.toLowerCase();

/** An external address may be of several: that of a router in front of them. */
const namesOf = (addresses: readonly NodeAddress[]): ReadonlySet<string> =>
  new Set(addresses.flatMap(({ type, address }) => (type.startsWith('External') ? [] : [normalized(address)])));

interface Address {
  /** The nodes that say they have it. */
  readonly nodes: Set<string>;
  /** Undefined where that is not clear: several were there before anybody looked. */
  holder: string | undefined;
}

export class AddressHolders {
  readonly #addresses = new Map<string, Address>();
  readonly #byNode = new Map<string, ReadonlySet<string>>();
  #isSynced = false;

  /** What a node says now; nothing when it is gone. */
  set(node: string, addresses: readonly NodeAddress[]): void {
    const [before, now] = [this.#byNode.get(node), namesOf(addresses)];
    for (const name of before ?? []) if (!now.has(name)) this.#leave(node, name);
    for (const name of now) if (!before?.has(name)) this.#take(node, name);
    if (now.size > 0) this.#byNode.set(node, now);
    else this.#byNode.delete(node);
  }

  /** All nodes that there were have been told of: which of them came first is not known. */
  synced(): void {
    this.#isSynced = true;
    for (const address of this.#addresses.values()) address.holder = onlyOne(address.nodes);
  }

  /** The first of the names that another node has, with that node. */
  another(node: string, names: readonly string[]): { readonly node: string; readonly address: string } | undefined {
    for (const name of names) {
      const { nodes = new Set<string>(), holder } = this.#addresses.get(normalized(name)) ?? {};
      if (holder === node) continue;
      for (const other of nodes) if (other !== node) return { node: holder ?? other, address: name };
    }
    return undefined;
  }

  #take(node: string, name: string): void {
    const address = this.#addresses.get(name) ?? { nodes: new Set(), holder: undefined };
    this.#addresses.set(name, address);
    address.nodes.add(node);
    if (this.#isSynced) address.holder ??= onlyOne(address.nodes);
  }

  #leave(node: string, name: string): void {
    const address = this.#addresses.get(name);
    if (!address) return;
    address.nodes.delete(node);
    if (address.nodes.size === 0) this.#addresses.delete(name);
    else if (this.#isSynced && (address.holder === node || address.holder === undefined))
      address.holder = onlyOne(address.nodes);
  }
}

function onlyOne(nodes: ReadonlySet<string>): string | undefined {
  const [first] = nodes;
  return nodes.size === 1 ? first : undefined;
}
