import { pods } from '../../../../api/kinds/core/pod.ts';
import { podReferences } from '../../../../api/domain/pod-references.ts';
import { MIRROR_ANNOTATION } from '../../../../api/domain/mirror-annotation.ts';
import { lifetimeOf, type ObjectLifetime } from '../authentication/object-lifetime.ts';
import type { LocalApi } from '../../catalogue/local-api.ts';
import type { Pod } from '../../../../api/types/core/v1.gen.ts';

export type ReferencedKind = 'secret' | 'configmap' | 'serviceaccount' | 'persistentvolumeclaim';

/** A referenced object, and the number of pods per node that refer to it. */
interface Vertex {
  readonly key: string;
  readonly nodes: Map<string, number>;
}

interface PodEntry extends ObjectLifetime {
  readonly nodeName: string;
  readonly ephemeralContainers: number;
  readonly vertices: readonly Vertex[];
}

/**
 * An index of the pods: the node each is bound to, and the objects that a node may therefore read. A pod costs some 300 bytes;
 * a change to neither its node nor its references, the common case, costs a comparison.
 */
export class PodGraph {
  readonly #pods = new Map<string, PodEntry>();
  readonly #vertices = new Map<string, Vertex>();

  constructor(api: Pick<LocalApi, 'subscribe'>) {
    api.subscribe(pods, ({ namespace, name, object }) => this.#follow(namespace, name, object));
  }

  lifetime(namespace: string, name: string): ObjectLifetime | undefined {
    return this.#pods.get(`${namespace}/${name}`);
  }

  /** The node that a pod is bound to; '' while it is unscheduled; undefined when the pod does not exist. */
  nodeOf(namespace: string, name: string): string | undefined {
    return this.#pods.get(`${namespace}/${name}`)?.nodeName;
  }

  /** Whether a pod bound to the node refers to the object. */
  isNeededBy(nodeName: string, kind: ReferencedKind, namespace: string, name: string): boolean {
    return this.#vertices.get(`${kind}/${namespace}/${name}`)?.nodes.has(nodeName) ?? false;
  }

  #follow(namespace: string, name: string, pod: Pod | undefined): void {
    const key = `${namespace}/${name}`;
    const known = this.#pods.get(key);
    if (!pod) {
      if (known) this.#release(known);
      this.#pods.delete(key);
      return;
    }
    const lifetime = lifetimeOf(pod.metadata);
    const nodeName = pod.spec?.nodeName ?? '';
    const ephemeralContainers = pod.spec?.ephemeralContainers?.length ?? 0;
    if (
      known?.uid === lifetime.uid &&
      known.nodeName === nodeName &&
      known.ephemeralContainers === ephemeralContainers
    ) {
      if (known.endsAt !== lifetime.endsAt) this.#pods.set(key, { ...known, endsAt: lifetime.endsAt });
      return;
    }
    if (known) this.#release(known);
    const vertices = nodeName === '' ? [] : this.#verticesOf(namespace, name, pod);
    for (const { nodes } of vertices) nodes.set(nodeName, (nodes.get(nodeName) ?? 0) + 1);
    this.#pods.set(key, { ...lifetime, nodeName, ephemeralContainers, vertices });
  }

  #verticesOf(namespace: string, name: string, pod: Pod): Vertex[] {
    // A mirror pod is written by its node: its references must not grant access.
    if (pod.metadata?.annotations?.[MIRROR_ANNOTATION] !== undefined) return [];
    const { secrets, configMaps, persistentVolumeClaims } = podReferences(name, pod.spec);
    const account = pod.spec?.serviceAccountName;
    const keys = new Set([
      ...secrets.map((secret) => `secret/${namespace}/${secret}`),
      ...configMaps.map((configMap) => `configmap/${namespace}/${configMap}`),
      ...persistentVolumeClaims.map((claim) => `persistentvolumeclaim/${namespace}/${claim}`),
      ...(account ? [`serviceaccount/${namespace}/${account}`] : []),
    ]);
    return [...keys].map((key) => {
      let vertex = this.#vertices.get(key);
      if (!vertex) {
        vertex = { key, nodes: new Map() };
        this.#vertices.set(key, vertex);
      }
      return vertex;
    });
  }

  #release({ nodeName, vertices }: PodEntry): void {
    for (const { key, nodes } of vertices) {
      const left = (nodes.get(nodeName) ?? 0) - 1;
      if (left > 0) nodes.set(nodeName, left);
      else nodes.delete(nodeName);
      if (nodes.size === 0) this.#vertices.delete(key);
    }
  }
}
