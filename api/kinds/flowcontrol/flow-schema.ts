/** https://kubernetes.io/docs/concepts/cluster-administration/flow-control/#flowschema */
import { ageColumn, nameColumn, text } from '../../machinery/columns.ts';
import { semanticallyEqual } from '../../machinery/deep-equal.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { addErrors, forbidden, invalid, notSupported, required, type FieldError } from '../../machinery/field-error.ts';
import { MAX_ERRORS } from '../../machinery/limits.ts';
import { validateLabelName, validateSubdomainName } from '../../machinery/names.ts';
import {
  FlowSchema,
  type FlowSchemaSpec,
  type NonResourcePolicyRule,
  type PolicyRulesWithSubjects,
  type ResourcePolicyRule,
  type ServiceAccountSubject,
  type Subject,
} from '../../types/flowcontrol/v1.gen.ts';
import { EXEMPT, mandatorySchemas } from './default-configuration.ts';
import { flowControlStatus, shownStruct } from './validation.ts';

const DEFAULT_PRECEDENCE = 1000;
const MAX_PRECEDENCE = 10_000;
const DISTINGUISHERS = ['ByNamespace', 'ByUser'];
/** In the order of upstream's message. */
const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'proxy', 'update', 'watch'];
const SUBJECT_KINDS = ['Group', 'ServiceAccount', 'User'];
const ALL = '*';

const hasWildcard = (values: readonly string[]): boolean => values.includes(ALL);

function validateAccount(account: ServiceAccountSubject | undefined, path: string): FieldError[] {
  if (!account) return [required(path, "serviceAccount is required when subject kind is 'ServiceAccount'")];
  const { name = '', namespace = '' } = account;
  const errors: FieldError[] = [];
  if (name === '') errors.push(required(`${path}.name`));
  else if (name !== ALL) {
    for (const problem of validateSubdomainName(name)) errors.push(invalid(`${path}.name`, name, problem));
  }
  if (namespace === '') errors.push(required(`${path}.namespace`, 'must specify namespace for service account'));
  else {
    for (const problem of validateLabelName(namespace)) errors.push(invalid(`${path}.namespace`, namespace, problem));
  }
  return errors;
}

function validateNamed(subject: { name?: string } | undefined, path: string, missing: string): FieldError[] {
  if (!subject) return [required(path, missing)];
  return subject.name ? [] : [required(`${path}.name`)];
}

function validateSubject({ kind, user, group, serviceAccount }: Subject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const only = (field: string, of: string, value: unknown): void => {
    if (value !== undefined)
      errors.push(forbidden(`${path}.${field}`, `${field} is forbidden when subject kind is not '${of}'`));
  };
  switch (kind) {
    case 'ServiceAccount':
      addErrors(errors, validateAccount(serviceAccount, `${path}.serviceAccount`));
      only('user', 'User', user);
      only('group', 'Group', group);
      break;
    case 'User':
      addErrors(errors, validateNamed(user, `${path}.user`, "user is required when subject kind is 'User'"));
      only('serviceAccount', 'ServiceAccount', serviceAccount);
      only('group', 'Group', group);
      break;
    case 'Group':
      addErrors(errors, validateNamed(group, `${path}.group`, "group is required when subject kind is 'Group'"));
      only('serviceAccount', 'ServiceAccount', serviceAccount);
      only('user', 'User', user);
      break;
    default:
      errors.push(notSupported(`${path}.kind`, kind, SUBJECT_KINDS));
  }
  return errors;
}

function validateVerbs(verbs: readonly string[], path: string): FieldError[] {
  if (verbs.length === 0) return [required(path, 'verbs must contain at least one value')];
  if (hasWildcard(verbs)) {
    return verbs.length > 1 ? [invalid(path, verbs, "if '*' is present, must not specify other verbs")] : [];
  }
  return verbs.every((verb) => VERBS.includes(verb)) ? [] : [notSupported(path, verbs, VERBS)];
}

