/**
 * Which objects of storage and of devices concern a node. Most are looked at when a node asks for them: the pods are what the graph
 * follows, and nodes ask for these rarely.
 */
import { isLocalPath, LOCAL_PATH_NODE } from '../../../../api/domain/local-path.ts';
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

  /** A directory of the node that is a volume: its agent removes it. */
  isLocalPathOf(node: string, name: string): boolean {
    const volume = this.#api.get(persistentVolumes, '', name);
    return volume !== undefined && isLocalPath(volume) && own(volume.metadata?.labels, LOCAL_PATH_NODE) === node;
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
