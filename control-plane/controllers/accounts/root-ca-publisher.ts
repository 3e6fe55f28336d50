/**
 * The root CA publisher: gives each namespace the ConfigMap by which its pods trust the api-server. Upstream:
 * pkg/controller/certificates/rootcacertpublisher.
 */
import { ROOT_CA_CONFIG_MAP } from '../../../api/domain/service-accounts.ts';
import { splitKey } from '../../../client/informer.ts';
import { configMaps } from '../../../client/resources.gen.ts';
import { namespaceCache } from '../caches/definitions.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../framework/controller.ts';
import type { InformerDefinition } from '../framework/informer-factory.ts';
import { ownKeys, watch } from '../framework/watch.ts';
import { ensureCreated, isActiveNamespace } from './per-namespace.ts';
import type { ConfigMap } from '../../../api/types/core/v1.gen.ts';

/** `rootCa` is PEM. */
export const rootCaPublisher = (rootCa: string): ControllerDescriptor => ({
  name: 'root-ca-certificate-publisher-controller',
  workers: 5,
  create: (context) => create(context, rootCa),
});

const DESCRIPTION =
  'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal ' +
  'service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.';

/** The certificates of each namespace's ConfigMap, PEM. */
const bundleCache: InformerDefinition<ConfigMap, string> = {
  resource: configMaps,
  fieldSelector: `metadata.name=${ROOT_CA_CONFIG_MAP}`,
  select: ({ data }) => data?.['ca.crt'] ?? '',
};

function create({ client, informer, queue }: ControllerContext, rootCa: string): Controller {
  const namespaces = informer(namespaceCache);
  const bundles = informer(bundleCache);

  async function reconcile(namespace: string, signal: AbortSignal): Promise<undefined> {
    if (!isActiveNamespace(namespaces.getByKey(namespace))) return;
    const bundle = bundles.get(namespace, ROOT_CA_CONFIG_MAP);
    if (bundle === rootCa) return;
    const data = { 'ca.crt': rootCa };
    if (bundle !== undefined) {
      await client.patch(configMaps, namespace, ROOT_CA_CONFIG_MAP, { data }, { signal });
      return;
    }
    const annotations = { 'kubernetes.io/description': DESCRIPTION };
    const object = { metadata: { namespace, name: ROOT_CA_CONFIG_MAP, annotations }, data };
    await ensureCreated(client.create(configMaps, object, { signal }));
  }

  const wake = (key: string): void => queue.add(splitKey(key).namespace);
  return {
    watches: () => [
      watch(namespaces, ownKeys(queue)),
      watch(bundles, { onUpdate: (_old, _new, key) => wake(key), onDelete: (_, key) => wake(key) }),
    ],
    reconcile,
  };
}
