import { ageColumn, nameColumn, text } from '../../machinery/columns.ts';
import type { Column, KubeObject } from '../../machinery/kind.ts';
import type { HorizontalPodAutoscaler, MetricSpec, MetricStatus } from '../../types/autoscaling/v2.gen.ts';

const MAX_SHOWN = 2;
const UNKNOWN = '<unknown>';

const percent = (value: number | undefined, otherwise: string): string =>
  value === undefined ? otherwise : `${value}%`;

/** The current value of a metric, and its target. */
function metricCell(spec: MetricSpec, status: MetricStatus | undefined): string {
  switch (spec.type) {
    case 'External':
    case 'Object': {
      const field = spec.type === 'External' ? 'external' : 'object';
      const [target, current] = [spec[field]?.target, status?.[field]?.current];
      if (target?.averageValue !== undefined) return `${current?.averageValue ?? UNKNOWN}/${target.averageValue} (avg)`;
      return `${current?.value ?? UNKNOWN}/${target?.value ?? ''}`;
    }
    case 'Pods':
      return `${status?.pods?.current.averageValue ?? UNKNOWN}/${spec.pods?.target.averageValue ?? ''}`;
    case 'Resource':
    case 'ContainerResource': {
      const field = spec.type === 'Resource' ? 'resource' : 'containerResource';
      const { name = '', target } = spec[field] ?? {};
      const current = status?.[field]?.current;
      if (target?.averageValue !== undefined) {
        return `${name}: ${current?.averageValue ?? UNKNOWN}/${target.averageValue}`;
      }
      return `${name}: ${percent(current?.averageUtilization, UNKNOWN)}/${percent(target?.averageUtilization, '<auto>')}`;
    }
    default:
      return '<unknown type>';
  }
}

function metricsCell({ spec, status }: HorizontalPodAutoscaler): string {
  const metrics = spec?.metrics ?? [];
  if (metrics.length === 0) return '<none>';
  const shown = metrics.slice(0, MAX_SHOWN).map((metric, index) => metricCell(metric, status?.currentMetrics?.[index]));
  const hidden = metrics.length - shown.length;
  return shown.join(', ') + (hidden > 0 ? ` + ${hidden} more...` : '');
}

/** @param stored returns the object in autoscaling/v2 */
export const autoscalerColumns = <T extends KubeObject>(
  stored: (object: T) => HorizontalPodAutoscaler,
): readonly Column<T>[] => [
  nameColumn(),
  text('Reference', (object) => {
    const { kind, name } = stored(object).spec?.scaleTargetRef ?? {};
    return `${kind}/${name}`;
  }),
  text('Targets', (object) => metricsCell(stored(object))),
  text('MinPods', (object) => String(stored(object).spec?.minReplicas ?? '<unset>')),
  text('MaxPods', (object) => stored(object).spec?.maxReplicas ?? 0),
  text('Replicas', (object) => stored(object).status?.currentReplicas ?? 0),
  ageColumn(),
];
