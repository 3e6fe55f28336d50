import { defineKind } from '../../machinery/define-kind.ts';
import { createdColumn, nameColumn } from '../../machinery/columns.ts';
import { validatePathSegmentName } from '../../machinery/names.ts';
import { validateRules } from './rbac-validation.ts';
import { Role } from '../../types/rbac/v1.gen.ts';

export const roles = defineKind<Role>({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'Role',
  plural: 'roles',
  namespaced: true,
  schema: Role,
  validateName: validatePathSegmentName,
  createOnUpdate: true,
  columns: [nameColumn(), createdColumn()],
  validate: ({ rules }) => validateRules(rules, true),
});
