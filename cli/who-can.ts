/** Who may do something, by RBAC: pure. The rules are read as the api-server reads them. */
import { ruleAllows } from '../control-plane/apiserver/access/authorization/policy-rule.ts';
import type { ClusterRole, ClusterRoleBinding, Role, RoleBinding, RoleRef, Subject } from '../api/types/rbac/v1.gen.ts';

export interface Question {
  readonly verb: string;
  /** Of a request for no resource: `/metrics`. */
  readonly path?: string;
  readonly group?: string;
  readonly resource?: string;
  readonly subresource?: string;
  /** '' for the whole cluster. */
  readonly namespace?: string;
  /** '' for any object. */
  readonly name?: string;
}

/** The objects of RBAC, as far as they could be read; those of one namespace, where the question is about one. */
export interface AccessObjects {
  readonly clusterRoles: readonly ClusterRole[];
  readonly clusterRoleBindings: readonly ClusterRoleBinding[];
  readonly roles: readonly Role[];
  readonly roleBindings: readonly RoleBinding[];
}

interface Named {
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

/** One subject, by one binding. */
export interface Holder {
  readonly subject: Named;
  readonly binding: Named;
  readonly role: Named;
}

export interface WhoCan {
  readonly holders: readonly Holder[];
  /** Bindings whose roles do not exist: as soon as they do, somebody may more. */
  readonly dangling: readonly Named[];
}

export function whoCan(question: Question, objects: AccessObjects): WhoCan {
  const { path, verb, namespace = '' } = question;
  const attributes = {
    ...{ isResource: path === undefined, path: path ?? '', verb, version: '', namespace },
    ...{ group: question.group ?? '', resource: question.resource ?? '' },
    ...{ subresource: question.subresource ?? '', name: question.name ?? '' },
  };
  const clusterRoles = new Map(objects.clusterRoles.map((role) => [nameOf(role), role]));
  const roles = new Map(objects.roles.map((role) => [nameOf(role), role]));
  const holders: Holder[] = [];
  const dangling: Named[] = [];
  const look = (binding: Named, { kind, name }: RoleRef, subjects: readonly Subject[] = []): void => {
    const role = kind === 'ClusterRole' ? clusterRoles.get(name) : roles.get(name);
    if (!role) {
      if (subjects.length > 0) dangling.push(binding);
      return;
    }
    if (!(role.rules ?? []).some((rule) => ruleAllows(rule, attributes))) return;
    const granted = { kind, name, ...(kind === 'Role' && { namespace }) };
    for (const subject of subjects) holders.push({ subject: subjectOf(subject, binding), binding, role: granted });
  };
  for (const binding of objects.clusterRoleBindings)
    look({ kind: 'ClusterRoleBinding', name: nameOf(binding) }, binding.roleRef, binding.subjects);
  for (const binding of objects.roleBindings)
    look({ kind: 'RoleBinding', name: nameOf(binding), namespace }, binding.roleRef, binding.subjects);
  return { holders: holders.sort(byText), dangling };
}

const nameOf = ({ metadata }: { readonly metadata?: { readonly name?: string } }): string => metadata?.name ?? '';

function subjectOf({ kind, name, namespace }: Subject, binding: Named): Named {
  if (kind !== 'ServiceAccount') return { kind, name };
  return { kind, name, namespace: namespace || binding.namespace || '' };
}

const textOf = ({ subject, binding }: Holder): string =>
  JSON.stringify([subject.kind, subject.namespace ?? '', subject.name, binding.kind, binding.name]);

const byText = (a: Holder, b: Holder): number => (textOf(a) < textOf(b) ? -1 : 1);
