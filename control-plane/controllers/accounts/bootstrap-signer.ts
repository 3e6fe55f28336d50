/**
 * The bootstrap signer: signs `kube-public/cluster-info` with each bootstrap token that is for signing, so that a host that knows
 * nothing but a token can trust what it reads there, as `kubeadm join` does. Upstream: pkg/controller/bootstrap/bootstrapsigner.go.
 */
import { CLUSTER_INFO } from '../../../api/domain/bootstrap-token.ts';
import { configMaps } from '../../../client/resources.gen.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../framework/controller.ts';
import type { InformerDefinition } from '../framework/informer-factory.ts';
import { unlessGone } from '../framework/outcomes.ts';
import { ownKeys, watch } from '../framework/watch.ts';
import { signatureChanges } from './bootstrap-signer-plan.ts';
import { bootstrapTokenCache } from './bootstrap-tokens.ts';
import type { ConfigMap } from '../../../api/types/core/v1.gen.ts';

export const bootstrapSigner: ControllerDescriptor = { name: 'bootstrap-signer-controller', workers: 1, create };

interface ClusterInfoView {
  readonly resourceVersion: string;
  readonly data: Readonly<Record<string, string>>;
}

const { namespace, name } = CLUSTER_INFO;

const clusterInfo: InformerDefinition<ConfigMap, ClusterInfoView> = {
  resource: configMaps,
  namespace,
  fieldSelector: `metadata.name=${name}`,
  select: ({ metadata, data }) => ({ resourceVersion: metadata?.resourceVersion ?? '', data: data ?? {} }),
};

/** There is one thing to do, whatever has happened. */
const KEY = `${namespace}/${name}`;

function create({ client, informer, queue }: ControllerContext): Controller {
  const tokens = informer(bootstrapTokenCache);
  const infos = informer(clusterInfo);

  async function reconcile(key: string, signal: AbortSignal): Promise<number | undefined> {
    const info = infos.getByKey(key);
    if (!info) return undefined;
    const now = Date.now();
    const signing = [...tokens.values()].filter(({ signer, expiresAt }) => signer && expiresAt > now);
    const data = signatureChanges(
      info.data,
      signing.flatMap(({ signer }) => signer ?? []),
    );
    if (data) {
      const patch = { metadata: { resourceVersion: info.resourceVersion }, data };
      // Somebody has changed it meanwhile: that is an event, too.
      await unlessGone(client.patch(configMaps, namespace, name, patch, { signal }));
    }
    const next = Math.min(...signing.map(({ expiresAt }) => expiresAt));
    return next === Infinity ? undefined : next - now;
  }

  const wake = (): void => queue.add(KEY);
  return {
    watches: () => [watch(infos, ownKeys(queue)), watch(tokens, { onAdd: wake, onUpdate: wake, onDelete: wake })],
    reconcile,
  };
}
