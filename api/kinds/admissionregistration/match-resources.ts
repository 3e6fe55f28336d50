/** Which requests and parameters policies and their bindings are for: defaults and validation, as upstream's. */
import {
  addErrors,
  duplicate,
  type FieldError,
  forbidden,
  invalid,
  notSupported,
  required,
} from '../../machinery/field-error.ts';
import { validateLabel1035Name, validatePathSegmentName, validateSubdomainName } from '../../machinery/names.ts';
import { validateLabelSelector } from '../../machinery/selectors.ts';
import type {
  MatchResources,
  NamedRuleWithOperations,
  ParamKind,
  ParamRef,
} from '../../types/admissionregistration/v1.gen.ts';
import { validateRule } from './rule-validation.ts';

export const MATCH_POLICIES = ['Equivalent', 'Exact'];
const NOT_FOUND_ACTIONS = ['Deny', 'Allow'];
/** What can be mutated: a delete has no object. */
const MUTATING_OPERATIONS = ['*', 'CONNECT', 'CREATE', 'UPDATE'];

export function applyMatchDefaults(match: MatchResources | undefined): void {
  if (!match) return;
  match.matchPolicy ??= 'Equivalent';
  match.namespaceSelector ??= {};
  match.objectSelector ??= {};
  for (const rules of [match.resourceRules, match.excludeResourceRules])
    for (const rule of rules ?? []) rule.scope ??= '*';
}

export function validateMatchResources(match: MatchResources | undefined, path: string): FieldError[] {
  if (!match) return [];
  const errors: FieldError[] = [];
  const { matchPolicy, namespaceSelector, objectSelector, resourceRules = [], excludeResourceRules = [] } = match;
  if (matchPolicy === undefined) errors.push(required(`${path}.matchPolicy`));
  else if (!MATCH_POLICIES.includes(matchPolicy))
    errors.push(notSupported(`${path}.matchPolicy`, matchPolicy, MATCH_POLICIES));
  if (!namespaceSelector) errors.push(required(`${path}.namespaceSelector`));
  else addErrors(errors, validateLabelSelector(namespaceSelector, `${path}.namespaceSelector`));
  if (!objectSelector) errors.push(required(`${path}.objectSelector`));
  else addErrors(errors, validateLabelSelector(objectSelector, `${path}.objectSelector`));
  for (const [index, rule] of resourceRules.entries())
    addErrors(errors, validateNamedRule(rule, `${path}.resourceRules[${index}]`));
  for (const [index, rule] of excludeResourceRules.entries())
    addErrors(errors, validateNamedRule(rule, `${path}.excludeResourceRules[${index}]`));
  return errors;
}

/** The constraints of a policy: there must be at least one rule. */
export function validateMatchConstraints(match: MatchResources | undefined, path: string): FieldError[] {
  if (!match) return [required(path)];
  const errors = validateMatchResources(match, path);
  if (!match.resourceRules?.length) errors.push(required(`${path}.resourceRules`));
  return errors;
}

/** Of what only mutates. */
export function validateMutatingOperations(match: MatchResources | undefined, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const { operations = [] } of match?.resourceRules ?? [])
    for (const operation of operations)
      if (!MUTATING_OPERATIONS.includes(operation))
        errors.push(notSupported(`${path}.resourceRules.operations`, operation, MUTATING_OPERATIONS));
  return errors;
}

function validateNamedRule(rule: NamedRuleWithOperations, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  for (const [index, name] of (rule.resourceNames ?? []).entries()) {
    const at = `${path}.resourceNames[${index}]`;
    for (const problem of validatePathSegmentName(name)) errors.push(invalid(at, name, problem));
    if (names.has(name)) errors.push(duplicate(at, name));
    names.add(name);
  }
  addErrors(errors, validateRule(rule, path));
  return errors;
}

export function validateParamKind({ apiVersion = '', kind = '' }: ParamKind, path: string): FieldError[] {
  const errors = validateParamVersion(apiVersion, `${path}.apiVersion`);
  if (kind === '') errors.push(required(`${path}.kind`));
  else {
    const problems = validateLabel1035Name(kind.toLowerCase());
    if (problems.length > 0) {
      const why = `may have mixed case, but should otherwise match: ${problems.join(',')}`;
      errors.push(invalid(`${path}.kind`, kind, why));
    }
  }
  return errors;
}

function validateParamVersion(apiVersion: string, path: string): FieldError[] {
  if (apiVersion === '') return [required(path)];
  const parts = apiVersion === '/' ? ['', ''] : apiVersion.split('/');
  if (parts.length > 2) return [invalid(path, apiVersion, `unexpected GroupVersion string: ${apiVersion}`)];
  const version = parts.at(-1) ?? '';
  const group = parts.length === 2 ? (parts[0] ?? '') : '';
  const errors: FieldError[] = [];
  const groupProblems = group === '' ? [] : validateSubdomainName(group);
  if (groupProblems.length > 0) errors.push(invalid(path, group, groupProblems.join(',')));
  const versionProblems = version === '' ? [] : validateLabel1035Name(version);
  if (version === '') errors.push(invalid(path, apiVersion, 'version must be specified'));
  else if (versionProblems.length > 0) errors.push(invalid(path, version, versionProblems.join(',')));
  return errors;
}

export function validateParamRef(ref: ParamRef | undefined, path: string): FieldError[] {
  if (!ref) return [];
  const { name = '', selector, parameterNotFoundAction: action } = ref;
  const errors: FieldError[] = [];
  const exclusive = (field: string): void => {
    errors.push(forbidden(`${path}.${field}`, 'name and selector are mutually exclusive'));
  };
  if (name !== '') {
    for (const problem of validatePathSegmentName(name)) errors.push(invalid(`${path}.name`, name, problem));
    if (selector) exclusive('name');
  }
  if (selector) {
    addErrors(errors, validateLabelSelector(selector, `${path}.selector`));
    if (name !== '') exclusive('selector');
  }
  if (name === '' && !selector) errors.push(required(path, 'one of name or selector must be specified'));
  if (!action) errors.push(required(`${path}.parameterNotFoundAction`));
  else if (!NOT_FOUND_ACTIONS.includes(action))
    errors.push(notSupported(`${path}.parameterNotFoundAction`, action, NOT_FOUND_ACTIONS));
  return errors;
}

export function validatePolicyName(name: string | undefined, path: string): FieldError[] {
  if (!name) return [required(path)];
  return validateSubdomainName(name).map((problem) => invalid(path, name, problem));
}
