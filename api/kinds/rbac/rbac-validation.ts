/** Validation and columns that the RBAC kinds share. */
import { ageColumn, nameColumn, text, wide } from '../../machinery/columns.ts';
import { deepEqual } from '../../machinery/deep-equal.ts';
import { addErrors, type FieldError, invalid, notSupported, required } from '../../machinery/field-error.ts';
import { goValue } from '../../machinery/go-value.ts';
import type { Column, KubeObject } from '../../machinery/kind.ts';
import { validateSubdomainName } from '../../machinery/names.ts';
import { type PolicyRule, RoleRef, type Subject } from '../../types/rbac/v1.gen.ts';

export const RBAC_GROUP = 'rbac.authorization.k8s.io';

export function validateRules(rules: readonly PolicyRule[] | null | undefined, namespaced: boolean): FieldError[] {
  const errors: FieldError[] = [];
  for (const [index, rule] of (rules ?? []).entries()) {
    const at = `rules[${index}]`;
    if (!rule.verbs?.length) errors.push(required(`${at}.verbs`, 'verbs must contain at least one value'));
    if (rule.nonResourceURLs?.length) {
      if (namespaced) {
        errors.push(
          invalid(`${at}.nonResourceURLs`, rule.nonResourceURLs, 'namespaced rules cannot apply to non-resource URLs'),
        );
      }
      if (rule.apiGroups?.length || rule.resources?.length || rule.resourceNames?.length) {
        errors.push(
          invalid(
            `${at}.nonResourceURLs`,
            rule.nonResourceURLs,
            'rules cannot apply to both regular resources and non-resource URLs',
          ),
        );
      }
      continue;
    }
    if (!rule.apiGroups?.length) {
      errors.push(required(`${at}.apiGroups`, 'resource rules must supply at least one api group'));
    }
    if (!rule.resources?.length) {
      errors.push(required(`${at}.resources`, 'resource rules must supply at least one resource'));
    }
  }
  return errors;
}

export interface RoleBindingLike extends KubeObject {
  roleRef: RoleRef;
  subjects?: Subject[];
}

export function applyBindingDefaults({ roleRef, subjects }: RoleBindingLike): void {
  roleRef.apiGroup ||= RBAC_GROUP;
  for (const subject of subjects ?? []) {
    if (subject.kind === 'User' || subject.kind === 'Group') subject.apiGroup ||= RBAC_GROUP;
  }
}

function validateSubject(
  { kind, name, apiGroup = '', namespace }: Subject,
  at: string,
  namespaced: boolean,
): FieldError[] {
  const errors: FieldError[] = [];
  switch (kind) {
    case 'ServiceAccount':
      if (name) for (const problem of validateSubdomainName(name)) errors.push(invalid(`${at}.name`, name, problem));
      if (apiGroup !== '') errors.push(notSupported(`${at}.apiGroup`, apiGroup, ['']));
      // In a RoleBinding it defaults to the binding's own namespace when a request is authorized.
      if (!namespaced && !namespace) errors.push(required(`${at}.namespace`));
      break;
    case 'User':
    case 'Group':
      if (apiGroup !== RBAC_GROUP) errors.push(notSupported(`${at}.apiGroup`, apiGroup, [RBAC_GROUP]));
      break;
  }
  return errors;
}

export function validateBinding(
  { roleRef, subjects }: RoleBindingLike,
  roleKinds: readonly string[],
  namespaced: boolean,
): FieldError[] {
  const errors: FieldError[] = [];
  if (!roleKinds.includes(roleRef.kind)) errors.push(notSupported('roleRef.kind', roleRef.kind, roleKinds));
  for (const [index, subject] of (subjects ?? []).entries()) {
    addErrors(errors, validateSubject(subject, `subjects[${index}]`, namespaced));
  }
  return errors;
}

export const validateBindingUpdate = ({ roleRef }: RoleBindingLike, old: RoleBindingLike): FieldError[] =>
  deepEqual(roleRef, old.roleRef) ? [] : [invalid('roleRef', goValue(RoleRef, roleRef), 'cannot change roleRef')];

const subjectsOf =
  (kind: string, name: (subject: Subject) => string) =>
  (binding: RoleBindingLike): string =>
    (binding.subjects ?? [])
      .filter((subject) => subject.kind === kind)
      .map(name)
      .join(', ');

export const bindingColumns = <T extends RoleBindingLike>(): readonly Column<T>[] => [
  nameColumn(),
  text('Role', ({ roleRef }) => `${roleRef.kind}/${roleRef.name}`),
  ageColumn(),
  wide(
    'Users',
    subjectsOf('User', ({ name }) => name),
  ),
  wide(
    'Groups',
    subjectsOf('Group', ({ name }) => name),
  ),
  wide(
    'ServiceAccounts',
    subjectsOf('ServiceAccount', ({ name, namespace }) => `${namespace ?? ''}/${name}`),
  ),
];
