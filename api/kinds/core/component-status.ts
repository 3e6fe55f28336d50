import { nameColumn, text } from '../../machinery/columns.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { type ComponentCondition, ComponentStatus } from '../../types/core/v1.gen.ts';

const healthOf = ({ conditions }: ComponentStatus): ComponentCondition | undefined =>
  conditions?.find(({ type }) => type === 'Healthy');

function statusCell(component: ComponentStatus): string {
  const health = healthOf(component);
  if (!health) return 'Unknown';
  return health.status === 'True' ? 'Healthy' : 'Unhealthy';
}

/** Whether a part of the control plane is healthy; not stored: `apiserver/verbs/component-statuses.ts` looks. */
export const componentStatuses = defineKind<ComponentStatus>({
  group: '',
  version: 'v1',
  kind: 'ComponentStatus',
  plural: 'componentstatuses',
  shortNames: ['cs'],
  namespaced: false,
  schema: ComponentStatus,
  verbs: ['get', 'list'],
  deprecation: 'v1 ComponentStatus is deprecated in v1.19+',
  columns: [
    nameColumn(),
    text('Status', statusCell),
    text('Message', (component) => healthOf(component)?.message ?? ''),
    text('Error', (component) => healthOf(component)?.error ?? ''),
  ],
});
