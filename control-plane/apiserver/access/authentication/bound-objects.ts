/** Looks up the objects that service account tokens are bound to. */
import { nodes } from '../../../../api/kinds/core/node.ts';
import { secrets } from '../../../../api/kinds/core/secret.ts';
import type { LocalApi } from '../../catalogue/local-api.ts';
import { lifeOf, type Life } from './life.ts';
import type { ServiceAccountIndex } from './service-account-index.ts';

export interface BoundObjects {
  serviceAccount(namespace: string, name: string): Life | undefined;
  pod(namespace: string, name: string): Life | undefined;
  secret(namespace: string, name: string): Life | undefined;
  node(name: string): Life | undefined;
}

/** Service accounts and pods from indexes; Secrets and Nodes, to which few tokens are bound, from the cache on each request. */
export class LocalBoundObjects implements BoundObjects {
  readonly #api: Pick<LocalApi, 'get'>;
  readonly #accounts: ServiceAccountIndex;
  readonly #pods: { life(namespace: string, name: string): Life | undefined };

  constructor(
    api: Pick<LocalApi, 'get'>,
    accounts: ServiceAccountIndex,
    pods: { life(namespace: string, name: string): Life | undefined },
  ) {
    this.#api = api;
    this.#accounts = accounts;
    this.#pods = pods;
  }

  serviceAccount(namespace: string, name: string): Life | undefined {
    return this.#accounts.get(namespace, name);
  }

  pod(namespace: string, name: string): Life | undefined {
    return this.#pods.life(namespace, name);
  }

  secret(namespace: string, name: string): Life | undefined {
    const secret = this.#api.get(secrets, namespace, name);
    return secret && lifeOf(secret.metadata);
  }

  node(name: string): Life | undefined {
    const node = this.#api.get(nodes, '', name);
    return node && lifeOf(node.metadata);
  }
}