/** A list that must not be empty, nor hold anything beside the wildcard. */
function validateNames(names: readonly string[], path: string, missing: string, others: string): FieldError[] {
  if (names.length === 0) return [required(path, missing)];
  if (names.length === 1 || !hasWildcard(names)) return [];
  return [invalid(path, names, `if '*' is present, must not specify other ${others}`)];
}

/** Slashes and `*` as upstream's `ValidateNonResourceURLPath` allows them. */
function urlProblem(url: string): string | undefined {
  if (url === '') return 'must not be empty';
  if (url === '/') return undefined;
  if (!url.startsWith('/')) return 'must start with slash';
  if (url.includes(' ')) return 'must not contain white-space';
  if (url.includes('//')) return 'must not contain double slash';
  const wildcards = url.split(ALL).length - 1;
  return wildcards > 1 || (wildcards === 1 && !url.endsWith('/*')) ? 'wildcard can only do suffix matching' : undefined;
}

function validateNonResourceRule({ verbs, nonResourceURLs: urls }: NonResourcePolicyRule, path: string): FieldError[] {
  const errors = validateVerbs(verbs ?? [], `${path}.verbs`);
  const at = `${path}.nonResourceURLs`;
  const missing = 'nonResourceURLs must contain at least one value';
  addErrors(errors, validateNames(urls ?? [], at, missing, 'non-resource URLs'));
  if (!urls || hasWildcard(urls)) return errors;
  for (const [index, url] of urls.entries()) {
    const problem = urlProblem(url);
    if (problem !== undefined) errors.push(invalid(`${at}[${index}]`, url, problem));
  }
  return errors;
}

function validateResourceRule(rule: ResourcePolicyRule, path: string): FieldError[] {
  const { verbs, apiGroups, resources, clusterScope } = rule;
  const namespaces = rule.namespaces ?? [];
  const errors = validateVerbs(verbs ?? [], `${path}.verbs`);
  const noGroup = 'resource rules must supply at least one api group';
  addErrors(errors, validateNames(apiGroups ?? [], `${path}.apiGroups`, noGroup, 'api groups'));
  const noResource = 'resource rules must supply at least one resource';
  addErrors(errors, validateNames(resources ?? [], `${path}.resources`, noResource, 'resources'));
  const at = `${path}.namespaces`;
  const noNamespace = 'resource rules that are not cluster scoped must supply at least one namespace';
  if (namespaces.length > 0 || !clusterScope) {
    addErrors(errors, validateNames(namespaces, at, noNamespace, 'namespaces'));
  }
  if (hasWildcard(namespaces)) return errors;
  for (const [index, namespace] of namespaces.entries()) {
    for (const problem of validateLabelName(namespace)) {
      const why = `each member of this list must be '*' or a DNS-1123 label; ${problem}`;
      errors.push(invalid(`${at}[${index}]`, namespace, why));
    }
  }
  return errors;
}

function validateRule(rule: PolicyRulesWithSubjects, path: string): FieldError[] {
  const { resourceRules = [], nonResourceRules = [] } = rule;
  // A required list that is not given is null.
  const subjects = rule.subjects ?? [];
  const errors: FieldError[] = [];
  if (subjects.length === 0) {
    errors.push(required(`${path}.subjects`, 'subjects must contain at least one value'));
  }
  for (const [index, subject] of subjects.entries()) {
    if (errors.length >= MAX_ERRORS) return errors;
    addErrors(errors, validateSubject(subject, `${path}.subjects[${index}]`));
  }
  if (resourceRules.length === 0 && nonResourceRules.length === 0) {
    errors.push(required(path, 'at least one of resourceRules and nonResourceRules has to be non-empty'));
  }
  for (const [index, one] of resourceRules.entries()) {
    if (errors.length >= MAX_ERRORS) return errors;
    addErrors(errors, validateResourceRule(one, `${path}.resourceRules[${index}]`));
  }
  for (const [index, one] of nonResourceRules.entries()) {
    if (errors.length >= MAX_ERRORS) return errors;
    addErrors(errors, validateNonResourceRule(one, `${path}.nonResourceRules[${index}]`));
  }
  return errors;
}

