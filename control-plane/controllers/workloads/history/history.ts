/** Keeps the ControllerRevisions of a workload: adopts, creates, renumbers and deletes them. */
import { selectorFrom } from '../../../../api/machinery/selectors.ts';
import { isAlreadyExists } from '../../../../api/machinery/status-error.ts';
import type { ApiClient } from '../../../../client/api-client.ts';
import type { Informer } from '../../../../client/informer.ts';
import type { Resource } from '../../../../client/resource.ts';
import { controllerRevisions } from '../../../../client/resources.gen.ts';
import { claim, claimCandidates } from '../../framework/claim.ts';
import { dependentHandlers, selectingOwners } from '../../framework/dependents.ts';
import { allOrFirstFailure, unlessGone, unlessNotFound } from '../../framework/outcomes.ts';
import { claimable, controllerOf } from '../../framework/owner-references.ts';
import { writeStatus } from '../../framework/status.ts';
import { watch, type KeyQueue, type Watch } from '../../framework/watch.ts';
import { newRevision, planRevision, revisionsOf, sortedRevisions, type Revisioned } from './revision.ts';
import type { ControllerRevision } from '../../../../api/types/apps/v1.gen.ts';

export interface RevisionHistoryOptions<T extends Revisioned> {
  readonly client: ApiClient;
  readonly cache: Informer<ControllerRevision>;
  /** The workloads whose history it is. */
  readonly owners: Informer<T>;
  readonly ownerResource: Resource<T>;
  /** The label of a revision that has the hash of its name. */
  readonly hashLabel: string;
}

export class RevisionHistory<T extends Revisioned> {
  readonly #options: RevisionHistoryOptions<T>;

  constructor(options: RevisionHistoryOptions<T>) {
    this.#options = options;
  }

  /** Revisions that others change wake the workload, and those without a controller the workloads that would adopt them. */
  watch(queue: KeyQueue): Watch {
    const { cache, owners, ownerResource } = this.#options;
    return watch(
      cache,
      dependentHandlers<ControllerRevision>({
        ...{ queue, ownerResource, claimableOf: claimable },
        adopters: selectingOwners(owners, ({ spec }) => spec?.selector),
      }),
    );
  }

  /** The revisions that the workload controls, oldest first. */
  async claim(owner: T, signal: AbortSignal): Promise<ControllerRevision[]> {
    const { client, cache, ownerResource } = this.#options;
    const claimed = await claim(claimCandidates(cache, owner), {
      ...{ client, signal, owner, ownerResource, resource: controllerRevisions },
      selector: selectorFrom(owner.spec?.selector),
      claimableOf: claimable,
    });
    return sortedRevisions(claimed);
  }

  /**
   * The revision of the workload's template, which is made the newest one. Throws AlreadyExists, after the collision was counted in
   * the status, when its name is taken by another.
   */
  async sync(owner: T, revisions: readonly ControllerRevision[], signal: AbortSignal): Promise<ControllerRevision> {
    const { client, ownerResource, hashLabel } = this.#options;
    const plan = planRevision(owner, revisions);
    if (plan.type === 'keep') return plan.revision;
    if (plan.type === 'create') {
      const wanted = newRevision(ownerResource, owner, { revision: plan.number, hashLabel });
      return await this.#create(owner, wanted, signal);
    }
    const { namespace = '', name = '', uid } = plan.revision.metadata ?? {};
    return await client.patch(
      controllerRevisions,
      namespace,
      name,
      { metadata: { uid }, revision: plan.to },
      { signal },
    );
  }

  async #create(owner: T, wanted: ControllerRevision, signal: AbortSignal): Promise<ControllerRevision> {
    const { client, ownerResource } = this.#options;
    try {
      return await client.create(controllerRevisions, wanted, { signal });
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      const there = await this.find(owner, wanted.metadata?.name ?? '', signal);
      // Created before, and not in the cache yet.
      if (there && revisionsOf(owner.spec?.template, [there]).length > 0) return there;
      const collisionCount = (owner.status?.collisionCount ?? 0) + 1;
      await writeStatus(ownerResource, owner, { ...owner.status, collisionCount }, { client, signal });
      throw error;
    }
  }

  /** The revision of that name, if the workload controls it, from the api-server: the cache may lag behind its owner's. */
  async find(owner: T, name: string, signal: AbortSignal): Promise<ControllerRevision | undefined> {
    const { namespace = '', uid } = owner.metadata ?? {};
    const { client } = this.#options;
    const revision = await unlessNotFound(client.get(controllerRevisions, namespace, name, { signal }));
    return controllerOf(revision?.metadata?.ownerReferences)?.uid === uid ? revision : undefined;
  }

  async delete(revisions: readonly ControllerRevision[], signal: AbortSignal): Promise<void> {
    const { client } = this.#options;
    await allOrFirstFailure(
      revisions.map(({ metadata: { namespace = '', name = '', uid } = {} }) =>
        unlessGone(client.delete(controllerRevisions, namespace, name, { uid, signal })),
      ),
    );
  }
}
