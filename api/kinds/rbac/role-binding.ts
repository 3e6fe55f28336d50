import { defineKind } from '../../machinery/define-kind.ts';
import { validatePathSegmentName } from '../../machinery/names.ts';
import { applyBindingDefaults, bindingColumns, validateBinding, validateBindingUpdate } from './rbac-validation.ts';
import { RoleBinding } from '../../types/rbac/v1.gen.ts';

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
  validate: (binding) => validateBinding(binding, ['Role', 'ClusterRole'], true),
  validateUpdate: validateBindingUpdate,
});
