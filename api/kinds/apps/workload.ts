/** Shared by the kinds that create pods from a template. */
import { wide } from '../../machinery/columns.ts';
import { addErrors, type FieldError, forbidden, invalid, notSupported, required } from '../../machinery/field-error.ts';
import type { Column, KubeObject } from '../../machinery/kind.ts';
import { validateLabelName } from '../../machinery/names.ts';
import { formatSelector, selectorFrom, validateLabelSelector } from '../../machinery/selectors.ts';
import { validatePodTemplate } from '../core/pod-validation.ts';
import { podTemplateWarnings } from '../core/pod-warnings.ts';
import type { PodTemplateSpec } from '../../types/core/v1.gen.ts';
import type { LabelSelector } from '../../types/meta/v1.gen.ts';

/** A selector that must not be empty, and must match the template's labels. `kind` is as messages name it. */
export function validateSelector(
  selector: LabelSelector | undefined,
  template: PodTemplateSpec | undefined,
  kind: string,
): FieldError[] {
  const path = 'spec.selector';
  if (!selector) return [required(path), ...validateMatch(undefined, template)];
  const problems = validateLabelSelector(selector, path);
  const errors = [...problems, ...validateNotEmpty(selector, kind)];
  if (problems.length > 0) errors.push(invalid(path, selector, kind === 'statefulset' ? '' : 'invalid label selector'));
  else addErrors(errors, validateMatch(selector, template));
  return errors;
}

export function validateNotEmpty(selector: LabelSelector, kind: string): FieldError[] {
  if (Object.keys(selector.matchLabels ?? {}).length || selector.matchExpressions?.length) return [];
  return [invalid('spec.selector', selector, `empty selector is invalid for ${kind}`)];
}

/** The selector must match the pods that will be created; without one, none is. */
export function validateMatch(
  selector: LabelSelector | undefined,
  template: PodTemplateSpec | undefined,
): FieldError[] {
  const labels = template?.metadata?.labels;
  if (selectorFrom(selector).matches(labels)) return [];
  return [invalid('spec.template.metadata.labels', labels ?? null, '`selector` does not match template `labels`')];
}

/** The template of pods that are always restarted. `kind` is as messages name it. @param old absent for a new one */
export function validateLastingTemplate(
  template: PodTemplateSpec | undefined,
  kind: string,
  old: PodTemplateSpec | undefined,
): FieldError[] {
  const path = 'spec.template';
  if (!template) return [required(path)];
  const errors = validatePodTemplate(template, path, old);
  const { restartPolicy, activeDeadlineSeconds } = template.spec ?? {};
  if (restartPolicy && restartPolicy !== 'Always') {
    errors.push(notSupported(`${path}.spec.restartPolicy`, restartPolicy, ['Always']));
  }
  if (activeDeadlineSeconds !== undefined) {
    const problem = `activeDeadlineSeconds in ${kind} is not Supported`;
    errors.push(forbidden(`${path}.spec.activeDeadlineSeconds`, problem));
  }
  return errors;
}

/** What the statuses of ReplicaSets and ReplicationControllers count. */
interface ReplicaCounts {
  readonly replicas?: number;
  readonly fullyLabeledReplicas?: number;
  readonly readyReplicas?: number;
  readonly availableReplicas?: number;
}

export function validateReplicaCounts(status: ReplicaCounts | undefined): FieldError[] {
  const { replicas = 0, fullyLabeledReplicas = 0, readyReplicas = 0, availableReplicas = 0 } = status ?? {};
  const errors: FieldError[] = [];
  for (const [field, count] of Object.entries({ fullyLabeledReplicas, readyReplicas, availableReplicas })) {
    if (count > replicas) errors.push(invalid(`status.${field}`, count, 'cannot be greater than status.replicas'));
  }
  if (availableReplicas > readyReplicas) {
    errors.push(invalid('status.availableReplicas', availableReplicas, 'cannot be greater than readyReplicas'));
  }
  return errors;
}

/** A counter that distinguishes names after collisions only grows. */
export function validateCollisionCount(count = 0, old = 0): FieldError[] {
  return count < old ? [invalid('status.collisionCount', count, 'cannot be decremented')] : [];
}

/** Updates warn of a template only when they change the spec. */
export const templateWarnings = (
  template: PodTemplateSpec | undefined,
  path: string,
  object: KubeObject,
  old: KubeObject | undefined,
): string[] =>
  old && old.metadata?.generation === object.metadata?.generation ? [] : podTemplateWarnings(template, path);

/** New workloads are warned of names that cannot begin the hostname of a pod. */
export function nameWarnings({ metadata }: KubeObject, old: KubeObject | undefined): string[] {
  const problems = old ? [] : validateLabelName(metadata?.name ?? '');
  if (problems.length === 0) return [];
  const advice = `a DNS label is recommended: [${problems.join(' ')}]`;
  return [`metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; ${advice}`];
}

type TemplateOf<T> = (object: T) => PodTemplateSpec | undefined;

const containersOf = (template: PodTemplateSpec | undefined) => template?.spec?.containers ?? [];

/** What `-o wide` adds for a template. */
export const containerColumns = <T>(templateOf: TemplateOf<T>): readonly Column<T>[] => [
  wide('Containers', (object) =>
    containersOf(templateOf(object))
      .map(({ name }) => name)
      .join(','),
  ),
  wide('Images', (object) =>
    containersOf(templateOf(object))
      .map(({ image }) => image ?? '')
      .join(','),
  ),
];

export const selectorColumn = <T>(selectorOf: (object: T) => LabelSelector | undefined): Column<T> =>
  wide('Selector', (object) => {
    const selector = selectorOf(object);
    return (selector && formatSelector(selectorFrom(selector))) || '<none>';
  });

type Workload = KubeObject & { spec?: { selector?: LabelSelector; template?: PodTemplateSpec } };

/** The columns of workloads that `-o wide` adds. */
export const templateColumns = <T extends Workload>(): readonly Column<T>[] => [
  ...containerColumns<T>(({ spec }) => spec?.template),
  selectorColumn<T>(({ spec }) => spec?.selector),
];
