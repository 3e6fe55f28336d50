/** Defaults and validation of what a Job and the template of a CronJob have in common. */
import { addErrors, type FieldError, invalid, notSupported, required, tooLong } from '../../machinery/field-error.ts';
import { goValue } from '../../machinery/go-value.ts';
import { validateDomainPrefixedPath } from '../../machinery/domain-prefixed-path.ts';
import { applyPodTemplateDefaults } from '../core/pod-defaults.ts';
import { validatePodTemplate } from '../core/pod-validation.ts';
import { podTemplateWarnings } from '../core/pod-warnings.ts';
import { validateFailurePolicy, validateSuccessPolicy } from './job-policies.ts';
import { type JobSpec, SuccessPolicy } from '../../types/batch/v1.gen.ts';

const DEFAULT_BACKOFF_LIMIT = 6;
const MAX_INT32 = 2_147_483_647;
/** They bound the length of the status of indexed Jobs. */
const MAX_INDEXED = 100_000;
const MANY_COMPLETIONS = 100_000;
const MAX_WITH_MANY_COMPLETIONS = 10_000;
const MAX_MANAGED_BY = 63;

/** The defaults that the template of a CronJob has, too. */
export function applyTemplateDefaults(spec: JobSpec | undefined): void {
  applyPodTemplateDefaults(spec?.template);
  for (const rule of spec?.podFailurePolicy?.rules ?? []) {
    for (const pattern of rule.onPodConditions ?? []) pattern.status ||= 'True';
  }
}

/** The defaults of a Job: a CronJob's Jobs get them when they are created. */
export function applyJobDefaults(spec: JobSpec): void {
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
  spec.parallelism ??= 1;
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? DEFAULT_BACKOFF_LIMIT : MAX_INT32;
  spec.completionMode ??= 'NonIndexed';
  spec.suspend ??= false;
  spec.podReplacementPolicy ??= spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed';
  spec.manualSelector ??= false;
  applyTemplateDefaults(spec);
}

function validateManagedBy(managedBy: string | undefined, path: string): FieldError[] {
  if (managedBy === undefined) return [];
  const errors = managedBy === '' ? [required(path)] : validateDomainPrefixedPath(managedBy, path);
  if (managedBy.length > MAX_MANAGED_BY) errors.push(tooLong(path, MAX_MANAGED_BY));
  return errors;
}

function validateIndexed(spec: JobSpec, path: string): FieldError[] {
  const { completions, parallelism = 0, maxFailedIndexes } = spec;
  const errors: FieldError[] = [];
  const atMost = (field: string, value: number | undefined, limit: number, when = ''): void => {
    if (value === undefined || value <= limit) return;
    errors.push(invalid(`${path}.${field}`, value, `must be less than or equal to ${limit}${when}`));
  };
  if (completions === undefined) errors.push(required(`${path}.completions`, 'when completion mode is Indexed'));
  atMost('parallelism', parallelism, MAX_INDEXED, ' when completion mode is Indexed');
  if (completions !== undefined && (maxFailedIndexes ?? 0) > completions) {
    const problem = 'must be less than or equal to completions';
    errors.push(invalid(`${path}.maxFailedIndexes`, maxFailedIndexes, problem));
  }
  atMost('maxFailedIndexes', maxFailedIndexes, MAX_INDEXED);
  if ((completions ?? 0) <= MANY_COMPLETIONS || spec.backoffLimitPerIndex === undefined) return errors;
  if (maxFailedIndexes === undefined) {
    const problem = `must be specified when completions is above ${MANY_COMPLETIONS}`;
    errors.push(required(`${path}.maxFailedIndexes`, problem));
  }
  const when = ` when completions are above ${MANY_COMPLETIONS} and used with backoff limit per index`;
  atMost('parallelism', parallelism, MAX_WITH_MANY_COMPLETIONS, when);
  atMost('maxFailedIndexes', maxFailedIndexes, MAX_WITH_MANY_COMPLETIONS, when);
  return errors;
}

/** What only indexed Jobs have. */
function validateNotIndexed({ backoffLimitPerIndex, maxFailedIndexes }: JobSpec, path: string): FieldError[] {
  return Object.entries({ backoffLimitPerIndex, maxFailedIndexes })
    .filter(([, value]) => value !== undefined)
    .map(([field, value]) => invalid(`${path}.${field}`, value, 'requires indexed completion mode'));
}

function validatePolicies(spec: JobSpec, path: string): FieldError[] {
  const { podFailurePolicy, podReplacementPolicy, successPolicy } = spec;
  const errors: FieldError[] = [];
  if (podFailurePolicy) addErrors(errors, validateFailurePolicy(spec, `${path}.podFailurePolicy`));
  const at = `${path}.successPolicy`;
  if (successPolicy && spec.completionMode !== 'Indexed') {
    errors.push(invalid(at, goValue(SuccessPolicy, successPolicy), 'requires indexed completion mode'));
  } else if (successPolicy) addErrors(errors, validateSuccessPolicy(spec, at));
  const policies = podFailurePolicy ? ['Failed'] : ['Failed', 'TerminatingOrFailed'];
  if (podReplacementPolicy !== undefined && !policies.includes(podReplacementPolicy)) {
    errors.push(notSupported(`${path}.podReplacementPolicy`, podReplacementPolicy, policies));
  }
  return errors;
}

function validateTemplate({ template, podFailurePolicy }: JobSpec, path: string, old?: JobSpec): FieldError[] {
  const errors = validatePodTemplate(template, path, old?.template);
  const at = `${path}.spec.restartPolicy`;
  const policy = template.spec?.restartPolicy ?? '';
  if (policy === '' || policy === 'Always') errors.push(required(at, 'valid values: "OnFailure", "Never"'));
  else if (policy !== 'OnFailure' && policy !== 'Never') {
    errors.push(notSupported(at, policy, ['OnFailure', 'Never']));
  } else if (podFailurePolicy && policy !== 'Never') {
    errors.push(invalid(at, policy, 'only "Never" is supported when podFailurePolicy is specified'));
  }
  return errors;
}

/** All but the selector, which only a Job has. Ranges and words are among the constraints of the schema. @param old absent for a new one */
export function validateJobSpec(spec: JobSpec, path: string, old?: JobSpec): FieldError[] {
  const errors: FieldError[] = [];
  if (spec.maxFailedIndexes !== undefined && spec.backoffLimitPerIndex === undefined) {
    errors.push(required(`${path}.backoffLimitPerIndex`, 'when maxFailedIndexes is specified'));
  }
  addErrors(errors, validateManagedBy(spec.managedBy, `${path}.managedBy`));
  if (spec.completionMode === 'Indexed') addErrors(errors, validateIndexed(spec, path));
  else if (spec.completionMode === undefined || spec.completionMode === 'NonIndexed') {
    addErrors(errors, validateNotIndexed(spec, path));
  }
  addErrors(errors, validatePolicies(spec, path));
  addErrors(errors, validateTemplate(spec, `${path}.template`, old));
  return errors;
}

export function jobWarnings(spec: JobSpec | undefined, path: string): string[] {
  const { completionMode, completions = 0, parallelism = 0 } = spec ?? {};
  const warnings: string[] = [];
  if (completionMode === 'Indexed' && completions > MANY_COMPLETIONS && parallelism > MAX_WITH_MANY_COMPLETIONS) {
    warnings.push(
      `${path}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, ` +
        'Kubernetes might not be able to track completedIndexes when a big number of indexes fail',
    );
  }
  return [...warnings, ...podTemplateWarnings(spec?.template, `${path}.template`)];
}
