/** Validation of access reviews. */
import { type FieldError, invalid } from '../../machinery/field-error.ts';
import type { SelfSubjectAccessReviewSpec, SubjectAccessReviewSpec } from '../../types/authorization/v1.gen.ts';

/** Exactly one of resource and non-resource attributes. */
export function validateAttributes(spec: SelfSubjectAccessReviewSpec): FieldError[] {
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

export function validateSubject(spec: SubjectAccessReviewSpec): FieldError[] {
  const errors = validateAttributes(spec);
  if (!spec.user && !spec.groups?.length) {
    errors.push(invalid('spec.user', '', 'at least one of user or group must be specified'));
  }
  return errors;
}

export function validateLocal(spec: SubjectAccessReviewSpec, namespace: string | undefined): FieldError[] {
  const errors = validateSubject(spec);
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
