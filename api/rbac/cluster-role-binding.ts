import { defineKind } from '../machinery/define-kind.ts';
import { always, atomic, string, struct, type Static } from '../machinery/schema.ts';
import { ObjectMeta } from '../meta/object-meta.ts';
import { RoleRef, Subject } from './rules.ts';
import { validatePathSegmentName } from '../machinery/names.ts';
import { applyBindingDefaults, bindingColumns, validateBinding, validateBindingUpdate } from './rbac-validation.ts';

export const ClusterRoleBinding = struct(
  'io.k8s.api.rbac.v1.ClusterRoleBinding',
  {
    roleRef: RoleRef,
  },
  {
    apiVersion: string(),
    kind: string(),
    metadata: always(ObjectMeta),
    subjects: atomic(Subject),
  },
);
export type ClusterRoleBinding = Static<typeof ClusterRoleBinding>;

export const clusterRoleBindings = defineKind<ClusterRoleBinding>({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'ClusterRoleBinding',
  plural: 'clusterrolebindings',
  namespaced: false,
  schema: ClusterRoleBinding,
  validateName: validatePathSegmentName,
  createOnUpdate: true,
  columns: bindingColumns<ClusterRoleBinding>(),
  applyDefaults: applyBindingDefaults,
  validate: (binding) => validateBinding(binding, ['ClusterRole']),
  validateUpdate: validateBindingUpdate,
});
