import { defineKind } from '../../machinery/define-kind.ts';
import { validatePathSegmentName } from '../../machinery/names.ts';
import { applyBindingDefaults, bindingColumns, validateBinding, validateBindingUpdate } from './rbac-validation.ts';
import { ClusterRoleBinding } from '../../types/rbac/v1.gen.ts';

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
  validate: (binding) => validateBinding(binding, ['ClusterRole'], false),
  validateUpdate: validateBindingUpdate,
});
