import { defineKind } from '../machinery/define-kind.ts';
import { always, atomic, string, struct, type Static } from '../machinery/schema.ts';
import { ObjectMeta } from '../meta/object-meta.ts';
import { RoleRef, Subject } from './rules.ts';
import { validatePathSegmentName } from '../machinery/names.ts';
import { applyBindingDefaults, bindingColumns, validateBinding, validateBindingUpdate } from './rbac-validation.ts';

export const RoleBinding = struct(
  'io.k8s.api.rbac.v1.RoleBinding',
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
export type RoleBinding = Static<typeof RoleBinding>;

export const roleBindings = defineKind<RoleBinding>({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'RoleBinding',
  plural: 'rolebindings',
  namespaced: true,
  schema: RoleBinding,
  validateName: validatePathSegmentName,
  createOnUpdate: true,
  columns: bindingColumns<RoleBinding>(),
  applyDefaults: applyBindingDefaults,
  validate: (binding) => validateBinding(binding, ['Role', 'ClusterRole']),
  validateUpdate: validateBindingUpdate,
});
