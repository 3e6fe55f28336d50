/** Gives each namespace its ServiceAccount `default` and the ConfigMap by which pods trust the api-server. */
import { isAlreadyExists } from '../../api/machinery/status-error.ts';
import { Informer, splitKey } from '../../client/informer.ts';
import { createQueue, isNamespaceTerminating, type ControllerContext } from './context.ts';
import { configMaps, serviceAccounts } from '../../client/resources.gen.ts';
import type { ConfigMap } from '../../api/types/core/v1.gen.ts';

const ACCOUNT = 'default';
const CONFIG_MAP = 'kube-root-ca.crt';
const DESCRIPTION =
  'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal ' +
  'service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.';

/** Follows namespaces, accounts and the ConfigMaps until the signal is aborted. `rootCa` is PEM. */
export async function runServiceAccountController(context: ControllerContext, rootCa: string): Promise<void> {
  const { client, informers, logger, signal } = context;
  const queue = createQueue(context, 'serviceaccount');
  const bundles = new Informer<ConfigMap, string>({
    client,
    logger,
    resource: configMaps,
    fieldSelector: `metadata.name=${CONFIG_MAP}`,
    select: ({ data }) => data?.['ca.crt'] ?? '',
  });
  informers.namespaces.addHandlers({
    onAdd: (_, name) => queue.add(name),
    onUpdate: (_old, _new, name) => queue.add(name),
  });
  informers.serviceAccounts.addHandlers({
    onDelete: ({ namespace, name }) => void (name === ACCOUNT && queue.add(namespace)),
  });
  const wake = (key: string): void => queue.add(splitKey(key).namespace);
  bundles.addHandlers({ onUpdate: (_old, _new, key) => wake(key), onDelete: (_, key) => wake(key) });

  async function sync(namespace: string): Promise<void> {
    const { metadata, status } = informers.namespaces.getByKey(namespace) ?? {};
    if (!metadata || metadata.deletionTimestamp || status?.phase === 'Terminating') return;
    if (!informers.serviceAccounts.get(namespace, ACCOUNT)) {
      const account = { metadata: { namespace, name: ACCOUNT } };
      await ensured(client.create(serviceAccounts, account, { signal }));
    }
    const bundle = bundles.get(namespace, CONFIG_MAP);
    const data = { 'ca.crt': rootCa };
    if (bundle === undefined) {
      const annotations = { 'kubernetes.io/description': DESCRIPTION };
      await ensured(
        client.create(configMaps, { metadata: { namespace, name: CONFIG_MAP, annotations }, data }, { signal }),
      );
    } else if (bundle !== rootCa) {
      await client.patch(configMaps, namespace, CONFIG_MAP, { data }, { signal });
    }
  }

  const running = bundles.run(signal);
  await Promise.all([informers.namespaces.hasSynced(), informers.serviceAccounts.hasSynced(), bundles.hasSynced()]);
  await queue.run(sync, signal);
  await running;
}

/** There already, or not wanted any more. */
async function ensured(creating: Promise<unknown>): Promise<void> {
  try {
    await creating;
  } catch (error) {
    if (!isAlreadyExists(error) && !isNamespaceTerminating(error)) throw error;
  }
}
