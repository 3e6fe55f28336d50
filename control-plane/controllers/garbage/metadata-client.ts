/** The requests of the garbage collector: any object, by its metadata, guarded by its uid and the version that was read. */
import type { KubeObject } from '../../../api/machinery/kind.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import type { Resource } from '../../../client/resource.ts';
import { unlessNotFound } from '../framework/outcomes.ts';

export type PropagationPolicy = 'Background' | 'Foreground' | 'Orphan';

/** For one reconciliation. Objects that are gone need no write. */
export class MetadataClient {
  readonly #client: ApiClient;
  readonly #signal: AbortSignal;

  constructor(client: ApiClient, signal: AbortSignal) {
    this.#client = client;
    this.#signal = signal;
  }

  /** Undefined when the object is gone. */
  read(resource: Resource, namespace: string, name: string): Promise<KubeObject | undefined> {
    return unlessNotFound(this.#client.get(resource, namespace, name, { signal: this.#signal }));
  }

  async delete(resource: Resource, { metadata = {} }: KubeObject, propagationPolicy: PropagationPolicy): Promise<void> {
    const { namespace = '', name = '', uid, resourceVersion } = metadata;
    const options = { uid, resourceVersion, propagationPolicy, signal: this.#signal };
    await unlessNotFound(this.#client.delete(resource, namespace, name, options));
  }

  async removeOwners(resource: Resource, { metadata = {} }: KubeObject, uids: readonly string[]): Promise<void> {
    const ownerReferences = (metadata.ownerReferences ?? []).filter(({ uid }) => !uids.includes(uid));
    await this.#patch(resource, metadata, { ownerReferences });
  }

  /** Its owners need not wait for it any more. */
  async unblockOwners(resource: Resource, { metadata = {} }: KubeObject): Promise<void> {
    const ownerReferences = metadata.ownerReferences?.map((owner) => ({ ...owner, blockOwnerDeletion: false }));
    await this.#patch(resource, metadata, { ownerReferences });
  }

  async removeFinalizer(resource: Resource, { metadata = {} }: KubeObject, finalizer: string): Promise<void> {
    const finalizers = (metadata.finalizers ?? []).filter((each) => each !== finalizer);
    await this.#patch(resource, metadata, { finalizers });
  }

  /** A merge patch: custom resources know no strategic merge. */
  async #patch(
    resource: Resource,
    { namespace = '', name = '', uid, resourceVersion }: NonNullable<KubeObject['metadata']>,
    change: object,
  ): Promise<void> {
    const patch = { metadata: { uid, resourceVersion, ...change } };
    await unlessNotFound(this.#client.patch(resource, namespace, name, patch, { signal: this.#signal }));
  }
}
