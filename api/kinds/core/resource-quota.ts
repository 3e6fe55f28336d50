/** https://kubernetes.io/docs/concepts/policy/resource-quotas/ */
import type { ResourceList } from '../../domain/resource-names.ts';
import { ageColumn, nameColumn, text } from '../../machinery/columns.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { type FieldError, immutableField, invalid, required } from '../../machinery/field-error.ts';
import { MAX_ERRORS } from '../../machinery/limits.ts';
import { own } from '../../machinery/own.ts';
import { compareQuantities } from '../../machinery/quantity.ts';
import { statusSubresource } from '../../machinery/subresources.ts';
import { ResourceQuota, type ResourceQuotaSpec, type ScopeSelector } from '../../types/core/v1.gen.ts';
import { isStandardQuotaResource, validateQuotaResourceName, validateResourceAmount } from './resource-validation.ts';

const COMPUTE = ['cpu', 'memory'].flatMap((name) => [name, `requests.${name}`, `limits.${name}`]);
const OF_PODS: ReadonlySet<string> = new Set(['pods', ...COMPUTE]);
const OF_CLAIMS: ReadonlySet<string> = new Set(['persistentvolumeclaims', 'requests.storage']);
/** The standard resources that each scope may be combined with. */
const SCOPES: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['Terminating', OF_PODS],
  ['NotTerminating', OF_PODS],
  ['BestEffort', new Set(['pods'])],
  ['NotBestEffort', OF_PODS],
  ['PriorityClass', OF_PODS],
  ['CrossNamespacePodAffinity', OF_PODS],
  ['VolumeAttributesClass', OF_CLAIMS],
]);
const CONTRADICTIONS = [
  ['BestEffort', 'NotBestEffort'],
  ['Terminating', 'NotTerminating'],
] as const;
/** Scopes without values: selectors can only ask whether they exist. */
const WITHOUT_VALUES: ReadonlySet<string> = new Set([...CONTRADICTIONS.flat(), 'CrossNamespacePodAffinity']);
/** The resources whose requests and limits are compared; those in BARE have requests under the bare name, too. */
const COMPARED = ['cpu', 'memory', 'storage', 'ephemeral-storage'] as const;
const BARE: ReadonlySet<string> = new Set(['cpu', 'memory']);

function validateAmounts(amounts: ResourceList | undefined, path: string, errors: FieldError[]): void {
  for (const name in amounts) {
    if (errors.length >= MAX_ERRORS) return;
    const at = `${path}[${name}]`;
    validateQuotaResourceName(name, at, errors);
    validateResourceAmount(name, own(amounts, name) ?? '0', at, errors);
  }
}

/** One error for each standard resource that the scope cannot be combined with; `value` is what the errors show. */
function validateScope(
  scope: string,
  standardNames: readonly string[],
  at: { readonly path: string; readonly value: unknown },
  errors: FieldError[],
): void {
  const allowed = SCOPES.get(scope);
  for (const name of allowed ? standardNames : []) {
    if (errors.length >= MAX_ERRORS) return;
    if (!allowed?.has(name)) errors.push(invalid(at.path, at.value, 'unsupported scope applied to resource'));
  }
}

function validateContradictions(scopes: ReadonlySet<string>, path: string, value: unknown, errors: FieldError[]): void {
  for (const [one, other] of CONTRADICTIONS) {
    if (scopes.has(one) && scopes.has(other)) errors.push(invalid(path, value, 'conflicting scopes'));
  }
}

function validateScopes(scopes: readonly string[], standardNames: readonly string[], errors: FieldError[]): void {
  const path = 'spec.scopes';
  for (const scope of scopes) {
    if (errors.length >= MAX_ERRORS) return;
    if (!SCOPES.has(scope)) errors.push(invalid(path, scopes, 'unsupported scope'));
    validateScope(scope, standardNames, { path, value: scopes }, errors);
  }
  validateContradictions(new Set(scopes), path, scopes, errors);
}

type Requirement = NonNullable<ScopeSelector['matchExpressions']>[number];

function validateOperator({ scopeName, operator, values = [] }: Requirement, path: string, errors: FieldError[]): void {
  if (WITHOUT_VALUES.has(scopeName) && operator !== 'Exists') {
    const why =
      "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
    errors.push(invalid(`${path}.operator`, operator, why));
  }
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (values.length > 0) return;
      errors.push(
        required(`${path}.values`, "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"),
      );
      return;
    case 'Exists':
    case 'DoesNotExist':
      if (values.length === 0) return;
      errors.push(
        invalid(
          `${path}.values`,
          values,
          "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
        ),
      );
      return;
    default:
      errors.push(invalid(`${path}.operator`, operator, 'not a valid selector operator'));
  }
}

