/** Validation of the metrics of a HorizontalPodAutoscaler, and of references to what is scaled and measured. */
import { addErrors, type FieldError, forbidden, invalid, notSupported, required } from '../../machinery/field-error.ts';
import { validateLabelName, validatePathSegmentName } from '../../machinery/names.ts';
import { isPositiveQuantity } from '../../machinery/quantity.ts';
import { validateContainerResourceName } from '../core/resource-validation.ts';
import type {
  CrossVersionObjectReference,
  MetricIdentifier,
  MetricSpec,
  MetricTarget,
} from '../../types/autoscaling/v2.gen.ts';

const TYPES = ['ContainerResource', 'External', 'Object', 'Pods', 'Resource'];
const TARGET_TYPES = ['Utilization', 'Value', 'AverageValue'];

/** What an apiVersion of a reference may be: any that was there before, or without a group (core/v1). */
export interface ReferenceRules {
  readonly allowsAny?: boolean;
  readonly allowsCore?: boolean;
}

export function apiVersionProblem(
  apiVersion: string | undefined,
  { allowsAny, allowsCore }: ReferenceRules,
): string | undefined {
  if (allowsAny) return undefined;
  const parts = (apiVersion ?? '').split('/');
  if (parts.length > 2) return `unexpected GroupVersion string: ${apiVersion}`;
  const group = parts.length === 2 ? parts[0] : '';
  return group === '' && !allowsCore ? 'apiVersion must specify API group' : undefined;
}

const segmentErrors = (text: string, path: string, missing = ''): FieldError[] =>
  text === ''
    ? [required(path, missing)]
    : validatePathSegmentName(text).map((problem) => invalid(path, text, problem));

export function validateReference(
  { kind, name, apiVersion }: CrossVersionObjectReference,
  path: string,
  rules: ReferenceRules,
): FieldError[] {
  const errors = [...segmentErrors(kind, `${path}.kind`), ...segmentErrors(name, `${path}.name`)];
  const problem = apiVersionProblem(apiVersion, rules);
  if (problem !== undefined) errors.push(invalid(`${path}.apiVersion`, apiVersion ?? '', problem));
  return errors;
}

const validateMetric = ({ name }: MetricIdentifier, path: string): FieldError[] =>
  segmentErrors(name, `${path}.name`, 'must specify a metric name');

function validateTarget({ type, value, averageValue, averageUtilization }: MetricTarget, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (type === '') errors.push(required(`${path}.type`, 'must specify a metric target type'));
  if (!TARGET_TYPES.includes(type)) {
    errors.push(invalid(`${path}.type`, type, 'must be either Utilization, Value, or AverageValue'));
  }
  for (const [field, quantity] of Object.entries({ value, averageValue })) {
    if (quantity === undefined || isPositiveQuantity(quantity)) continue;
    errors.push(invalid(`${path}.${field}`, quantity, 'must be positive'));
  }
  if (averageUtilization !== undefined && averageUtilization < 1) {
    errors.push(invalid(`${path}.averageUtilization`, averageUtilization, 'must be greater than 0'));
  }
  return errors;
}

function validateObjectSource(
  { describedObject, metric, target }: NonNullable<MetricSpec['object']>,
  path: string,
  rules: ReferenceRules,
): FieldError[] {
  const errors = [
    ...validateReference(describedObject, `${path}.describedObject`, rules),
    ...validateMetric(metric, `${path}.metric`),
    ...validateTarget(target, `${path}.target`),
  ];
  if (target.value === undefined && target.averageValue === undefined) {
    errors.push(required(`${path}.target.averageValue`, 'must set either a target value or averageValue'));
  }
  return errors;
}

