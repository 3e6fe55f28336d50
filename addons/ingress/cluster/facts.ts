/** What of Services and EndpointSlices is kept. Pure. */
import { own } from '../../../api/machinery/own.ts';
import type { Service } from '../../../api/types/core/v1.gen.ts';
import type { EndpointSlice } from '../../../api/types/discovery/v1.gen.ts';
import type { ServiceFacts, SliceFacts } from '../model/cluster-view.ts';

const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
const DEFAULT_PROTOCOL = 'TCP';

export const serviceFacts = ({ spec }: Service): ServiceFacts => ({
  type: spec?.type ?? 'ClusterIP',
  clusterIP: spec?.clusterIP === 'None' || spec?.clusterIP === '' ? undefined : spec?.clusterIP,
  externalName: spec?.externalName,
  ports: (spec?.ports ?? [])
    .filter(({ protocol = DEFAULT_PROTOCOL }) => protocol === DEFAULT_PROTOCOL)
    .map(({ name = '', port, targetPort, appProtocol }) => ({
      name,
      port,
      appProtocol,
      targetPort: typeof targetPort === 'number' ? targetPort : undefined,
    })),
});

export interface KeptSlice extends SliceFacts {
  readonly namespace: string;
}

export const sliceFacts = ({ metadata, addressType, ports, endpoints }: EndpointSlice): KeptSlice => ({
  namespace: metadata?.namespace ?? '',
  service: own(metadata?.labels, SERVICE_NAME_LABEL) ?? '',
  ports: new Map(
    (ports ?? []).flatMap(({ name, port, protocol }): [string, number][] =>
      port === undefined || (protocol ?? DEFAULT_PROTOCOL) !== DEFAULT_PROTOCOL ? [] : [[name ?? '', port]],
    ),
  ),
  endpoints:
    addressType === 'FQDN'
      ? []
      : (endpoints ?? []).map(({ addresses, conditions }) => ({
          addresses: [...addresses],
          ready: conditions?.ready ?? true,
          serving: conditions?.serving ?? conditions?.ready ?? true,
          terminating: conditions?.terminating ?? false,
        })),
});
