/**
 * The audit policy: which requests are recorded, at which level, and which of their stages.
 * https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/#audit-policy
 */
import { invalid, notSupported, required as missing, type FieldError } from '../../../api/machinery/field-error.ts';
import { validateSubdomainName } from '../../../api/machinery/names.ts';
import { boolean, list, optional, required, string, struct } from '../../../api/machinery/schema.ts';
import { ObjectMeta } from '../../../api/types/meta/v1.gen.ts';
import { typedConfiguration } from '../../../daemon/typed-configuration.ts';
import { SettingValueError } from '../../../daemon/setting-rules.ts';
import type { RequestInfo } from '../http/request-info.ts';
import type { User } from '../http/user.ts';

const LEVELS = ['None', 'Metadata', 'Request', 'RequestResponse'] as const;
export type Level = (typeof LEVELS)[number];

const STAGES = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'] as const;
export type Stage = (typeof STAGES)[number];

interface GroupResources {
  readonly group?: string;
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
}

interface PolicyRule {
  readonly level?: string;
  readonly users?: readonly string[];
  readonly userGroups?: readonly string[];
  readonly verbs?: readonly string[];
  readonly resources?: readonly GroupResources[];
  readonly namespaces?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  readonly omitStages?: readonly string[];
  readonly omitManagedFields?: boolean;
}

interface Policy {
  readonly rules?: readonly PolicyRule[];
  readonly omitStages?: readonly string[];
  readonly omitManagedFields?: boolean;
}

const strings = list(string);
const groupResourcesShape = struct('GroupResources', () => ({
  group: optional(undefined, string),
  resources: optional(undefined, strings),
  resourceNames: optional(undefined, strings),
}));
const ruleShape = struct('PolicyRule', () => ({
  level: optional(undefined, string),
  users: optional(undefined, strings),
  userGroups: optional(undefined, strings),
  verbs: optional(undefined, strings),
  resources: optional(undefined, list(groupResourcesShape)),
  namespaces: optional(undefined, strings),
  nonResourceURLs: optional(undefined, strings),
  omitStages: optional(undefined, strings),
  omitManagedFields: optional(undefined, boolean, { pointer: true }),
}));
const policyShape = struct('Policy', () => ({
  apiVersion: required(undefined, string),
  kind: required(undefined, string),
  metadata: optional(undefined, ObjectMeta),
  rules: optional(undefined, list(ruleShape)),
  omitStages: optional(undefined, strings),
  omitManagedFields: optional(undefined, boolean),
}));

/** What is recorded of a request. */
export interface AuditConfig {
  readonly level: Exclude<Level, 'None'>;
  readonly omitStages: ReadonlySet<Stage>;
  readonly omitManagedFields: boolean;
}

interface CompiledRule {
  readonly matches: (user: User, info: RequestInfo) => boolean;
  /** Undefined: nothing. */
  readonly config: AuditConfig | undefined;
}

/** Decides for each request what is recorded of it. The first rule that matches counts; without one, nothing is. */
export class AuditPolicy {
  readonly #rules: readonly CompiledRule[];

  private constructor(rules: readonly CompiledRule[]) {
    this.#rules = rules;
  }

  /** Parses `audit.k8s.io/v1` Policy in YAML or JSON. Throws SettingValueError, whose message names the fields that are wrong. */
  static read(text: string): AuditPolicy {
    const { rules = [], ...whole } = parse(text);
    if (rules.length === 0) throw new SettingValueError('rules: it must have one at least');
    return new AuditPolicy(rules.map((rule) => ({ matches: matcherOf(rule), config: configOf(rule, whole) })));
  }

