/** Validation of scheduling constraints: affinity, tolerations, topology spread. */
import {
  addErrors,
  type FieldError,
  duplicate,
  forbidden,
  invalid,
  required,
  tooMany,
} from '../../machinery/field-error.ts';
import {
  validateLabelName,
  validateLabelValue,
  validateQualifiedName,
  validateSubdomainName,
} from '../../machinery/names.ts';
import { validateLabelSelector } from '../../machinery/selectors.ts';
import type { LabelSelector } from '../../types/meta/v1.gen.ts';
import type {
  Affinity,
  NodeSelector,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodAffinity,
  PodAffinityTerm,
  Toleration,
  TopologySpreadConstraint,
} from '../../types/core/v1.gen.ts';

const MAX_WEIGHT = 100;
/**
 * Terms, constraints and expressions of one list. The scheduler compares those of a pod that waits with each pod that comes or goes,
 * and those of a pod that runs with each pod that is to be scheduled. Upstream has no such limit.
 */
const MAX_TERMS = 100;

/** Returns those that are validated further. */
function limited<T>(items: readonly T[] | undefined, path: string, errors: FieldError[]): readonly T[] {
  if (!items) return [];
  if (items.length <= MAX_TERMS) return items;
  errors.push(tooMany(path, items.length, MAX_TERMS));
  return [];
}

