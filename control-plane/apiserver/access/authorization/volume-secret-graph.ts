import { volumeSecrets } from '../../../../api/domain/volume-secrets.ts';
import { persistentVolumes } from '../../../../api/kinds/core/persistent-volume.ts';
import type { PersistentVolume } from '../../../../api/types/core/v1.gen.ts';
import type { LocalApi } from '../../catalogue/local-api.ts';
import type { PodGraph } from './pod-graph.ts';

interface VolumeEntry {
  readonly claim: { readonly namespace: string; readonly name: string };
  /** Keys of `#users`. */
  readonly secrets: readonly string[];
}

/**
 * An index of the bound volumes by the Secrets that they are mounted with. Volumes of a class often share one: what a node asks for
 * takes a look-up for each of them.
 */
export class VolumeSecretGraph {
  readonly #graph: PodGraph;
  readonly #volumes = new Map<string, VolumeEntry>();
  /** The volumes that use a Secret, by its namespace and name. */
  readonly #users = new Map<string, Set<VolumeEntry>>();

  constructor(api: Pick<LocalApi, 'subscribe'>, graph: PodGraph) {
    this.#graph = graph;
    api.subscribe(persistentVolumes, ({ name, object }) => this.#follow(name, object));
  }

  /** Whether a volume that is mounted with the Secret is bound to the claim of a pod on the node. */
  isNeededBy(node: string, namespace: string, name: string): boolean {
    for (const { claim } of this.#users.get(`${namespace}/${name}`) ?? [])
      if (this.#graph.isNeededBy(node, 'persistentvolumeclaim', claim.namespace, claim.name)) return true;
    return false;
  }

  #follow(name: string, volume: PersistentVolume | undefined): void {
    const known = this.#volumes.get(name);
    if (known) this.#release(name, known);
    const { namespace, name: claim } = volume?.spec?.claimRef ?? {};
    const secrets = new Set(volumeSecrets(volume?.spec).map((secret) => `${secret.namespace}/${secret.name}`));
    if (!namespace || !claim || secrets.size === 0) return;
    const entry = { claim: { namespace, name: claim }, secrets: [...secrets] };
    this.#volumes.set(name, entry);
    for (const secret of secrets) {
      const users = this.#users.get(secret);
      if (users) users.add(entry);
      else this.#users.set(secret, new Set([entry]));
    }
  }

  #release(name: string, entry: VolumeEntry): void {
    this.#volumes.delete(name);
    for (const secret of entry.secrets) {
      const users = this.#users.get(secret);
      users?.delete(entry);
      if (users?.size === 0) this.#users.delete(secret);
    }
  }
}
