/** Which requests webhooks and policies are for: validation of their rules and match conditions, as upstream's. */
import {
  addErrors,
  duplicate,
  type FieldError,
  invalid,
  notSupported,
  required,
  tooMany,
} from '../../machinery/field-error.ts';
import { validateQualifiedName } from '../../machinery/names.ts';
import { expressionErrors, PolicyCompiler } from './expressions.ts';
import type { MatchCondition, RuleWithOperations } from '../../types/admissionregistration/v1.gen.ts';

const OPERATIONS = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];
const SCOPES = ['*', 'Cluster', 'Namespaced'];
const MAX_MATCH_CONDITIONS = 64;

const isMixed = (items: readonly string[]): boolean => items.length > 1 && items.includes('*');

export function validateRule(rule: RuleWithOperations, path: string): FieldError[] {
  const { operations = [], apiGroups = [], apiVersions = [], resources = [], scope } = rule;
  const errors: FieldError[] = [];
  const others = (field: string, items: readonly string[], what: string): void => {
    if (isMixed(items))
      errors.push(invalid(`${path}.${field}`, items, `if '*' is present, must not specify other ${what}`));
  };
  if (operations.length === 0) errors.push(required(`${path}.operations`));
  others('operations', operations, 'operations');
  for (const [index, operation] of operations.entries())
    if (!OPERATIONS.includes(operation))
      errors.push(notSupported(`${path}.operations[${index}]`, operation, OPERATIONS));
  // A group may be empty: the core group.
  if (apiGroups.length === 0) errors.push(required(`${path}.apiGroups`));
  others('apiGroups', apiGroups, 'API groups');
  if (apiVersions.length === 0) errors.push(required(`${path}.apiVersions`));
  others('apiVersions', apiVersions, 'API versions');
  for (const [index, version] of apiVersions.entries())
    if (version === '') errors.push(required(`${path}.apiVersions[${index}]`));
  addErrors(errors, validateResources(resources, `${path}.resources`));
  if (scope !== undefined && !SCOPES.includes(scope)) errors.push(notSupported(`${path}.scope`, scope, SCOPES));
  return errors;
}

function validateResources(resources: readonly string[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (resources.length === 0) errors.push(required(path));
  // Of `x/*`, and of `*/x`.
  const withAnySubresource = new Set<string>();
  const ofAnyResource = new Set<string>();
  let lastIsPlain = false;
  for (const [index, written] of resources.entries()) {
    const at = `${path}[${index}]`;
    if (written === '') {
      errors.push(required(at));
      continue;
    }
    const slash = written.indexOf('/');
    if (slash < 0) {
      lastIsPlain = written !== '*';
      continue;
    }
    const [resource, subresource] = [written.slice(0, slash), written.slice(slash + 1)];
    if (withAnySubresource.has(resource))
      errors.push(invalid(at, written, `if '${resource}/*' is present, must not specify ${written}`));
    if (ofAnyResource.has(subresource))
      errors.push(invalid(at, written, `if '*/${subresource}' is present, must not specify ${written}`));
    if (subresource === '*') withAnySubresource.add(resource);
    if (resource === '*') ofAnyResource.add(subresource);
  }
  if (resources.length > 1 && resources.includes('*/*'))
    errors.push(invalid(path, resources, "if '*/*' is present, must not specify other resources"));
  // Upstream looks at the last resource without a subresource only.
  if (resources.includes('*') && lastIsPlain)
    errors.push(invalid(path, resources, "if '*' is present, must not specify other resources without subresources"));
  return errors;
}

/** @param params whether the expressions may refer to `params` */
export function validateMatchConditions(
  conditions: readonly MatchCondition[],
  path: string,
  params: boolean,
): FieldError[] {
  if (conditions.length === 0) return [];
  if (conditions.length > MAX_MATCH_CONDITIONS) return [tooMany(path, conditions.length, MAX_MATCH_CONDITIONS)];
  const compiler = new PolicyCompiler({ params, composes: false });
  const errors: FieldError[] = [];
  const names = new Set<string>();
  for (const [index, { name = '', expression = '' }] of conditions.entries()) {
    const at = `${path}[${index}]`;
    const trimmed = expression.trim();
    if (trimmed === '') errors.push(required(`${at}.expression`));
    else addErrors(errors, expressionErrors(compiler.condition(trimmed), trimmed, `${at}.expression`));
    if (name === '') {
      errors.push(required(`${at}.name`));
      continue;
    }
    for (const problem of validateQualifiedName(name)) errors.push(invalid(`${at}.name`, name, problem));
    if (names.has(name)) errors.push(duplicate(`${at}.name`, name));
    names.add(name);
  }
  return errors;
}
