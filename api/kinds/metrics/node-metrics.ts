import { defineKind } from '../../machinery/define-kind.ts';
import { NodeMetrics } from '../../types/metrics/v1beta1.gen.ts';
import { METRICS_GROUP, usageColumns } from './usage.ts';

/** What a node uses; not stored: `apiserver/nodes/metrics/` asks the node. */
export const nodeMetrics = defineKind<NodeMetrics>({
  group: METRICS_GROUP,
  version: 'v1beta1',
  kind: 'NodeMetrics',
  plural: 'nodes',
  singular: '',
  namespaced: false,
  schema: NodeMetrics,
  verbs: ['get', 'list'],
  columns: usageColumns((node) => [node]),
});
