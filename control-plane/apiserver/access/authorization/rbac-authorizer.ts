import type { User } from '../../http/user.ts';
import {
  NO_OPINION,
  type Attributes,
  type Authorizer,
  type Decision,
  type ResolvedRules,
  type RuleResolver,
} from './authorizer.ts';
import { ruleAllows } from './policy-rule.ts';
import type { RbacIndex } from './rbac-index.ts';
import type { PolicyRule, RoleRef } from '../../../../api/types/rbac/v1.gen.ts';

const missingRole = (role: RoleRef): string =>
  `${role.kind.toLowerCase()}.rbac.authorization.k8s.io ${JSON.stringify(role.name)} not found`;

/** Role-based access control: https://kubernetes.io/docs/reference/access-authn-authz/rbac/ */
export class RbacAuthorizer implements Authorizer, RuleResolver {
  readonly #index: RbacIndex;

  constructor(index: RbacIndex) {
    this.#index = index;
  }

  authorize(user: User, attributes: Attributes): Decision {
    let missing = false;
    const grant = this.#index.findGrant(user, attributes.namespace, ({ role, namespace }) => {
      const rules = this.#index.rulesOf(role, namespace);
      if (!rules) missing = true;
      else for (const rule of rules) if (ruleAllows(rule, attributes)) return true;
      return false;
    });
    if (grant) return grant.decision;
    if (!missing) return NO_OPINION;
    const { errors } = this.rulesFor(user, attributes.namespace);
    return { allowed: false, reason: `RBAC: ${errors.length === 1 ? errors[0] : `[${errors.join(', ')}]`}` };
  }

  /** All rules of the user in the namespace and in the cluster. */
  rulesFor(user: User, namespace: string): ResolvedRules {
    const rules: PolicyRule[] = [];
    const errors: string[] = [];
    this.#index.findGrant(user, namespace, (grant) => {
      const found = this.#index.rulesOf(grant.role, grant.namespace);
      if (found) rules.push(...found);
      else errors.push(missingRole(grant.role));
      return false;
    });
    return { rules, errors };
  }
}
