/**
 * The service account controller: gives each namespace its ServiceAccount `default`. Upstream:
 * pkg/controller/serviceaccount/serviceaccounts_controller.go.
 */
import { DEFAULT_ACCOUNT } from '../../../api/domain/service-accounts.ts';
import { serviceAccounts } from '../../../client/resources.gen.ts';
import { namespaceCache, serviceAccountCache } from '../caches/definitions.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../framework/controller.ts';
import { ownKeys, watch } from '../framework/watch.ts';
import { ensureCreated, isActiveNamespace } from './per-namespace.ts';

export const serviceAccountController: ControllerDescriptor = {
  name: 'serviceaccount-controller',
  workers: 5,
  create,
};

function create({ client, informer, queue }: ControllerContext): Controller {
  const namespaces = informer(namespaceCache);
  const accounts = informer(serviceAccountCache);

  async function reconcile(namespace: string, signal: AbortSignal): Promise<undefined> {
    if (!isActiveNamespace(namespaces.getByKey(namespace)) || accounts.get(namespace, DEFAULT_ACCOUNT)) return;
    await ensureCreated(client.create(serviceAccounts, { metadata: { namespace, name: DEFAULT_ACCOUNT } }, { signal }));
  }

  return {
    watches: () => [
      watch(namespaces, ownKeys(queue)),
      watch(accounts, { onDelete: ({ namespace, name }) => void (name === DEFAULT_ACCOUNT && queue.add(namespace)) }),
    ],
    reconcile,
  };
}
