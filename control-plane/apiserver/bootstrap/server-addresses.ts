/**
 * The addresses of all api-servers of the cluster, for the endpoints of the Service `kubernetes`. With a store that several servers
 * share, each keeps a key that expires when it is not renewed, as upstream's lease endpoint reconciler
 * (`--endpoint-reconciler-type=lease`) with the same keys.
 */
import { IpAddress } from '../../../api/domain/address.ts';
import type { Store } from '../../store/store.ts';

/** Upstream's: a server that has not renewed its key for so long is gone. */
const LIVES_MS = 15_000;

export class ServerAddresses {
  readonly #store: Store;
  readonly #prefix: string;
  readonly #own: string;

  /** @param root what all keys of the store begin with @param own the address of this server */
  constructor(store: Store, root: string, own: string) {
    this.#store = store;
    this.#prefix = `${root}masterleases/`;
    this.#own = own;
  }

  /** Renews this server's own key; returns the addresses of all that are alive, this one among them, in a fixed order. */
  async renew(): Promise<readonly string[]> {
    if (!this.#store.expires) return [this.#own];
    const lease = {
      kind: 'Endpoints',
      apiVersion: 'v1',
      metadata: {},
      subsets: [{ addresses: [{ ip: this.#own }] }],
    };
    await this.#store.put(this.#prefix + this.#own, Buffer.from(JSON.stringify(lease)), { ttlMs: LIVES_MS });
    const { items } = await this.#store.list(this.#prefix);
    // Anything else among them would keep the endpoints of all servers from being written.
    return items.flatMap(({ key }) => IpAddress.parse(key.slice(this.#prefix.length))?.text ?? []).sort();
  }

  /** The server stops: clients need not wait until its key expires. Rejects as the store does. */
  async leave(): Promise<void> {
    if (this.#store.expires) await this.#store.delete(this.#prefix + this.#own);
  }
}
