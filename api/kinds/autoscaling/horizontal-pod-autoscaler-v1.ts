/** HorizontalPodAutoscaler in autoscaling/v1: a view of what is stored in v2. */
import { defineKind } from '../../machinery/define-kind.ts';
import { storedAs } from '../../machinery/stored-as.ts';
import { statusSubresource } from '../../machinery/subresources.ts';
import { autoscalerColumns } from './autoscaler-columns.ts';
import { fromV2, keepSpecAnnotations, keepStatusAnnotations, toV2 } from './autoscaler-conversion.ts';
import { horizontalPodAutoscalers as stored, validateAutoscaler } from './horizontal-pod-autoscaler.ts';
import { HorizontalPodAutoscaler } from '../../types/autoscaling/v1.gen.ts';

export const horizontalPodAutoscalers = defineKind<HorizontalPodAutoscaler>({
  group: 'autoscaling',
  version: 'v1',
  kind: 'HorizontalPodAutoscaler',
  plural: 'horizontalpodautoscalers',
  shortNames: ['hpa'],
  categories: ['all'],
  namespaced: true,
  schema: HorizontalPodAutoscaler,
  storedAs: storedAs(stored, { toStored: toV2, fromStored: fromV2, fields: {} }),
  subresources: [statusSubresource<HorizontalPodAutoscaler>({ prepare: keepSpecAnnotations })],
  columns: autoscalerColumns(toV2),
  applyDefaults: (autoscaler) => {
    const { spec } = autoscaler;
    if (!spec) return;
    spec.minReplicas ??= 1;
    // What scales by nothing that it states scales by CPU; other metrics are in an annotation.
    spec.targetCPUUtilizationPercentage ??= fromV2(toV2(autoscaler)).spec?.targetCPUUtilizationPercentage;
  },
  prepareForCreate: (autoscaler) => {
    autoscaler.status = { currentReplicas: 0, desiredReplicas: 0 };
    keepStatusAnnotations(autoscaler, undefined);
  },
  prepareForUpdate: keepStatusAnnotations,
  validate: (autoscaler, old) => validateAutoscaler(toV2(autoscaler), old && toV2(old)),
});
