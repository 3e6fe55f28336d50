/**
 * Which objects of storage and of devices concern a node. Most are looked at when a node asks for them: the pods are what the graph
 * follows, and nodes ask for these rarely.
 */
import { REMOVED_BY_AGENTS } from '../../../../api/domain/removed-by-agents.ts';
import { own } from '../../../../api/machinery/own.ts';
import { persistentVolumes } from '../../../../api/kinds/core/persistent-volume.ts';
import { resourceClaims } from '../../../../api/kinds/resource/resource-claim.ts';
import { resourceSlices } from '../../../../api/kinds/resource/resource-slice.ts';
import { volumeAttachments } from '../../../../api/kinds/storage/volume-attachment.ts';
import type { LocalApi } from '../../catalogue/local-api.ts';
import type { PodGraph } from './pod-graph.ts';
import { VolumeSecretGraph } from './volume-secret-graph.ts';

export class NodeObjects {
  readonly #api: Pick<LocalApi, 'get'>;
  readonly #graph: PodGraph;
  readonly #volumeSecrets: VolumeSecretGraph;

  constructor(api: Pick<LocalApi, 'get' | 'subscribe'>, graph: PodGraph) {
    this.#api = api;
    this.#graph = graph;
    this.#volumeSecrets = new VolumeSecretGraph(api, graph);
  }

  /** A Secret that one of the node's pods refers to, or that a volume of one is mounted with. */
  isSecretOf(node: string, namespace: string, name: string): boolean {
    return (
      this.#graph.isNeededBy(node, 'secret', namespace, name) || this.#volumeSecrets.isNeededBy(node, namespace, name)
    );
  }

  /** A volume that is bound to a claim of one of the node's pods. */
  isVolumeOf(node: string, name: string): boolean {
    const claim = this.#api.get(persistentVolumes, '', name)?.spec?.claimRef;
    if (!claim?.namespace || !claim.name) return false;
    return this.#graph.isNeededBy(node, 'persistentvolumeclaim', claim.namespace, claim.name);
  }

  /** A volume whose directory the node's agent removes. */
  isDirectoryOf(node: string, name: string): boolean {
    const volume = this.#api.get(persistentVolumes, '', name);
    const labels = volume?.metadata?.labels;
    return volume !== undefined && REMOVED_BY_AGENTS.some(({ label, is }) => is(volume) && own(labels, label) === node);
  }

  isAttachmentOf(node: string, name: string): boolean {
    return this.#api.get(volumeAttachments, '', name)?.spec.nodeName === node;
  }

  isSliceOf(node: string, name: string): boolean {
    return this.#api.get(resourceSlices, '', name)?.spec.nodeName === node;
  }

  /** A claim that is reserved for one of the node's pods: no pod starts before. */
  isResourceClaimOf(node: string, namespace: string, name: string): boolean {
    const consumers = this.#api.get(resourceClaims, namespace, name)?.status?.reservedFor ?? [];
    return consumers.some(
      ({ apiGroup = '', resource, name: pod, uid }) =>
        apiGroup === '' &&
        resource === 'pods' &&
        this.#graph.nodeOf(namespace, pod) === node &&
        this.#graph.lifetime(namespace, pod)?.uid === uid,
    );
  }
}