  /** @param user who sent the request, not whom it impersonates. Undefined: nothing is recorded. */
  of(user: User, info: RequestInfo): AuditConfig | undefined {
    for (const rule of this.#rules) if (rule.matches(user, info)) return rule.config;
    return undefined;
  }
}

function configOf(rule: PolicyRule, policy: Omit<Policy, 'rules'>): AuditConfig | undefined {
  const level = LEVELS.find((known) => known === rule.level);
  if (!level || level === 'None') return undefined;
  const omitted = [...(policy.omitStages ?? []), ...(rule.omitStages ?? [])];
  return {
    level,
    omitStages: new Set(STAGES.filter((stage) => omitted.includes(stage))),
    omitManagedFields: rule.omitManagedFields ?? policy.omitManagedFields ?? false,
  };
}

/** As upstream's `ruleMatches`: what a rule does not mention, it does not ask for. */
function matcherOf(rule: PolicyRule): CompiledRule['matches'] {
  const anyOf = (values: readonly string[] = []) => (values.length > 0 ? new Set(values) : undefined);
  const [users, groups, verbs] = [anyOf(rule.users), anyOf(rule.userGroups), anyOf(rule.verbs)];
  const subject = subjectMatcher(rule);
  return (user, info) =>
    (!users || users.has(user.name)) &&
    (!groups || user.groups.some((group) => groups.has(group))) &&
    (!verbs || verbs.has(info.verb)) &&
    subject(info);
}

function subjectMatcher({ namespaces = [], resources = [], nonResourceURLs = [] }: PolicyRule) {
  if (namespaces.length > 0 || resources.length > 0) {
    return (info: RequestInfo): boolean =>
      info.isResource &&
      // Cluster-scoped resources are in the namespace ''.
      (namespaces.length === 0 || namespaces.includes(info.namespace)) &&
      (resources.length === 0 || resources.some((one) => isOf(one, info)));
  }
  if (nonResourceURLs.length > 0) {
    return ({ isResource, path }: RequestInfo): boolean =>
      !isResource && nonResourceURLs.some((url) => isPath(url, path));
  }
  return (): boolean => true;
}

function isOf({ group = '', resources = [], resourceNames = [] }: GroupResources, info: RequestInfo): boolean {
  const { resource, subresource } = info;
  if (group !== info.group) return false;
  if (resources.length === 0) return true;
  if (resourceNames.length > 0 && !resourceNames.includes(info.name)) return false;
  return resources.some(
    (one) =>
      one === '*' ||
      one === (subresource ? `${resource}/${subresource}` : resource) ||
      (subresource !== '' && one === `*/${subresource}`) ||
      one === `${resource}/*`,
  );
}

const isPath = (url: string, path: string): boolean =>
  url === '*' || url === path || (url.endsWith('*') && path.startsWith(url.replace(/\*+$/, '')));

function validate({ rules = [], omitStages = [] }: Policy): FieldError[] {
  return [
    ...stageErrors(omitStages, 'omitStages'),
    ...rules.flatMap((rule, index) => ruleErrors(rule, `rules[${index}]`)),
  ];
}

function ruleErrors(rule: PolicyRule, path: string): FieldError[] {
  const { level, resources = [], namespaces = [], nonResourceURLs = [], omitStages = [] } = rule;
  const errors: FieldError[] = [];
  if (!level) errors.push(missing(`${path}.level`));
  else if (!LEVELS.some((known) => known === level)) errors.push(notSupported(`${path}.level`, level, LEVELS));
  for (const [index, url] of nonResourceURLs.entries()) {
    const field = `${path}.nonResourceURLs[${index}]`;
    if (url === '*') continue;
    if (!url.startsWith('/'))
      errors.push(invalid(field, url, "non-resource URL rules must begin with a '/' character"));
    if (url.slice(0, -1).includes('*'))
      errors.push(invalid(field, url, "non-resource URL wildcards '*' must be the final character of the rule"));
  }
  for (const [index, { group = '', resources: names = [], resourceNames = [] }] of resources.entries()) {
    const field = `${path}.resources[${index}]`;
    const why = group === '' || group === '*' ? [] : validateSubdomainName(group);
    if (why.length > 0) errors.push(invalid(`${field}.group`, group, why.join(', ')));
    if (resourceNames.length > 0 && names.length === 0)
      errors.push(
        invalid(`${field}.resourceNames`, resourceNames, 'using resourceNames requires at least one resource'),
      );
  }
  errors.push(...stageErrors(omitStages, `${path}.omitStages`));
  if (nonResourceURLs.length > 0 && (resources.length > 0 || namespaces.length > 0)) {
    const why = 'rules cannot apply to both regular resources and non-resource URLs';
    errors.push(invalid(`${path}.nonResourceURLs`, nonResourceURLs, why));
  }
  return errors;
}

const stageErrors = (stages: readonly string[], path: string): FieldError[] =>
  stages.flatMap((stage, index) =>
    STAGES.some((known) => known === stage)
      ? []
      : [invalid(`${path}[${index}]`, stage, `allowed stages are ${STAGES.join(',')}`)],
  );

const parse = typedConfiguration<Policy>({
  apiVersions: ['audit.k8s.io/v1'],
  kind: 'Policy',
  shape: policyShape,
  validate,
});
