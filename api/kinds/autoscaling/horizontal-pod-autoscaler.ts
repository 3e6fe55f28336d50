/** HorizontalPodAutoscaler in autoscaling/v2, the version that is stored. */
import { defineKind } from '../../machinery/define-kind.ts';
import { addErrors, type FieldError, forbidden, invalid, notSupported, required } from '../../machinery/field-error.ts';
import { isNegativeQuantity } from '../../machinery/quantity.ts';
import { statusSubresource } from '../../machinery/subresources.ts';
import { autoscalerColumns } from './autoscaler-columns.ts';
import { apiVersionProblem, validateMetricSpec, validateReference, type ReferenceRules } from './metric-validation.ts';
import {
  HorizontalPodAutoscaler,
  type HorizontalPodAutoscalerSpec,
  type HPAScalingPolicy,
  type HPAScalingRules,
  type MetricSpec,
} from '../../types/autoscaling/v2.gen.ts';

const DEFAULT_UTILIZATION = 80;
const PERIOD_SECONDS = 15;
const MAX_PERIOD_SECONDS = 1800;
const MAX_STABILIZATION_SECONDS = 3600;
const SELECT_POLICIES = ['Disabled', 'Max', 'Min'];
const POLICY_TYPES = ['Percent', 'Pods'];

export const cpuMetric = (averageUtilization: number): MetricSpec => ({
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } },
});

const policy = (type: string, value: number): HPAScalingPolicy => ({ type, value, periodSeconds: PERIOD_SECONDS });

export function applyAutoscalerDefaults({ spec }: HorizontalPodAutoscaler): void {
  if (!spec) return;
  spec.minReplicas ??= 1;
  if (!spec.metrics?.length) spec.metrics = [cpuMetric(DEFAULT_UTILIZATION)];
  if (!spec.behavior) return;
  const up = (spec.behavior.scaleUp ??= {});
  up.stabilizationWindowSeconds ??= 0;
  up.selectPolicy ??= 'Max';
  up.policies ??= [policy('Pods', 4), policy('Percent', 100)];
  const down = (spec.behavior.scaleDown ??= {});
  down.selectPolicy ??= 'Max';
  down.policies ??= [policy('Percent', 100)];
}

function validatePolicy({ type, value, periodSeconds }: HPAScalingPolicy, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (!POLICY_TYPES.includes(type)) errors.push(notSupported(`${path}.type`, type, POLICY_TYPES));
  if (value <= 0) errors.push(invalid(`${path}.value`, value, 'must be greater than zero'));
  const at = `${path}.periodSeconds`;
  if (periodSeconds <= 0) errors.push(invalid(at, periodSeconds, 'must be greater than zero'));
  if (periodSeconds > MAX_PERIOD_SECONDS) {
    errors.push(invalid(at, periodSeconds, `must be less than or equal to ${MAX_PERIOD_SECONDS}`));
  }
  return errors;
}

function validateScaling(rules: HPAScalingRules | undefined, path: string): FieldError[] {
  if (!rules) return [];
  const { stabilizationWindowSeconds: window = 0, selectPolicy, policies = [], tolerance } = rules;
  const errors: FieldError[] = [];
  const at = `${path}.stabilizationWindowSeconds`;
  if (window < 0) errors.push(invalid(at, window, 'must be greater than or equal to zero'));
  if (window > MAX_STABILIZATION_SECONDS) {
    errors.push(invalid(at, window, `must be less than or equal to ${MAX_STABILIZATION_SECONDS}`));
  }
  if (selectPolicy !== undefined && !SELECT_POLICIES.includes(selectPolicy)) {
    errors.push(notSupported(`${path}.selectPolicy`, selectPolicy, SELECT_POLICIES));
  }
  if (policies.length === 0) errors.push(required(`${path}.policies`, 'must specify at least one Policy'));
  for (const [index, each] of policies.entries()) addErrors(errors, validatePolicy(each, `${path}.policies[${index}]`));
  if (tolerance !== undefined && isNegativeQuantity(tolerance)) {
    errors.push(invalid(`${path}.tolerance`, tolerance, 'must be greater than or equal to 0'));
  }
  return errors;
}

