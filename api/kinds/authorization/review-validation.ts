/** Validation of access reviews. */
import { addErrors, type FieldError, forbidden, invalid, required } from '../../machinery/field-error.ts';
import { validateLabelValue, validateQualifiedName } from '../../machinery/names.ts';
import type {
  LocalSubjectAccessReview,
  ResourceAttributes,
  SelfSubjectAccessReview,
  SelfSubjectAccessReviewSpec,
  SubjectAccessReview,
  SubjectAccessReviewSpec,
} from '../../types/authorization/v1.gen.ts';
import type { FieldSelectorRequirement, LabelSelectorRequirement, ObjectMeta } from '../../types/meta/v1.gen.ts';

/** Exactly one of resource and non-resource attributes. */
function validateAttributes(spec: SelfSubjectAccessReviewSpec): FieldError[] {
  const { resourceAttributes, nonResourceAttributes } = spec;
  if (resourceAttributes && nonResourceAttributes) {
    return [
      invalid(
        'spec.nonResourceAttributes',
        nonResourceAttributes,
        'cannot be specified in combination with resourceAttributes',
      ),
    ];
  }
  if (!resourceAttributes && !nonResourceAttributes) {
    return [
      invalid(
        'spec.resourceAttributes',
        null,
        'exactly one of nonResourceAttributes or resourceAttributes must be specified',
      ),
    ];
  }
  return [];
}

type SelectorKind = 'fieldSelector' | 'labelSelector';
/** Unknown operators are those of newer clients, and valid. */
const needsValues = (operator: string): boolean => operator === 'In' || operator === 'NotIn';
const takesNoValues = (operator: string): boolean => operator === 'Exists' || operator === 'DoesNotExist';

function validateRequirement(
  { key, operator, values = [] }: FieldSelectorRequirement | LabelSelectorRequirement,
  kind: SelectorKind,
  at: string,
): FieldError[] {
  const errors: FieldError[] = [];
  if (kind === 'fieldSelector' && key === '') errors.push(required(`${at}.key`, 'must be specified'));
  if (needsValues(operator) && values.length === 0) {
    errors.push(required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
  } else if (takesNoValues(operator) && values.length > 0) {
    errors.push(forbidden(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
  }
  if (kind === 'fieldSelector') return errors;
  for (const problem of validateQualifiedName(key)) errors.push(invalid(`${at}.key`, key, problem));
  for (const [index, value] of values.entries()) {
    for (const problem of validateLabelValue(value)) errors.push(invalid(`${at}.values[${index}]`, value, problem));
  }
  return errors;
}

/** Upstream: `validateResourceAttributes`. */
function validateSelectors(attributes: ResourceAttributes | undefined): FieldError[] {
  const errors: FieldError[] = [];
  for (const kind of ['fieldSelector', 'labelSelector'] as const) {
    const selector = attributes?.[kind];
    if (!selector) continue;
    const at = `spec.resourceAttributes.${kind}`;
    const { rawSelector = '', requirements = [] } = selector;
    if (rawSelector && requirements.length > 0) {
      errors.push(invalid(`${at}.rawSelector`, rawSelector, 'may not specified at the same time as requirements'));
    }
    if (!rawSelector && requirements.length === 0) {
      errors.push(required(`${at}.requirements`, `when ${at} is specified, requirements or rawSelector is required`));
    }
    for (const [index, requirement] of requirements.entries()) {
      addErrors(errors, validateRequirement(requirement, kind, `${at}.requirements[${index}]`));
    }
  }
  return errors;
}

/** A review is no object: it has no metadata, except for the namespace in which a local one is made. */
function validateNameless(metadata: ObjectMeta = {}, detail: string, allowed: readonly string[] = []): FieldError[] {
  const given = Object.keys(metadata).filter((field) => field !== 'managedFields' && !allowed.includes(field));
  return given.length > 0 ? [invalid('metadata', metadata, detail)] : [];
}

export const validateSelf = ({ spec, metadata }: SelfSubjectAccessReview): FieldError[] => [
  ...validateAttributes(spec),
  ...validateSelectors(spec.resourceAttributes),
  ...validateNameless(metadata, 'must be empty'),
];

function validateSubjectSpec(spec: SubjectAccessReviewSpec): FieldError[] {
  const errors = validateAttributes(spec);
  if (!spec.user && !spec.groups?.length) {
    errors.push(invalid('spec.user', '', 'at least one of user or group must be specified'));
  }
  addErrors(errors, validateSelectors(spec.resourceAttributes));
  return errors;
}

export const validateSubject = ({ spec, metadata }: SubjectAccessReview): FieldError[] => [
  ...validateSubjectSpec(spec),
  ...validateNameless(metadata, 'must be empty'),
];

export function validateLocal({ spec, metadata }: LocalSubjectAccessReview): FieldError[] {
  const errors = validateSubjectSpec(spec);
  addErrors(errors, validateNameless(metadata, 'must be empty except for namespace', ['namespace']));
  const namespace = metadata?.namespace;
  if (spec.resourceAttributes && (spec.resourceAttributes.namespace ?? '') !== (namespace ?? '')) {
    errors.push(
      invalid(
        'spec.resourceAttributes.namespace',
        spec.resourceAttributes.namespace ?? '',
        'must match metadata.namespace',
      ),
    );
  }
  if (spec.nonResourceAttributes) {
    errors.push(
      invalid('spec.nonResourceAttributes', spec.nonResourceAttributes, 'disallowed on this kind of request'),
    );
  }
  return errors;
}
