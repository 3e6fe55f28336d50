import { defineKind } from '../../machinery/define-kind.ts';
import { createdColumn, nameColumn } from '../../machinery/columns.ts';
import { addErrors, invalid, required } from '../../machinery/field-error.ts';
import { validatePathSegmentName } from '../../machinery/names.ts';
import { validateLabelSelector } from '../../machinery/selectors.ts';
import { validateRules } from './rbac-validation.ts';
import { ClusterRole } from '../../types/rbac/v1.gen.ts';

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
    for (const [index, selector] of selectors.entries()) {
      const problems = validateLabelSelector(selector, `${path}[${index}]`);
      addErrors(errors, problems);
      // As upstream, what could not be read is not shown.
      if (problems.length > 0) errors.push(invalid(`${path}[${index}]`, null, 'invalid label selector.'));
    }
    return errors;
  },
});
