import { semanticallyEqual } from '../../../api/machinery/deep-equal.ts';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import { forbidden, notFound } from '../../../api/machinery/status-error.ts';
import { clusterRoles } from '../../../api/kinds/rbac/cluster-role.ts';
import { RBAC_GROUP } from '../../../api/kinds/rbac/rbac-validation.ts';
import { roles } from '../../../api/kinds/rbac/role.ts';
import { PRIVILEGED_GROUP, type User } from '../http/user.ts';
import type { Authorizer } from '../access/authorization/authorizer.ts';
import { describeRules, missingRights } from '../access/authorization/policy-rule.ts';
import type { RbacAuthorizer } from '../access/authorization/rbac-authorizer.ts';
import type { RbacIndex } from '../access/authorization/rbac-index.ts';
import type { AdmissionPlugin, AdmissionRequest } from './plugin.ts';
import type { ClusterRole, PolicyRule, RoleBinding } from '../../../api/types/rbac/v1.gen.ts';

const EVERYTHING: readonly PolicyRule[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
  { verbs: ['*'], nonResourceURLs: ['*'] },
];

const aggregates = (role: ClusterRole | undefined): boolean =>
  (role?.aggregationRule?.clusterRoleSelectors?.length ?? 0) > 0;

/**
 * Whether an update changes nothing but the fields by which the garbage collector works. Any other one is looked at like a
 * create: a label alone can make a role part of an aggregate that others are bound to.
 */
function changesNothingButCollection(object: KubeObject, old: KubeObject): boolean {
  const { ownerReferences, finalizers } = old.metadata ?? {};
  return semanticallyEqual({ ...object, metadata: { ...object.metadata, ownerReferences, finalizers } }, old);
}

export interface RbacEscalationOptions {
  readonly authorizer: Authorizer;
  readonly rbac: RbacAuthorizer;
  readonly index: RbacIndex;
}

/**
 * No user grants rights that they do not have, unless they may `escalate` the role or `bind` it:
 * https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping
 */
export function rbacEscalation({ authorizer, rbac, index }: RbacEscalationOptions): AdmissionPlugin {
  const may = async (user: User, verb: string, resource: string, namespace: string, name: string): Promise<boolean> => {
    const { allowed } = await authorizer.authorize(user, {
      ...{ isResource: true, path: '', verb, name, namespace },
      ...{ group: RBAC_GROUP, version: '*', resource, subresource: '' },
    });
    return allowed;
  };

  /** What is missing of the rules, as the message of a refusal; undefined when nothing is. */
  const lacking = (user: User, namespace: string, wanted: readonly PolicyRule[]): string | undefined => {
    const { rules, errors } = rbac.rulesFor(user, namespace);
    const missing = missingRights(rules, wanted);
    if (missing.length === 0) return undefined;
    const groups = `[${user.groups.map((group) => JSON.stringify(group)).join(' ')}]`;
    const unresolved = errors.length > 0 ? `; resolution errors: [${errors.join(', ')}]` : '';
    return (
      `user ${JSON.stringify(user.name)} (groups=${groups}) is attempting to grant RBAC permissions not currently held:\n` +
      `${describeRules(missing).join('\n')}${unresolved}`
    );
  };

  const checkRole = async ({ kind, namespace, name, object, old, user }: AdmissionRequest): Promise<void> => {
    const role = object as ClusterRole;
    if (await may(user, 'escalate', kind.plural, namespace, name)) return;
    const why = lacking(user, namespace, role.rules ?? []);
    if (why) throw forbidden(kind, name, why);
    if ((aggregates(role) || aggregates(old)) && lacking(user, '', EVERYTHING)) {
      throw forbidden(kind, name, 'must have cluster-admin privileges to use the aggregationRule');
    }
  };

  const checkBinding = async ({ kind, namespace, name, object, user }: AdmissionRequest): Promise<void> => {
    const { roleRef } = object as RoleBinding;
    const role = roleRef.kind === 'ClusterRole' ? clusterRoles : roles;
    if (await may(user, 'bind', role.plural, namespace, roleRef.name)) return;
    const rules = index.rulesOf(roleRef, namespace);
    if (!rules) throw notFound(role, roleRef.name);
    const why = lacking(user, namespace, rules);
    if (why) throw forbidden(kind, name, why);
  };

  return {
    name: 'RBACEscalation',
    // Before validation, as upstream: a user that may not grant the role does not learn what else is wrong with it.
    mutate(request) {
      const { kind, operation, user, object, old } = request;
      if (kind.group !== RBAC_GROUP || (operation !== 'CREATE' && operation !== 'UPDATE')) return;
      if (user.groups.includes(PRIVILEGED_GROUP)) return;
      if (object && old && changesNothingButCollection(object, old)) return;
      return kind.kind === 'Role' || kind.kind === 'ClusterRole' ? checkRole(request) : checkBinding(request);
    },
  };
}