function validateExternalSource({ metric, target }: NonNullable<MetricSpec['external']>, path: string): FieldError[] {
  const errors = [...validateMetric(metric, `${path}.metric`), ...validateTarget(target, `${path}.target`)];
  const { value, averageValue } = target;
  if (value === undefined && averageValue === undefined) {
    const problem = 'must set either a target value for metric or a per-pod target';
    errors.push(required(`${path}.target.averageValue`, problem));
  }
  if (value !== undefined && averageValue !== undefined) {
    const problem = 'may not set both a target value for metric and a per-pod target';
    errors.push(forbidden(`${path}.target.value`, problem));
  }
  return errors;
}

function validatePodsSource({ metric, target }: NonNullable<MetricSpec['pods']>, path: string): FieldError[] {
  const errors = [...validateMetric(metric, `${path}.metric`), ...validateTarget(target, `${path}.target`)];
  if (target.averageValue === undefined) {
    errors.push(required(`${path}.target.averageValue`, 'must specify a positive target averageValue'));
  }
  return errors;
}

function validateResourceTarget(target: MetricTarget, path: string): FieldError[] {
  const errors = validateTarget(target, path);
  const { averageUtilization, averageValue } = target;
  if (averageUtilization === undefined && averageValue === undefined) {
    const problem = 'must set either a target raw value or a target utilization';
    errors.push(required(`${path}.averageUtilization`, problem));
  }
  if (averageUtilization !== undefined && averageValue !== undefined) {
    const problem = 'may not set both a target raw value and a target utilization';
    errors.push(forbidden(`${path}.averageValue`, problem));
  }
  return errors;
}

const validateResourceSource = ({ name, target }: NonNullable<MetricSpec['resource']>, path: string): FieldError[] => [
  ...(name === '' ? [required(`${path}.name`, 'must specify a resource name')] : []),
  ...validateResourceTarget(target, `${path}.target`),
];

function validateContainerSource(
  { name, container, target }: NonNullable<MetricSpec['containerResource']>,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  if (name === '') errors.push(required(`${path}.name`, 'must specify a resource name'));
  else validateContainerResourceName(name, `${path}.name`, errors);
  const at = `${path}.container`;
  if (container === '') errors.push(required(at, 'must specify a container'));
  else for (const problem of validateLabelName(container)) errors.push(invalid(at, container, problem));
  return [...errors, ...validateResourceTarget(target, `${path}.target`)];
}

/** Only the first source that is there is validated. */
function validateSource(spec: MetricSpec, source: string | undefined, path: string, rules: ReferenceRules) {
  if (source === 'object' && spec.object) return validateObjectSource(spec.object, path, rules);
  if (source === 'external' && spec.external) return validateExternalSource(spec.external, path);
  if (source === 'pods' && spec.pods) return validatePodsSource(spec.pods, path);
  if (source === 'resource' && spec.resource) return validateResourceSource(spec.resource, path);
  return spec.containerResource ? validateContainerSource(spec.containerResource, path) : [];
}

export function validateMetricSpec(spec: MetricSpec, path: string, rules: ReferenceRules): FieldError[] {
  const { type, object, external, pods, resource, containerResource } = spec;
  const errors: FieldError[] = [];
  if (type === '') errors.push(required(`${path}.type`, 'must specify a metric source type'));
  const isKnown = TYPES.includes(type);
  if (!isKnown) errors.push(notSupported(`${path}.type`, type, TYPES));
  const present = Object.entries({ object, external, pods, resource, containerResource })
    .filter(([, source]) => source !== undefined)
    .map(([name]) => name);
  const [first] = present;
  addErrors(errors, validateSource(spec, first, `${path}.${first}`, rules));
  const expected = isKnown ? `${type.slice(0, 1).toLowerCase()}${type.slice(1)}` : '';
  if (isKnown && !present.includes(expected)) {
    errors.push(required(`${path}.${expected}`, 'must populate information for the given metric source'));
  }
  if (!isKnown) errors.push(notSupported(`${path}.type`, type, TYPES));
  if (present.length === 1) return errors;
  for (const name of present) {
    if (name !== expected) errors.push(forbidden(`${path}.${name}`, 'must populate the given metric source only'));
  }
  return errors;
}
