/**
 * Adoption and release: a controller owns the objects that its selector matches. The rules are those of upstream's
 * `ControllerRefManager` (pkg/controller/controller_ref_manager.go):
 * https://github.com/kubernetes/design-proposals-archive/blob/main/api-machinery/controller-ref.md
 */
import type { KubeObject } from '../../../api/machinery/kind.ts';
import type { Selector } from '../../../api/machinery/selectors.ts';
import { StatusError, conflict, isNotFound } from '../../../api/machinery/status-error.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import type { Resource } from '../../../client/resource.ts';
import { unlessNotFound } from './outcomes.ts';
import { controllerOf, controllerReference, orphansOf, type Claimable } from './owner-references.ts';

export interface ClaimOptions<T> {
  readonly client: Pick<ApiClient, 'get' | 'patch'>;
  readonly signal: AbortSignal;
  /** The controller's object and its resource. */
  readonly owner: KubeObject;
  readonly ownerResource: Resource;
  readonly selector: Selector;
  /** What else an object must be to be owned, beside being selected. */
  readonly accepts?: (candidate: Claimable) => boolean;
  /** What an adopted object gets, and loses when it is released: the owner sees it to its end. */
  readonly finalizer?: string;
  /** Of what is claimed. */
  readonly resource: Resource;
  readonly claimableOf: (item: T) => Claimable;
}

/** What the owner may claim: its own, and what nobody controls in its namespace. The cache has the index `controller`. */
export const claimCandidates = <S>(
  cache: { byIndex(index: string, value: string): S[] },
  { metadata }: KubeObject,
): S[] => [
  ...cache.byIndex('controller', metadata?.uid ?? ''),
  ...cache.byIndex('controller', orphansOf(metadata?.namespace ?? '')),
];

export type Claim = 'own' | 'adopt' | 'release' | 'ignore';

/** What becomes of a candidate that the selector matches or not. */
export function planClaim(candidate: Claimable, { metadata = {} }: KubeObject, isMatch: boolean): Claim {
  const isOwnerDeleting = metadata.deletionTimestamp !== undefined;
  const controller = controllerOf(candidate.owners);
  if (controller) {
    if (controller.uid !== metadata.uid) return 'ignore';
    if (isMatch) return 'own';
    return isOwnerDeleting ? 'ignore' : 'release';
  }
  const canAdopt = isMatch && !isOwnerDeleting && !candidate.deleting;
  return canAdopt && (candidate.namespace === metadata.namespace || !metadata.namespace) ? 'adopt' : 'ignore';
}

/**
 * Adopts and releases what has to be, and returns the candidates that the owner controls then. Every candidate is attempted; the
 * first failure is thrown afterwards, so that the owner is reconciled again.
 */
export async function claim<T>(candidates: readonly T[], options: ClaimOptions<T>): Promise<T[]> {
  const { owner, selector, accepts, claimableOf } = options;
  const claimed: T[] = [];
  const failures: unknown[] = [];
  let isAdoptable: Promise<void> | undefined;
  for (const item of candidates) {
    const candidate = claimableOf(item);
    const isMatch = selector.matches(candidate.labels) && (accepts?.(candidate) ?? true);
    const plan = planClaim(candidate, owner, isMatch);
    try {
      if (plan === 'own') claimed.push(item);
      if (plan === 'release') await release(candidate, options);
      if (plan !== 'adopt') continue;
      isAdoptable ??= checkOwner(options);
      await isAdoptable;
      if (await adopt(candidate, options)) claimed.push(item);
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return claimed;
}

/** The cache may be old: an owner that is gone or going must not adopt anything. Throws a Conflict then. */
async function checkOwner<T>({ client, owner, ownerResource, signal }: ClaimOptions<T>): Promise<void> {
  const { namespace = '', name = '', uid } = owner.metadata ?? {};
  const fresh = await unlessNotFound(client.get(ownerResource, namespace, name, { signal }));
  if (fresh?.metadata?.uid !== uid) throw conflict(ownerResource, name, `the object with uid ${uid} is gone`);
  const { deletionTimestamp } = fresh?.metadata ?? {};
  if (deletionTimestamp) throw conflict(ownerResource, name, `the object was deleted at ${deletionTimestamp}`);
}

/** Returns false when there is nothing to adopt any more. Rejects with a Conflict when another object has its name. */
async function adopt<T>(candidate: Claimable, { owner, ownerResource, ...options }: ClaimOptions<T>): Promise<boolean> {
  const { finalizer } = options;
  const ownerReferences = [controllerReference(ownerResource, owner)];
  const change = { ownerReferences, ...(finalizer && { finalizers: [finalizer] }) };
  return (await unlessNotFound(patchMetadata(candidate, change, options))) !== undefined;
}

async function release<T>(candidate: Claimable, { owner, ...options }: ClaimOptions<T>): Promise<void> {
  const { finalizer } = options;
  const ownerReferences = [{ $patch: 'delete', uid: owner.metadata?.uid }];
  const change = { ownerReferences, ...(finalizer && { '$deleteFromPrimitiveList/finalizers': [finalizer] }) };
  try {
    await patchMetadata(candidate, change, options);
  } catch (error) {
    // Invalid: it has no owners any more.
    const isReleased = isNotFound(error) || (error instanceof StatusError && error.reason === 'Invalid');
    if (!isReleased) throw error;
  }
}

async function patchMetadata(
  { namespace, name, uid }: Claimable,
  change: object,
  { client, resource, signal }: Pick<ClaimOptions<unknown>, 'client' | 'resource' | 'signal'>,
): Promise<KubeObject> {
  const patch = { metadata: { uid, ...change } };
  return await client.patch(resource, namespace, name, patch, { type: 'strategic', signal });
}
