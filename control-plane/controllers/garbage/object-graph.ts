/** Who owns whom in the whole cluster. It knows objects by uid and keeps nothing of them but what `Owned` says. */
import { FOREGROUND_FINALIZER, ORPHAN_FINALIZER } from '../../../api/machinery/finalizers.ts';
import type { Resource } from '../../../client/resource.ts';
import type { Owned } from '../framework/owner-references.ts';

export interface GraphNode {
  readonly resource: Resource;
  readonly view: Owned;
}

/** Being deleted, and waiting for its dependents to go first. */
export const isDeletingDependents = ({ deleting, finalizers }: Owned): boolean =>
  deleting && finalizers.includes(FOREGROUND_FINALIZER);
/** Being deleted, and waiting for its dependents to be let go first. */
export const isOrphaningDependents = ({ deleting, finalizers }: Owned): boolean =>
  deleting && finalizers.includes(ORPHAN_FINALIZER);

export class ObjectGraph {
  readonly #nodes = new Map<string, GraphNode>();
  readonly #dependents = new Map<string, Set<string>>();

  get(uid: string): GraphNode | undefined {
    return this.#nodes.get(uid);
  }

  get size(): number {
    return this.#nodes.size;
  }

  dependentsOf(uid: string): GraphNode[] {
    const found: GraphNode[] = [];
    for (const dependent of this.#dependents.get(uid) ?? []) {
      const node = this.#nodes.get(dependent);
      if (node) found.push(node);
    }
    return found;
  }

  hasDependents(uid: string): boolean {
    return this.#dependents.has(uid);
  }

  put(resource: Resource, view: Owned): void {
    const before = this.#nodes.get(view.uid)?.view.owners ?? [];
    this.#nodes.set(view.uid, { resource, view });
    if (before === view.owners) return;
    for (const { uid } of before) this.#unlink(uid, view.uid);
    for (const { uid } of view.owners) {
      const dependents = this.#dependents.get(uid);
      if (dependents) dependents.add(view.uid);
      else this.#dependents.set(uid, new Set([view.uid]));
    }
  }

  remove({ uid, owners }: Owned): void {
    this.#nodes.delete(uid);
    for (const owner of owners) this.#unlink(owner.uid, uid);
  }

  #unlink(owner: string, dependent: string): void {
    const dependents = this.#dependents.get(owner);
    dependents?.delete(dependent);
    if (dependents?.size === 0) this.#dependents.delete(owner);
  }
}
