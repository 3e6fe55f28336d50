/** StatefulSets, DaemonSets, their revisions and nodes, for tests of decisions. */
import { daemonSets, statefulSets } from '../../../client/resources.gen.ts';
import type { NodeView } from '../../../control-plane/controllers/caches/node-view.ts';
import { newRevision, REVISION_LABEL } from '../../../control-plane/controllers/workloads/history/revision.ts';
import type { ControllerRevision, DaemonSet, DaemonSetSpec } from '../../../api/types/apps/v1.gen.ts';
import type { StatefulSet, StatefulSetSpec, StatefulSetStatus } from '../../../api/types/apps/v1.gen.ts';
import type { PodSpec } from '../../../api/types/core/v1.gen.ts';

export const templateOf = (version: string, spec: Partial<PodSpec> = {}) => ({
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'c', image: version }], ...spec },
});

export const statefulSetOf = (
  spec: Partial<StatefulSetSpec> = {},
  status: Partial<StatefulSetStatus> = {},
): StatefulSet => ({
  metadata: { namespace: 'default', name: 'web', uid: 'uid-set', generation: 1 },
  spec: {
    serviceName: 'web',
    replicas: 3,
    selector: { matchLabels: { app: 'web' } },
    template: templateOf('v1'),
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
    ...spec,
  },
  status: { replicas: 0, ...status },
});

export const daemonSetOf = (spec: Partial<DaemonSetSpec> = {}): DaemonSet => ({
  metadata: { namespace: 'default', name: 'web', uid: 'uid-set', generation: 1 },
  spec: {
    selector: { matchLabels: { app: 'web' } },
    template: templateOf('v1'),
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } },
    ...spec,
  },
});

/** The revision of that version, numbered. */
export const revisionOf = (version: string, revision = 1): ControllerRevision =>
  newRevision(statefulSets, statefulSetOf({ template: templateOf(version) }), { revision, hashLabel: 'hash' });

export function hashOf(version: string): string {
  const set = daemonSetOf({ template: templateOf(version) });
  const { metadata } = newRevision(daemonSets, set, { revision: 1, hashLabel: REVISION_LABEL });
  return metadata?.labels?.[REVISION_LABEL] ?? '';
}

export const nodeViewOf = (name: string, more: Partial<NodeView> = {}): NodeView => ({
  ...{ namespace: '', name, uid: `uid-${name}`, owners: [], finalizers: [], deleting: false },
  ...{ labels: {}, resourceVersion: '1', createdAt: 0, providerID: '', podCIDRs: [], unschedulable: false },
  ...{ taints: [], conditions: [], addresses: [], cpuMillis: 4_000, localPathDirectory: '', hasNfsClient: false },
  ...{ isAttachedTo: false, volumesAttached: [], volumesInUse: [] },
  ...more,
});