/** As upstream prints it: its internal struct has no JSON names. */
const shownSelector = ({ matchExpressions }: ScopeSelector): object => ({
  MatchExpressions:
    matchExpressions?.map(({ scopeName, operator, values }) => ({
      ScopeName: scopeName,
      Operator: operator,
      Values: values ?? null,
    })) ?? null,
});

function validateScopeSelector(
  { scopeSelector, scopes }: ResourceQuotaSpec,
  standardNames: readonly string[],
  errors: FieldError[],
): void {
  if (!scopeSelector) return;
  const path = 'spec.scopeSelector.matchExpressions';
  const value = shownSelector(scopeSelector);
  const named = new Set<string>();
  for (const requirement of scopeSelector.matchExpressions ?? []) {
    if (errors.length >= MAX_ERRORS) return;
    const { scopeName } = requirement;
    if (!SCOPES.has(scopeName)) errors.push(invalid(`${path}.scopeName`, scopeName, 'unsupported scope'));
    validateScope(scopeName, standardNames, { path, value }, errors);
    validateOperator(requirement, path, errors);
    named.add(scopeName);
  }
  validateContradictions(named, path, scopes ?? null, errors);
}

function validateSpec(spec: ResourceQuotaSpec = {}): FieldError[] {
  const errors: FieldError[] = [];
  validateAmounts(spec.hard, 'spec.hard', errors);
  const standardNames = Object.keys(spec.hard ?? {})
    .filter(isStandardQuotaResource)
    .sort();
  validateScopes(spec.scopes ?? [], standardNames, errors);
  validateScopeSelector(spec, standardNames, errors);
  return errors;
}

function validateStatus({ status }: ResourceQuota): FieldError[] {
  const errors: FieldError[] = [];
  validateAmounts(status?.hard, 'status.hard', errors);
  validateAmounts(status?.used, 'status.used', errors);
  return errors;
}

function validateUnchangedScopes({ spec }: ResourceQuota, old: ResourceQuota): FieldError[] {
  const before = new Set<string>(old.spec?.scopes);
  const after = new Set<string>(spec?.scopes);
  if (before.size === after.size && before.isSubsetOf(after)) return [];
  return [immutableField('spec.scopes', spec?.scopes ?? null)];
}

/** Warns of requests that exceed limits, as upstream does on create only. */
function warnings({ spec }: ResourceQuota, old?: ResourceQuota): string[] {
  if (old) return [];
  const found: string[] = [];
  for (const name of COMPARED) {
    const named = `requests.${name}`;
    const requested = own(spec?.hard, named) === undefined && BARE.has(name) ? name : named;
    const request = own(spec?.hard, requested);
    const limit = own(spec?.hard, `limits.${name}`);
    if (request === undefined || limit === undefined || compareQuantities(request, limit) <= 0) continue;
    found.push(`ResourceQuota ${requested} (${request}) should be less than limits.${name} (${limit})`);
  }
  return found;
}

const isLimit = (name: string): boolean => name.startsWith('limits.');

function usageCell({ status }: ResourceQuota, isShown: (name: string) => boolean): string {
  return Object.entries(status?.hard ?? {})
    .filter(([name]) => isShown(name))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, hard]) => `${name}: ${own(status?.used, name) ?? '0'}/${hard}`)
    .join(', ');
}

export const resourceQuotas = defineKind<ResourceQuota>({
  group: '',
  version: 'v1',
  kind: 'ResourceQuota',
  plural: 'resourcequotas',
  shortNames: ['quota'],
  namespaced: true,
  schema: ResourceQuota,
  returnDeletedObject: true,
  subresources: [statusSubresource({ validate: validateStatus })],
  columns: [
    nameColumn(),
    text('Request', (quota) => usageCell(quota, (name) => !isLimit(name))),
    text('Limit', (quota) => usageCell(quota, isLimit)),
    ageColumn(),
  ],
  prepareForCreate: (quota) => {
    quota.status = {};
  },
  validate: ({ spec }) => validateSpec(spec),
  validateUpdate: validateUnchangedScopes,
  warnings,
});