function validateReplicas({ minReplicas, maxReplicas }: HorizontalPodAutoscalerSpec, lowest: number): FieldError[] {
  const errors: FieldError[] = [];
  if (minReplicas !== undefined && minReplicas < lowest) {
    errors.push(invalid('spec.minReplicas', minReplicas, `must be greater than or equal to ${lowest}`));
  }
  const path = 'spec.maxReplicas';
  if (maxReplicas === 0) errors.push(required(path, 'must be set and greater than 0'));
  else if (maxReplicas < 0) errors.push(invalid(path, maxReplicas, 'must be greater than or equal to 1'));
  if (minReplicas !== undefined && maxReplicas < minReplicas) {
    errors.push(invalid(path, maxReplicas, 'must be greater than or equal to `minReplicas`'));
  }
  return errors;
}

function targetRules(spec: HorizontalPodAutoscalerSpec, old?: HorizontalPodAutoscalerSpec): ReferenceRules {
  const { apiVersion, kind } = spec.scaleTargetRef;
  const before = old?.scaleTargetRef;
  if (before && before.apiVersion === apiVersion && before.kind === kind) return { allowsAny: true };
  return { allowsCore: kind === 'ReplicationController' };
}

/** An apiVersion that older rules accepted may stay, and others with it. */
const metricRules = (old?: HorizontalPodAutoscalerSpec): ReferenceRules => ({
  allowsCore: true,
  allowsAny:
    old?.metrics?.some(
      ({ type, object }) =>
        type === 'Object' &&
        object &&
        apiVersionProblem(object.describedObject.apiVersion, { allowsCore: true }) !== undefined,
    ) ?? false,
});

function validateMetrics(spec: HorizontalPodAutoscalerSpec, old?: HorizontalPodAutoscalerSpec): FieldError[] {
  const errors: FieldError[] = [];
  const { metrics = [], minReplicas } = spec;
  const rules = metricRules(old);
  for (const [index, metric] of metrics.entries()) {
    addErrors(errors, validateMetricSpec(metric, `spec.metrics[${index}]`, rules));
  }
  if (minReplicas === 0 && !metrics.some(({ type }) => type === 'Object' || type === 'External')) {
    const problem = 'must specify at least one Object or External metric to support scaling to zero replicas';
    errors.push(forbidden('spec.metrics', problem));
  }
  return errors;
}

export function validateAutoscaler({ spec }: HorizontalPodAutoscaler, old?: HorizontalPodAutoscaler): FieldError[] {
  if (!spec) return [required('spec.maxReplicas', 'must be set and greater than 0')];
  // Scaling to zero is behind a gate; what does so already may go on.
  const lowest = old?.spec?.minReplicas === 0 ? 0 : 1;
  return [
    ...validateReplicas(spec, lowest),
    ...validateReference(spec.scaleTargetRef, 'spec.scaleTargetRef', targetRules(spec, old?.spec)),
    ...validateMetrics(spec, old?.spec),
    ...validateScaling(spec.behavior?.scaleUp, 'spec.behavior.scaleUp'),
    ...validateScaling(spec.behavior?.scaleDown, 'spec.behavior.scaleDown'),
  ];
}

export const horizontalPodAutoscalers = defineKind<HorizontalPodAutoscaler>({
  group: 'autoscaling',
  version: 'v2',
  kind: 'HorizontalPodAutoscaler',
  plural: 'horizontalpodautoscalers',
  shortNames: ['hpa'],
  categories: ['all'],
  namespaced: true,
  schema: HorizontalPodAutoscaler,
  subresources: [statusSubresource()],
  columns: autoscalerColumns((autoscaler) => autoscaler),
  applyDefaults: applyAutoscalerDefaults,
  prepareForCreate: (autoscaler) => {
    autoscaler.status = { desiredReplicas: 0, currentMetrics: null };
  },
  validate: validateAutoscaler,
});
