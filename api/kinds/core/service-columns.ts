/** What `kubectl get services` shows. */
import { ageColumn, nameColumn, text, wide } from '../../machinery/columns.ts';
import type { Column } from '../../machinery/kind.ts';
import type { Service } from '../../types/core/v1.gen.ts';

function externalIPOf({ spec, status }: Service): string {
  const own = spec?.externalIPs ?? [];
  switch (spec?.type) {
    case 'ClusterIP':
    case 'NodePort':
      return own.join(',') || '<none>';
    case 'LoadBalancer': {
      const ingress = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || '');
      return [...new Set(ingress), ...own].filter(Boolean).join(',') || '<pending>';
    }
    case 'ExternalName':
      return spec.externalName ?? '';
    default:
      return '<unknown>';
  }
}

const portsOf = ({ spec }: Service): string =>
  (spec?.ports ?? [])
    .map(({ port, nodePort, protocol }) => (nodePort ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`))
    .join(',') || '<none>';

const selectorOf = ({ spec }: Service): string =>
  Object.entries(spec?.selector ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(',') || '<none>';

export const serviceColumns: readonly Column<Service>[] = [
  nameColumn(),
  text('Type', ({ spec }) => spec?.type ?? ''),
  text('Cluster-IP', ({ spec }) => spec?.clusterIPs?.[0] || spec?.clusterIP || '<none>'),
  text('External-IP', externalIPOf),
  text('Port(s)', portsOf),
  ageColumn(),
  wide('Selector', selectorOf),
];