function validatePrecedence(name: string, precedence: number): FieldError[] {
  const refuse = (why: string): FieldError[] => [invalid('spec.matchingPrecedence', precedence, why)];
  if (precedence <= 0) return refuse('must be a positive value');
  if (precedence > MAX_PRECEDENCE) return refuse(`must not be greater than ${MAX_PRECEDENCE}`);
  if (precedence === 1 && name !== EXEMPT)
    return refuse("only the schema named 'exempt' may have matchingPrecedence 1");
  return [];
}

function validateSpec(name: string, spec: FlowSchemaSpec): FieldError[] {
  const { matchingPrecedence = 0, distinguisherMethod: method, priorityLevelConfiguration: level, rules = [] } = spec;
  const errors = validatePrecedence(name, matchingPrecedence);
  if (method && !DISTINGUISHERS.includes(method.type)) {
    const shown = shownStruct(method, { type: undefined });
    errors.push(notSupported('spec.distinguisherMethod.type', shown, DISTINGUISHERS));
  }
  const at = 'spec.priorityLevelConfiguration.name';
  if (!level?.name) errors.push(required(at, 'must reference a priority level'));
  else for (const problem of validateSubdomainName(level.name)) errors.push(invalid(at, level.name, problem));
  for (const [index, rule] of rules.entries()) {
    if (errors.length >= MAX_ERRORS) return errors;
    addErrors(errors, validateRule(rule, `spec.rules[${index}]`));
  }
  return errors;
}

const NAMED = { name: undefined };
const SPEC_FIELDS = {
  priorityLevelConfiguration: NAMED,
  matchingPrecedence: undefined,
  distinguisherMethod: { type: undefined },
  rules: {
    subjects: { kind: undefined, user: NAMED, group: NAMED, serviceAccount: { namespace: undefined, name: undefined } },
    resourceRules: {
      verbs: undefined,
      apiGroups: undefined,
      resources: undefined,
      clusterScope: undefined,
      namespaces: undefined,
    },
    nonResourceRules: { verbs: undefined, nonResourceURLs: undefined },
  },
};

export const flowSchemas = defineKind<FlowSchema>({
  group: 'flowcontrol.apiserver.k8s.io',
  version: 'v1',
  kind: 'FlowSchema',
  plural: 'flowschemas',
  namespaced: false,
  schema: FlowSchema,
  hasGeneration: true,
  subresources: [flowControlStatus()],
  columns: [
    nameColumn(),
    text('PriorityLevel', ({ spec }) => spec?.priorityLevelConfiguration.name ?? ''),
    text('MatchingPrecedence', ({ spec }) => spec?.matchingPrecedence ?? 0),
    text('DistinguisherMethod', ({ spec }) => spec?.distinguisherMethod?.type ?? '<none>'),
    ageColumn(),
    text('MissingPL', ({ status }) => status?.conditions?.find(({ type }) => type === 'Dangling')?.status ?? '?'),
  ],
  applyDefaults: ({ spec }) => {
    if (spec && !spec.matchingPrecedence) spec.matchingPrecedence = DEFAULT_PRECEDENCE;
  },
  prepareForCreate: (schema) => {
    schema.status = {};
  },
  validate: ({ metadata, spec = { priorityLevelConfiguration: { name: '' } } }) => {
    const name = metadata?.name ?? '';
    const errors = validateSpec(name, spec);
    const fixed = mandatorySchemas.find((schema) => schema.metadata.name === name);
    if (fixed && !semanticallyEqual(spec, fixed.spec)) {
      errors.push(invalid('spec', shownStruct(spec, SPEC_FIELDS), `spec of '${name}' must equal the fixed value`));
    }
    return errors;
  },
});