function validateRequirement(requirement: NodeSelectorRequirement, path: string, errors: FieldError[]): void {
  const { key, operator, values = [] } = requirement;
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (!values.length) {
        errors.push(required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
      }
      break;
    case 'Exists':
    case 'DoesNotExist':
      if (values.length) {
        errors.push(forbidden(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
      }
      break;
    case 'Gt':
    case 'Lt':
      if (values.length !== 1) {
        errors.push(required(`${path}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'"));
      }
      break;
    default:
      errors.push(invalid(`${path}.operator`, operator, 'not a valid selector operator'));
  }
  for (const problem of validateQualifiedName(key)) errors.push(invalid(`${path}.key`, key, problem));
}

function validateFieldRequirement(requirement: NodeSelectorRequirement, path: string, errors: FieldError[]): void {
  const { key, operator, values = [] } = requirement;
  if (operator !== 'In' && operator !== 'NotIn') {
    errors.push(invalid(`${path}.operator`, operator, 'not a valid selector operator'));
  } else if (values.length !== 1) {
    errors.push(
      required(`${path}.values`, "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"),
    );
  }
  if (key !== 'metadata.name') errors.push(invalid(`${path}.key`, key, 'not a valid field selector key'));
  else {
    for (const [index, value] of values.entries()) {
      for (const problem of validateSubdomainName(value))
        errors.push(invalid(`${path}.values[${index}]`, value, problem));
    }
  }
}

function validateValues({ values = [] }: NodeSelectorRequirement, path: string, errors: FieldError[]): void {
  for (const [index, value] of values.entries()) {
    for (const problem of validateLabelValue(value)) errors.push(invalid(`${path}.values[${index}]`, value, problem));
  }
}

function validateNodeSelectorTerm(
  term: NodeSelectorTerm,
  path: string,
  errors: FieldError[],
  checksValues = false,
): void {
  for (const [index, requirement] of limited(term.matchExpressions, `${path}.matchExpressions`, errors).entries()) {
    const at = `${path}.matchExpressions[${index}]`;
    validateRequirement(requirement, at, errors);
    if (checksValues) validateValues(requirement, at, errors);
  }
  for (const [index, requirement] of limited(term.matchFields, `${path}.matchFields`, errors).entries()) {
    validateFieldRequirement(requirement, `${path}.matchFields[${index}]`, errors);
  }
}

/** @param checksValues whether the values have to be valid as those of labels */
export function validateNodeSelector(
  { nodeSelectorTerms }: NodeSelector,
  path: string,
  errors: FieldError[],
  checksValues = false,
): void {
  const at = `${path}.nodeSelectorTerms`;
  if (!nodeSelectorTerms?.length) errors.push(required(at, 'must have at least one node selector term'));
  for (const [index, term] of limited(nodeSelectorTerms, at, errors).entries()) {
    validateNodeSelectorTerm(term, `${at}[${index}]`, errors, checksValues);
  }
}

function validateWeight(weight: number, path: string, errors: FieldError[]): void {
  if (weight < 1 || weight > MAX_WEIGHT) errors.push(invalid(path, weight, `must be in the range 1-${MAX_WEIGHT}`));
}

interface WithLabelKeys {
  readonly labelSelector?: LabelSelector;
  readonly matchLabelKeys?: readonly string[];
  readonly mismatchLabelKeys?: readonly string[];
}

/** Upstream: `ValidateMatchLabelKeysAndMismatchLabelKeys`; the keys may have been merged into the selector already. */
function validateLabelKeys(
  { labelSelector, matchLabelKeys = [], mismatchLabelKeys = [] }: WithLabelKeys,
  path: string,
  errors: FieldError[],
): void {
  for (const [field, keys] of Object.entries({ matchLabelKeys, mismatchLabelKeys })) {
    if (keys.length === 0) continue;
    if (!labelSelector) {
      errors.push(forbidden(`${path}.${field}`, 'must not be specified when labelSelector is not set'));
      continue;
    }
    for (const [index, key] of keys.entries()) {
      for (const problem of validateQualifiedName(key))
        errors.push(invalid(`${path}.${field}[${index}]`, key, problem));
    }
  }
  const places = new Map(matchLabelKeys.map((key, index) => [key, index]));
  const selected = new Set(Object.keys(labelSelector?.matchLabels ?? {}));
  for (const { key } of labelSelector?.matchExpressions ?? []) {
    const place = places.get(key);
    // As upstream, the path lacks the field's name.
    if (place !== undefined && selected.has(key)) {
      errors.push(invalid(`${path}[${place}]`, key, 'exists in both matchLabelKeys and labelSelector'));
    }
    selected.add(key);
  }
  const mismatched = new Set(mismatchLabelKeys);
  for (const [index, key] of matchLabelKeys.entries()) {
    if (!mismatched.has(key)) continue;
    errors.push(
      invalid(`${path}.matchLabelKeys[${index}]`, key, 'exists in both matchLabelKeys and mismatchLabelKeys'),
    );
  }
}

function validatePodTerm(term: PodAffinityTerm, path: string, errors: FieldError[]): void {
  const { labelSelector, namespaceSelector, namespaces, topologyKey } = term;
  if (labelSelector) addErrors(errors, validateLabelSelector(labelSelector, `${path}.labelSelector`));
  validateLabelKeys(term, path, errors);
  if (namespaceSelector) addErrors(errors, validateLabelSelector(namespaceSelector, `${path}.namespaceSelector`));
  for (const name of namespaces ?? []) {
    for (const problem of validateLabelName(name)) errors.push(invalid(`${path}.namespace`, name, problem));
  }
  if (topologyKey === '') errors.push(required(`${path}.topologyKey`, 'can not be empty'));
  for (const problem of validateQualifiedName(topologyKey)) {
    errors.push(invalid(`${path}.topologyKey`, topologyKey, problem));
  }
}

function validatePodAffinity(affinity: PodAffinity, path: string, errors: FieldError[]): void {
  const strict = `${path}.requiredDuringSchedulingIgnoredDuringExecution`;
  const terms = limited(affinity.requiredDuringSchedulingIgnoredDuringExecution, strict, errors);
  for (const [index, term] of terms.entries()) validatePodTerm(term, `${strict}[${index}]`, errors);
  const preferred = `${path}.preferredDuringSchedulingIgnoredDuringExecution`;
  const weighted = limited(affinity.preferredDuringSchedulingIgnoredDuringExecution, preferred, errors);
  for (const [index, term] of weighted.entries()) {
    const at = `${preferred}[${index}]`;
    validateWeight(term.weight, `${at}.weight`, errors);
    validatePodTerm(term.podAffinityTerm, `${at}.podAffinityTerm`, errors);
  }
}

/** @param checksValues whether what nodes are required to have are values that a label can have: what is stored may have been accepted before */
export function validateAffinity(
  { nodeAffinity, podAffinity, podAntiAffinity }: Affinity,
  path: string,
  errors: FieldError[],
  checksValues: boolean,
): void {
  if (nodeAffinity) {
    const at = `${path}.nodeAffinity`;
    const wanted = nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution;
    if (wanted)
      validateNodeSelector(wanted, `${at}.requiredDuringSchedulingIgnoredDuringExecution`, errors, checksValues);
    const preferred = `${at}.preferredDuringSchedulingIgnoredDuringExecution`;
    const weighted = limited(nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution, preferred, errors);
    for (const [index, term] of weighted.entries()) {
      const here = `${preferred}[${index}]`;
      validateWeight(term.weight, `${here}.weight`, errors);
      validateNodeSelectorTerm(term.preference, `${here}.preference`, errors);
    }
  }
  if (podAffinity) validatePodAffinity(podAffinity, `${path}.podAffinity`, errors);
  if (podAntiAffinity) validatePodAffinity(podAntiAffinity, `${path}.podAntiAffinity`, errors);
}

export function validateTolerations(tolerations: readonly Toleration[], path: string, errors: FieldError[]): void {
  for (const [index, toleration] of tolerations.entries()) {
    const at = `${path}[${index}]`;
    const { key = '', value = '', tolerationSeconds } = toleration;
    // Clients may send other values than the type has.
    const operator: string = toleration.operator ?? '';
    const effect = toleration.effect ?? '';
    if (!key && operator !== 'Exists') {
      errors.push(
        invalid(
          `${at}.operator`,
          operator,
          'operator must be Exists when `key` is empty, which means "match all values and all keys"',
        ),
      );
    }
    if (tolerationSeconds !== undefined && effect !== 'NoExecute') {
      errors.push(invalid(`${at}.effect`, effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"));
    }
    switch (operator) {
      case '':
      case 'Equal': {
        const problems = validateLabelValue(value);
        if (problems.length) errors.push(invalid(`${at}.operator`, value, problems.join(';')));
        break;
      }
      case 'Exists':
        if (value) errors.push(invalid(`${at}.operator`, value, "value must be empty when `operator` is 'Exists'"));
        break;
    }
  }
}

export function validateTopologySpread(
  constraints: readonly TopologySpreadConstraint[],
  path: string,
  errors: FieldError[],
): void {
  const pairOf = ({ topologyKey, whenUnsatisfiable }: TopologySpreadConstraint): string =>
    `{${topologyKey}, ${whenUnsatisfiable}}`;
  const last = new Map(constraints.map((constraint, index) => [pairOf(constraint), index]));
  for (const [index, constraint] of limited(constraints, path, errors).entries()) {
    const at = `${path}[${index}]`;
    const { maxSkew, topologyKey, whenUnsatisfiable, minDomains, labelSelector } = constraint;
    if (maxSkew <= 0) errors.push(invalid(`${at}.maxSkew`, maxSkew, 'must be greater than zero'));
    if (topologyKey === '') errors.push(required(`${at}.topologyKey`, 'can not be empty'));
    const pair = pairOf(constraint);
    // As upstream, of those that are alike all but the last are told.
    if (last.get(pair) !== index) errors.push(duplicate(`${at}.{topologyKey, whenUnsatisfiable}`, pair));
    if (minDomains !== undefined && minDomains <= 0) {
      errors.push(invalid(`${at}.minDomains`, minDomains, 'must be greater than zero'));
    }
    if (minDomains !== undefined && whenUnsatisfiable !== 'DoNotSchedule') {
      errors.push(
        invalid(
          `${at}.minDomains`,
          minDomains,
          `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${whenUnsatisfiable}`,
        ),
      );
    }
    validateLabelKeys(constraint, at, errors);
    if (labelSelector) addErrors(errors, validateLabelSelector(labelSelector, `${at}.labelSelector`));
  }
}
