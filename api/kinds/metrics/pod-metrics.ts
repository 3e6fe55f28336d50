import { defineKind } from '../../machinery/define-kind.ts';
import { PodMetrics } from '../../types/metrics/v1beta1.gen.ts';
import { METRICS_GROUP, usageColumns } from './usage.ts';

/** What the containers of a pod use; not stored: `apiserver/nodes/metrics/` asks the pod's node. */
export const podMetrics = defineKind<PodMetrics>({
  group: METRICS_GROUP,
  version: 'v1beta1',
  kind: 'PodMetrics',
  plural: 'pods',
  singular: '',
  namespaced: true,
  schema: PodMetrics,
  verbs: ['get', 'list'],
  columns: usageColumns(({ containers }) => containers),
});
