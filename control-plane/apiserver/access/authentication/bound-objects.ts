/** Looks up the objects that service account tokens are bound to. */
import { nodes } from '../../../../api/kinds/core/node.ts';
import { secrets } from '../../../../api/kinds/core/secret.ts';
import type { LocalApi } from '../../catalogue/local-api.ts';
import { lifetimeOf, type ObjectLifetime } from './object-lifetime.ts';
import type { ServiceAccountIndex } from './service-account-index.ts';

export interface BoundObjects {
  serviceAccount(namespace: string, name: string): ObjectLifetime | undefined;
  pod(namespace: string, name: string): ObjectLifetime | undefined;
  secret(namespace: string, name: string): ObjectLifetime | undefined;
  node(name: string): ObjectLifetime | undefined;
}

/** Service accounts and pods from indexes; Secrets and Nodes, to which few tokens are bound, from the cache on each request. */
export class LocalBoundObjects implements BoundObjects {
  readonly #api: Pick<LocalApi, 'get'>;
  readonly #accounts: ServiceAccountIndex;
  readonly #pods: { lifetime(namespace: string, name: string): ObjectLifetime | undefined };

  constructor(
    api: Pick<LocalApi, 'get'>,
    accounts: ServiceAccountIndex,
    pods: { lifetime(namespace: string, name: string): ObjectLifetime | undefined },
  ) {
    this.#api = api;
    this.#accounts = accounts;
    this.#pods = pods;
  }

  serviceAccount(namespace: string, name: string): ObjectLifetime | undefined {
    return this.#accounts.get(namespace, name);
  }

  pod(namespace: string, name: string): ObjectLifetime | undefined {
    return this.#pods.lifetime(namespace, name);
  }

  secret(namespace: string, name: string): ObjectLifetime | undefined {
    const secret = this.#api.get(secrets, namespace, name);
    return secret && lifetimeOf(secret.metadata);
  }

  node(name: string): ObjectLifetime | undefined {
    const node = this.#api.get(nodes, '', name);
    return node && lifetimeOf(node.metadata);
  }
}
