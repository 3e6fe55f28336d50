/** Shared by the kinds that create pods from a template. */
import { wide } from '../../machinery/columns.ts';
import { addErrors, type FieldError, invalid, notSupported, required } from '../../machinery/field-error.ts';
import type { Column, KubeObject } from '../../machinery/kind.ts';
import { formatSelector, selectorFrom, validateLabelSelector } from '../../machinery/selectors.ts';
import { validatePodTemplate } from '../core/pod-validation.ts';
import type { PodTemplateSpec } from '../../types/core/v1.gen.ts';
import type { LabelSelector } from '../../types/meta/v1.gen.ts';

/** The selector is required, must not be empty, and must match the template's labels. */
export function validateSelectorAndTemplate(
  selector: LabelSelector | undefined,
  template: PodTemplateSpec | undefined,
  kind: string,
): FieldError[] {
  const errors: FieldError[] = [];
  const path = 'spec.selector';
  if (!selector) {
    errors.push(required(path));
  } else {
    const problems = validateLabelSelector(selector, path);
    addErrors(errors, problems);
    if (!Object.keys(selector.matchLabels ?? {}).length && !selector.matchExpressions?.length) {
      errors.push(invalid(path, selector, `empty selector is invalid for ${kind}`));
    }
    const labels = template?.metadata?.labels;
    if (!problems.length && !selectorFrom(selector).matches(labels)) {
      errors.push(
        invalid('spec.template.metadata.labels', labels ?? {}, '`selector` does not match template `labels`'),
      );
    }
  }
  if (!template) return [...errors, required('spec.template')];
  addErrors(errors, validatePodTemplate(template, 'spec.template'));
  const restartPolicy = template.spec?.restartPolicy;
  if (restartPolicy && restartPolicy !== 'Always') {
    errors.push(notSupported('spec.template.spec.restartPolicy', restartPolicy, ['Always']));
  }
  if (template.spec?.activeDeadlineSeconds !== undefined) {
    errors.push(
      invalid('spec.template.spec.activeDeadlineSeconds', template.spec.activeDeadlineSeconds, `must not be specified`),
    );
  }
  return errors;
}

type Workload = KubeObject & { spec?: { selector?: LabelSelector; template?: PodTemplateSpec } };

const containersOf = ({ spec }: Workload) => spec?.template?.spec?.containers ?? [];

/** The columns of workloads that `-o wide` adds. */
export const templateColumns = <T extends Workload>(): readonly Column<T>[] => [
  wide('Containers', (object) =>
    containersOf(object)
      .map(({ name }) => name)
      .join(','),
  ),
  wide('Images', (object) =>
    containersOf(object)
      .map(({ image }) => image ?? '')
      .join(','),
  ),
  wide('Selector', ({ spec }) => (spec?.selector && formatSelector(selectorFrom(spec.selector))) || '<none>'),
];
