/** The kinds of objects, in groups that people look for them in. */
import type { ResourceName } from './route.ts';

export const SECTIONS = ['cluster', 'workloads', 'network', 'config', 'storage', 'access', 'custom', 'other'] as const;
export type Section = (typeof SECTIONS)[number];

export interface Listed extends ResourceName {
  readonly kind: string;
  readonly verbs: readonly string[];
}

/** In this order; what is not here follows. */
const PLACES: readonly (readonly [Section, string, readonly string[]])[] = [
  ['cluster', '', ['namespaces', 'nodes']],
  ['cluster', 'events.k8s.io', ['events']],
  ['cluster', 'coordination.k8s.io', ['leases']],
  ['cluster', 'scheduling.k8s.io', ['priorityclasses']],
  ['cluster', 'apiextensions.k8s.io', ['customresourcedefinitions']],
  ['workloads', '', ['pods']],
  ['workloads', 'apps', ['deployments', 'statefulsets', 'daemonsets', 'replicasets']],
  ['workloads', 'batch', ['jobs', 'cronjobs']],
  ['workloads', 'autoscaling', ['horizontalpodautoscalers']],
  ['workloads', 'policy', ['poddisruptionbudgets']],
  ['network', '', ['services']],
  ['network', 'networking.k8s.io', ['ingresses', 'ingressclasses', 'networkpolicies']],
  [
    'network',
    'gateway.networking.k8s.io',
    ['gatewayclasses', 'gateways', 'httproutes', 'grpcroutes', 'referencegrants'],
  ],
  ['network', 'discovery.k8s.io', ['endpointslices']],
  ['config', '', ['configmaps', 'secrets', 'resourcequotas', 'limitranges']],
  ['storage', '', ['persistentvolumeclaims', 'persistentvolumes']],
  ['storage', 'storage.k8s.io', ['storageclasses', 'volumeattachments', 'csidrivers']],
  ['access', '', ['serviceaccounts']],
  ['access', 'rbac.authorization.k8s.io', ['roles', 'rolebindings', 'clusterroles', 'clusterrolebindings']],
  ['access', 'certificates.k8s.io', ['certificatesigningrequests']],
];
/** Listed in another group, or of no use to people. */
const LEFT_OUT = new Set(['/events', '/endpoints', '/componentstatuses']);
/** Groups of Kubernetes itself, besides those that end in k8s.io. */
const OWN_GROUPS = new Set(['', 'apps', 'batch', 'autoscaling', 'policy']);

export type Navigation = ReadonlyMap<Section, readonly Listed[]>;

/** Every resource that can be listed and watched, each in one section. */
export function navigationOf(resources: readonly Listed[]): Navigation {
  const listed = new Map(
    resources
      .filter(({ verbs }) => verbs.includes('list') && verbs.includes('watch'))
      .map((one) => [`${one.group}/${one.resource}`, one]),
  );
  for (const key of LEFT_OUT) listed.delete(key);
  const sections = new Map<Section, Listed[]>(SECTIONS.map((section) => [section, []]));
  for (const [section, group, names] of PLACES)
    for (const name of names) {
      const key = `${group}/${name}`;
      const found = listed.get(key);
      if (!found) continue;
      listed.delete(key);
      sections.get(section)?.push(found);
    }
  const rest = [...listed.values()].sort((left, right) => (left.kind < right.kind ? -1 : 1));
  for (const one of rest) {
    const isOwn = OWN_GROUPS.has(one.group) || one.group.endsWith('.k8s.io');
    sections.get(isOwn ? 'other' : 'custom')?.push(one);
  }
  return sections;
}
