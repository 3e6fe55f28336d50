/** Validation of a Job's pod failure policy and success policy. */
import {
  addErrors,
  duplicate,
  type FieldError,
  invalid,
  invalidUnshown,
  notSupported,
  required,
  tooLong,
  tooMany,
} from '../../machinery/field-error.ts';
import { validateQualifiedName } from '../../machinery/names.ts';
import { readIndexes } from './index-intervals.ts';
import type {
  JobSpec,
  PodFailurePolicyOnExitCodesRequirement,
  PodFailurePolicyOnPodConditionsPattern,
  PodFailurePolicyRule,
  SuccessPolicyRule,
} from '../../types/batch/v1.gen.ts';

const MAX_RULES = 20;
const MAX_EXIT_CODES = 255;
const MAX_CONDITIONS = 20;
const MAX_INDEXES_LENGTH = 64 * 1024;
const ACTIONS = ['Count', 'FailIndex', 'FailJob', 'Ignore'];
const OPERATORS = ['In', 'NotIn'];
const STATUSES = ['False', 'True', 'Unknown'];

/** A required word out of a few. */
function validateWord(word: string, words: readonly string[], path: string): FieldError[] {
  if (word === '') return [required(path, `valid values: [${words.map((each) => JSON.stringify(each)).join(' ')}]`)];
  return words.includes(word) ? [] : [notSupported(path, word, words)];
}

function validateExitCodes(
  { containerName, operator, values: given }: PodFailurePolicyOnExitCodesRequirement,
  path: string,
  containers: ReadonlySet<string>,
): FieldError[] {
  const errors = validateWord(operator, OPERATORS, `${path}.operator`);
  if (containerName !== undefined && !containers.has(containerName)) {
    const problem = 'must be one of the container or initContainer names in the pod template';
    errors.push(invalid(`${path}.containerName`, containerName, problem));
  }
  const at = `${path}.values`;
  // A required list that is absent is decoded as null.
  const values = (given as number[] | null) ?? [];
  if (values.length === 0) errors.push(invalid(at, given, 'at least one value is required'));
  else if (values.length > MAX_EXIT_CODES) errors.push(tooMany(at, values.length, MAX_EXIT_CODES));
  const seen = new Set<number>();
  for (const [index, value] of values.entries()) {
    if (operator === 'In' && value === 0) {
      errors.push(invalid(`${at}[${index}]`, value, 'must not be 0 for the In operator'));
    }
    if (seen.has(value)) errors.push(duplicate(`${at}[${index}]`, value));
    seen.add(value);
  }
  if (values.some((value, index) => value < (values[index - 1] ?? -Infinity))) {
    errors.push(invalid(at, values, 'must be ordered'));
  }
  return errors;
}

function validateConditions(patterns: readonly PodFailurePolicyOnPodConditionsPattern[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (patterns.length > MAX_CONDITIONS) errors.push(tooMany(path, patterns.length, MAX_CONDITIONS));
  for (const [index, { type, status = '' }] of patterns.entries()) {
    const at = `${path}[${index}]`;
    for (const problem of validateQualifiedName(type)) errors.push(invalid(`${at}.type`, type, problem));
    addErrors(errors, validateWord(status, STATUSES, `${at}.status`));
  }
  return errors;
}

function validateFailureRule(
  { action, onExitCodes, onPodConditions = [] }: PodFailurePolicyRule,
  path: string,
  spec: JobSpec,
  containers: ReadonlySet<string>,
): FieldError[] {
  const errors = validateWord(action, ACTIONS, `${path}.action`);
  if (action === 'FailIndex' && spec.backoffLimitPerIndex === undefined) {
    errors.push(invalid(`${path}.action`, action, 'requires the backoffLimitPerIndex to be set'));
  }
  if (onExitCodes) addErrors(errors, validateExitCodes(onExitCodes, `${path}.onExitCodes`, containers));
  const hasConditions = onPodConditions.length > 0;
  if (hasConditions) addErrors(errors, validateConditions(onPodConditions, `${path}.onPodConditions`));
  if (onExitCodes && hasConditions) {
    errors.push(invalidUnshown(path, 'specifying both OnExitCodes and OnPodConditions is not supported'));
  }
  if (!onExitCodes && !hasConditions) {
    errors.push(invalidUnshown(path, 'specifying one of OnExitCodes and OnPodConditions is required'));
  }
  return errors;
}

export function validateFailurePolicy(spec: JobSpec, path: string): FieldError[] {
  const rules = spec.podFailurePolicy?.rules ?? [];
  const errors: FieldError[] = [];
  if (rules.length > MAX_RULES) errors.push(tooMany(`${path}.rules`, rules.length, MAX_RULES));
  // A required list that is absent is decoded as null.
  const { containers, initContainers } = spec.template.spec ?? {};
  const names = new Set([...(containers ?? []), ...(initContainers ?? [])].map(({ name }) => name));
  for (const [index, rule] of rules.entries()) {
    addErrors(errors, validateFailureRule(rule, `${path}.rules[${index}]`, spec, names));
  }
  return errors;
}

function validateSuccessRule(
  { succeededCount, succeededIndexes }: SuccessPolicyRule,
  path: string,
  completions: number,
): FieldError[] {
  const errors: FieldError[] = [];
  if (succeededCount === undefined && succeededIndexes === undefined) {
    errors.push(required(path, 'at least one of succeededCount or succeededIndexes must be specified'));
  }
  let total = 0;
  if (succeededIndexes !== undefined) {
    const at = `${path}.succeededIndexes`;
    if (succeededIndexes.length > MAX_INDEXES_LENGTH) errors.push(tooLong(at, MAX_INDEXES_LENGTH));
    const indexes = readIndexes(succeededIndexes, completions);
    if (indexes.problem !== undefined) {
      errors.push(invalid(at, succeededIndexes, `error parsing succeededIndexes: ${indexes.problem}`));
    }
    total = indexes.total;
  }
  if (succeededCount === undefined) return errors;
  const at = `${path}.succeededCount`;
  const atMost = (limit: number, what: string): FieldError =>
    invalid(at, succeededCount, `must be less than or equal to ${limit} (the number of ${what})`);
  if (succeededCount < 0) errors.push(invalid(at, succeededCount, 'must be greater than or equal to 0'));
  if (succeededCount > completions) errors.push(atMost(completions, 'specified completions'));
  if (succeededIndexes !== undefined && succeededCount > total) {
    errors.push(atMost(total, 'indexes in the specified succeededIndexes field'));
  }
  return errors;
}

/** Of an indexed Job. */
export function validateSuccessPolicy({ successPolicy, completions = 0 }: JobSpec, path: string): FieldError[] {
  const rules = successPolicy?.rules ?? [];
  const at = `${path}.rules`;
  const errors: FieldError[] = [];
  if (rules.length === 0) {
    errors.push(required(at, 'at least one rules must be specified when the successPolicy is specified'));
  }
  if (rules.length > MAX_RULES) errors.push(tooMany(at, rules.length, MAX_RULES));
  for (const [index, rule] of rules.entries()) {
    addErrors(errors, validateSuccessRule(rule, `${at}[${index}]`, completions));
  }
  return errors;
}
