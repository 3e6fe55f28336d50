import { clusterRoleBindings } from '../../../../api/kinds/rbac/cluster-role-binding.ts';
import { clusterRoles } from '../../../../api/kinds/rbac/cluster-role.ts';
import { roleBindings } from '../../../../api/kinds/rbac/role-binding.ts';
import { roles } from '../../../../api/kinds/rbac/role.ts';
import { serviceAccountUserName, type User } from '../../http/user.ts';
import type { LocalApi } from '../../catalogue/local-api.ts';
import type { Decision } from './authorizer.ts';
import type {
  ClusterRoleBinding,
  PolicyRule,
  RoleBinding,
  RoleRef,
  Subject,
} from '../../../../api/types/rbac/v1.gen.ts';

/** A role granted to one subject by a binding. */
export interface Grant {
  readonly role: RoleRef;
  /** The binding's namespace; '' for the whole cluster. */
  readonly namespace: string;
  /** The decision when the role allows the request, made once. */
  readonly decision: Decision;
}

/** Sets, since a binding may have tens of thousands of subjects, and each grant is added and removed separately. */
type Subjects = Map<string, Set<Grant>>;

interface Grants {
  readonly users: Subjects;
  readonly groups: Subjects;
}

/** The location of a grant in the index, to remove it. */
interface Placed {
  readonly subjects: Subjects;
  readonly subject: string;
  readonly grant: Grant;
}

const describeSubject = ({ kind, name, namespace }: Subject, bindingNamespace: string): string =>
  kind === 'ServiceAccount'
    ? `${kind} ${JSON.stringify(`${name}/${namespace || bindingNamespace}`)}`
    : `${kind} ${JSON.stringify(name)}`;

function describeBinding(name: string, namespace: string, role: RoleRef): string {
  const binding = namespace ? `RoleBinding ${JSON.stringify(`${name}/${namespace}`)}` : `ClusterRoleBinding "${name}"`;
  return `${binding} of ${role.kind} ${JSON.stringify(role.name)}`;
}

/** Follows roles and bindings, indexed by subject: a decision reads the grants of the user alone. */
export class RbacIndex {
  readonly #clusterRoles = new Map<string, readonly PolicyRule[]>();
  readonly #roles = new Map<string, readonly PolicyRule[]>();
  readonly #clusterGrants: Grants = { users: new Map(), groups: new Map() };
  readonly #namespaceGrants = new Map<string, Grants>();
  readonly #placed = new Map<string, readonly Placed[]>();

  constructor(api: Pick<LocalApi, 'subscribe'>) {
    api.subscribe(clusterRoles, ({ name, object }) => {
      if (object) this.#clusterRoles.set(name, object.rules ?? []);
      else this.#clusterRoles.delete(name);
    });
    api.subscribe(roles, ({ namespace, name, object }) => {
      if (object) this.#roles.set(`${namespace}/${name}`, object.rules ?? []);
      else this.#roles.delete(`${namespace}/${name}`);
    });
    api.subscribe(clusterRoleBindings, ({ name, object }) => this.#bind('', name, object));
    api.subscribe(roleBindings, ({ namespace, name, object }) => this.#bind(namespace, name, object));
  }

  /** The rules of a role; undefined when it does not exist. `namespace` is the binding's. */
  rulesOf(role: RoleRef, namespace: string): readonly PolicyRule[] | undefined {
    return role.kind === 'ClusterRole'
      ? this.#clusterRoles.get(role.name)
      : this.#roles.get(`${namespace}/${role.name}`);
  }

  /** The first grant to the user, for the cluster or in the namespace, for which `accept` returns true. */
  findGrant(user: User, namespace: string, accept: (grant: Grant) => boolean): Grant | undefined {
    const found = findIn(this.#clusterGrants, user, accept);
    if (found || namespace === '') return found;
    const grants = this.#namespaceGrants.get(namespace);
    return grants && findIn(grants, user, accept);
  }

  #bind(namespace: string, name: string, binding: RoleBinding | ClusterRoleBinding | undefined): void {
    const key = `${namespace}/${name}`;
    for (const { subjects, subject, grant } of this.#placed.get(key) ?? []) {
      const grants = subjects.get(subject);
      grants?.delete(grant);
      if (grants?.size === 0) subjects.delete(subject);
    }
    this.#placed.delete(key);
    if (!binding) return;
    const grants = namespace ? this.#grantsIn(namespace) : this.#clusterGrants;
    const description = describeBinding(name, namespace, binding.roleRef);
    const placed = distinct(binding.subjects ?? []).map((subject): Placed => {
      const reason = `RBAC: allowed by ${description} to ${describeSubject(subject, namespace)}`;
      const grant = { role: binding.roleRef, namespace, decision: { allowed: true, reason } };
      if (subject.kind === 'Group') return { subjects: grants.groups, subject: subject.name, grant };
      const userName =
        subject.kind === 'ServiceAccount'
          ? serviceAccountUserName(subject.namespace || namespace, subject.name)
          : subject.name;
      return { subjects: grants.users, subject: userName, grant };
    });
    for (const { subjects, subject, grant } of placed) {
      const known = subjects.get(subject);
      if (known) known.add(grant);
      else subjects.set(subject, new Set([grant]));
    }
    this.#placed.set(key, placed);
  }

  #grantsIn(namespace: string): Grants {
    let grants = this.#namespaceGrants.get(namespace);
    if (!grants) {
      grants = { users: new Map(), groups: new Map() };
      this.#namespaceGrants.set(namespace, grants);
    }
    return grants;
  }
}

/** Drops duplicate subjects, which grant nothing more and would cost time with every request. */
function distinct(subjects: readonly Subject[]): Subject[] {
  const known = new Map<string, Subject>();
  for (const subject of subjects) {
    const key = JSON.stringify([subject.kind, subject.namespace, subject.name]);
    if (!known.has(key)) known.set(key, subject);
  }
  return [...known.values()];
}

function findIn({ users, groups }: Grants, user: User, accept: (grant: Grant) => boolean): Grant | undefined {
  const own = firstOf(users.get(user.name), accept);
  if (own) return own;
  for (const group of user.groups) {
    const found = firstOf(groups.get(group), accept);
    if (found) return found;
  }
  return undefined;
}

function firstOf(grants: ReadonlySet<Grant> | undefined, accept: (grant: Grant) => boolean): Grant | undefined {
  if (grants) for (const grant of grants) if (accept(grant)) return grant;
  return undefined;
}
