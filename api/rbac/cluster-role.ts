import { defineKind } from '../machinery/define-kind.ts';
import { always, atomic, string, struct, type Static } from '../machinery/schema.ts';
import { LabelSelector } from '../meta/label-selector.ts';
import { ObjectMeta } from '../meta/object-meta.ts';
import { PolicyRule } from './rules.ts';
import { createdColumn, nameColumn } from '../machinery/columns.ts';
import { required } from '../machinery/field-error.ts';
import { validatePathSegmentName } from '../machinery/names.ts';
import { validateLabelSelector } from '../machinery/selectors.ts';
import { validateRules } from './rbac-validation.ts';

export const AggregationRule = struct(
  'io.k8s.api.rbac.v1.AggregationRule',
  {},
  {
    clusterRoleSelectors: atomic(LabelSelector),
  },
);
export type AggregationRule = Static<typeof AggregationRule>;

export const ClusterRole = struct(
  'io.k8s.api.rbac.v1.ClusterRole',
  {},
  {
    aggregationRule: AggregationRule,
    apiVersion: string(),
    kind: string(),
    metadata: always(ObjectMeta),
    rules: always(atomic(PolicyRule)),
  },
);
export type ClusterRole = Static<typeof ClusterRole>;

export const clusterRoles = defineKind<ClusterRole>({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'ClusterRole',
  plural: 'clusterroles',
  namespaced: false,
  schema: ClusterRole,
  validateName: validatePathSegmentName,
  createOnUpdate: true,
  columns: [nameColumn(), createdColumn()],
  validate: ({ rules, aggregationRule }) => {
    const errors = validateRules(rules, false);
    if (!aggregationRule) return errors;
    const path = 'aggregationRule.clusterRoleSelectors';
    const selectors = aggregationRule.clusterRoleSelectors ?? [];
    if (!selectors.length) {
      errors.push(required(path, 'at least one clusterRoleSelector required if aggregationRule is non-nil'));
    }
    return [...errors, ...selectors.flatMap((selector, index) => validateLabelSelector(selector, `${path}[${index}]`))];
  },
});
