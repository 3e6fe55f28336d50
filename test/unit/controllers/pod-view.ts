import type { PodView } from '../../../control-plane/controllers/caches/pod-view.ts';

/** A pod as the controllers' caches have it, for tests of their decisions. */
export const podViewOf = (name: string, more: Partial<PodView> = {}): PodView => ({
  namespace: 'default',
  name,
  uid: `uid-${name}`,
  owners: [],
  finalizers: [],
  deleting: false,
  labels: { app: 'web' },
  controllerUid: '',
  phase: 'Running',
  nodeName: 'n1',
  pinnedTo: '',
  ips: [],
  ready: true,
  readyChangedAt: 0,
  createdAt: 0,
  restarts: 0,
  deletionCost: 0,
  hostname: '',
  subdomain: '',
  ports: [],
  tolerations: [],
  claims: [],
  ...more,
});
