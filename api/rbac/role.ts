import { defineKind } from '../machinery/define-kind.ts';
import { always, atomic, string, struct, type Static } from '../machinery/schema.ts';
import { ObjectMeta } from '../meta/object-meta.ts';
import { PolicyRule } from './rules.ts';
import { createdColumn, nameColumn } from '../machinery/columns.ts';
import { validatePathSegmentName } from '../machinery/names.ts';
import { validateRules } from './rbac-validation.ts';

export const Role = struct(
  'io.k8s.api.rbac.v1.Role',
  {},
  {
    apiVersion: string(),
    kind: string(),
    metadata: always(ObjectMeta),
    rules: always(atomic(PolicyRule)),
  },
);
export type Role = Static<typeof Role>;

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
