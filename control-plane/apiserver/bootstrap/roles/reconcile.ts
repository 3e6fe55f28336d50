import { deepEqual } from '../../../../api/machinery/deep-equal.ts';
import type { Kind, KubeObject } from '../../../../api/machinery/kind.ts';
import { isAlreadyExists } from '../../../../api/machinery/status-error.ts';
import { clusterRoleBindings } from '../../../../api/kinds/rbac/cluster-role-binding.ts';
import { clusterRoles } from '../../../../api/kinds/rbac/cluster-role.ts';
import { roleBindings } from '../../../../api/kinds/rbac/role-binding.ts';
import { roles } from '../../../../api/kinds/rbac/role.ts';
import type { LocalApi } from '../../catalogue/local-api.ts';
import { missingRights } from '../../access/authorization/policy-rule.ts';
import { AUTOUPDATE_ANNOTATION, defaultPolicy } from './policy.ts';
import type { ClusterRole, RoleBinding } from '../../../../api/types/rbac/v1.gen.ts';

type Writer = Pick<LocalApi, 'get' | 'create' | 'update' | 'delete'>;

/** The present object with what the wanted one has more; undefined when it has everything. */
type Complete<T> = (present: T, wanted: T) => T | undefined;

function withLabels<T extends KubeObject>(present: T, wanted: T): T {
  return {
    ...present,
    metadata: {
      ...present.metadata,
      labels: { ...wanted.metadata?.labels, ...present.metadata?.labels },
      annotations: { ...wanted.metadata?.annotations, ...present.metadata?.annotations },
    },
  };
}

const unlessSame = <T>(present: T, completed: T): T | undefined =>
  deepEqual(present, completed) ? undefined : completed;

function completeRole(present: ClusterRole, wanted: ClusterRole): ClusterRole | undefined {
  const completed = withLabels(present, wanted);
  const owned = present.rules ?? [];
  const missing = (wanted.rules ?? []).filter((rule) => missingRights(owned, [rule]).length > 0);
  // The rules of an aggregated role are the aggregation's.
  if (missing.length > 0 && !wanted.aggregationRule) completed.rules = [...owned, ...missing];
  const selectors = present.aggregationRule?.clusterRoleSelectors ?? [];
  const missingSelectors = (wanted.aggregationRule?.clusterRoleSelectors ?? []).filter(
    (selector) => !selectors.some((one) => deepEqual(one, selector)),
  );
  if (missingSelectors.length > 0) {
    completed.aggregationRule = { clusterRoleSelectors: [...selectors, ...missingSelectors] };
  }
  return unlessSame(present, completed);
}

function completeBinding(present: RoleBinding, wanted: RoleBinding): RoleBinding | undefined {
  const completed = withLabels(present, wanted);
  const subjects = present.subjects ?? [];
  const missing = (wanted.subjects ?? []).filter((subject) => !subjects.some((one) => deepEqual(one, subject)));
  if (missing.length > 0) completed.subjects = [...subjects, ...missing];
  return unlessSame(present, completed);
}

async function reconcile<T extends KubeObject>(
  api: Writer,
  kind: Kind<T>,
  wanted: T,
  complete: Complete<T>,
  mustReplace: (present: T, wanted: T) => boolean = () => false,
): Promise<void> {
  const namespace = wanted.metadata?.namespace ?? '';
  const name = wanted.metadata?.name ?? '';
  const present = api.get(kind, namespace, name);
  if (present?.metadata?.annotations?.[AUTOUPDATE_ANNOTATION] === 'false') return;
  try {
    if (!present) {
      await api.create(kind, wanted);
    } else if (mustReplace(present, wanted)) {
      await api.delete(kind, namespace, name);
      await api.create(kind, wanted);
    } else {
      const completed = complete(present, wanted);
      if (completed) await api.update(kind, completed);
    }
  } catch (error) {
    // Another server reconciles the same policy.
    if (!isAlreadyExists(error)) throw error;
  }
}

/** What a binding refers to cannot be changed in place. */
const refersElsewhere = (present: RoleBinding, wanted: RoleBinding): boolean =>
  present.roleRef.kind !== wanted.roleRef.kind || present.roleRef.name !== wanted.roleRef.name;

/**
 * Makes sure that the default roles and bindings are there with at least what they have by default, as upstream's
 * auto-reconciliation does: what an operator added stays, what was taken away comes back, an object whose autoupdate
 * annotation is `false` is left alone. The namespaces kube-system and kube-public must be there.
 */
export async function reconcileDefaultPolicy(api: Writer): Promise<void> {
  const policy = defaultPolicy();
  await Promise.all([
    ...policy.clusterRoles.map((role) => reconcile(api, clusterRoles, role, completeRole)),
    ...policy.roles.map((role) => reconcile(api, roles, role, completeRole)),
    ...policy.clusterRoleBindings.map((binding) =>
      reconcile(api, clusterRoleBindings, binding, completeBinding, refersElsewhere),
    ),
    ...policy.roleBindings.map((binding) => reconcile(api, roleBindings, binding, completeBinding, refersElsewhere)),
  ]);
}
