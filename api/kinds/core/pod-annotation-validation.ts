/** Validation of the annotations of pods and pod templates that have a meaning: upstream's `ValidatePodSpecificAnnotations`. */
import { addErrors, type FieldError, invalid } from '../../machinery/field-error.ts';
import { own } from '../../machinery/own.ts';
import { validateDescendingPath } from './volume-file-validation.ts';

export const SECCOMP_ANNOTATION = 'seccomp.security.alpha.kubernetes.io/pod';
export const CONTAINER_SECCOMP_ANNOTATION = 'container.seccomp.security.alpha.kubernetes.io/';
const DELETION_COST_ANNOTATION = 'controller.kubernetes.io/pod-deletion-cost';

const SECCOMP_PROFILES = new Set(['runtime/default', 'docker/default', 'unconfined']);
const LOCALHOST = 'localhost/';
const DELETION_COST = /^(0|-\d+|[1-9]\d*)$/;
const MAX_INT32 = 2 ** 31;

type Annotations = Readonly<Record<string, string>>;

function validateSeccomp(profile: string, path: string): FieldError[] {
  if (SECCOMP_PROFILES.has(profile)) return [];
  if (!profile.startsWith(LOCALHOST)) return [invalid(path, profile, 'must be a valid seccomp profile')];
  const errors: FieldError[] = [];
  validateDescendingPath(profile.slice(LOCALHOST.length), path, errors);
  return errors;
}

const isInt32 = (text: string): boolean =>
  DELETION_COST.test(text) && Number(text) >= -MAX_INT32 && Number(text) < MAX_INT32;

/** @param path of the object that has the annotations @param old what was accepted once is accepted again */
export function validatePodAnnotations(
  annotations: Annotations | undefined,
  path: string,
  old?: Annotations,
): FieldError[] {
  const errors: FieldError[] = [];
  for (const key in annotations) {
    const value = annotations[key] ?? '';
    if (old && own(old, key) === value) continue;
    if (key === DELETION_COST_ANNOTATION && !isInt32(value))
      errors.push(invalid(`${path}[${key}]`, value, 'must be a 32bit integer'));
    if (key === SECCOMP_ANNOTATION || key.startsWith(CONTAINER_SECCOMP_ANNOTATION))
      addErrors(errors, validateSeccomp(value, `${path}.${key}`));
  }
  return errors;
}
