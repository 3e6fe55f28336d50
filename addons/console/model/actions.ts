/** What can be done to an object, and what has to be allowed for it. */
import { at, type KubeObject } from './object.ts';
import type { ResourceName } from './route.ts';

export type ActionName =
  'scale' | 'restart' | 'rollback' | 'cordon' | 'uncordon' | 'drain' | 'suspend' | 'resume' | 'delete';

export interface Needed {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string;
}

export interface Action {
  readonly name: ActionName;
  /** All of them. */
  readonly needs: readonly Needed[];
  /** Whether the rights are asked of the object, or of the cluster as a whole. */
  readonly everywhere?: boolean;
}

const RESTARTED = new Set(['deployments', 'statefulsets', 'daemonsets']);

export function actionsOf(
  {
    group,
    resource,
    subresources,
    verbs,
  }: ResourceName & { subresources: ReadonlySet<string>; verbs: readonly string[] },
  object: KubeObject,
): Action[] {
  const patch: Needed = { verb: 'patch', group, resource };
  const actions: Action[] = [];
  if (subresources.has('scale')) actions.push({ name: 'scale', needs: [{ ...patch, subresource: 'scale' }] });
  if (group === 'apps' && RESTARTED.has(resource)) {
    const history = resource === 'deployments' ? 'replicasets' : 'controllerrevisions';
    actions.push({ name: 'restart', needs: [patch] });
    actions.push({ name: 'rollback', needs: [patch, { verb: 'list', group, resource: history }] });
  }
  if (group === '' && resource === 'nodes') {
    actions.push({ name: at(object, 'spec', 'unschedulable') === true ? 'uncordon' : 'cordon', needs: [patch] });
    const eviction: Needed = { verb: 'create', group: '', resource: 'pods', subresource: 'eviction' };
    actions.push({
      name: 'drain',
      needs: [patch, eviction, { verb: 'list', group: '', resource: 'pods' }],
      everywhere: true,
    });
  }
  if (group === 'batch' && resource === 'cronjobs')
    actions.push({ name: at(object, 'spec', 'suspend') === true ? 'resume' : 'suspend', needs: [patch] });
  if (verbs.includes('delete')) actions.push({ name: 'delete', needs: [{ verb: 'delete', group, resource }] });
  return actions;
}
