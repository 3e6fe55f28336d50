import { defineKind } from '../machinery/define-kind.ts';
import {
  always,
  atomic,
  boolean,
  field,
  int32,
  intOrString,
  mapList,
  merged,
  oneOf,
  pointer,
  string,
  stringMap,
  struct,
  type Static,
} from '../machinery/schema.ts';
import { Condition } from '../meta/condition.ts';
import { ObjectMeta } from '../meta/object-meta.ts';
import { serviceColumns } from './service-columns.ts';
import { applyServiceDefaults, prepareServiceForCreate, prepareServiceForUpdate } from './service-rules.ts';
import { validateLoadBalancerStatus } from './service-address-validation.ts';
import { serviceWarnings } from './service-warnings.ts';
import { validateService, validateServiceUpdate } from './service-validation.ts';
import { validateLabel1035Name } from '../machinery/names.ts';

export const ServicePort = struct(
  'io.k8s.api.core.v1.ServicePort',
  {
    port: int32(),
  },
  {
    appProtocol: pointer(string()),
    name: string(),
    nodePort: int32(),
    protocol: oneOf('SCTP', 'TCP', 'UDP'),
    targetPort: always(intOrString()),
  },
);
export type ServicePort = Static<typeof ServicePort>;

export const ClientIPConfig = struct(
  'io.k8s.api.core.v1.ClientIPConfig',
  {},
  {
    timeoutSeconds: pointer(int32()),
  },
);
export type ClientIPConfig = Static<typeof ClientIPConfig>;

export const SessionAffinityConfig = struct(
  'io.k8s.api.core.v1.SessionAffinityConfig',
  {},
  {
    clientIP: ClientIPConfig,
  },
);
export type SessionAffinityConfig = Static<typeof SessionAffinityConfig>;

export const ServiceSpec = struct(
  'io.k8s.api.core.v1.ServiceSpec',
  {},
  {
    allocateLoadBalancerNodePorts: pointer(boolean()),
    clusterIP: string(),
    clusterIPs: atomic(string()),
    externalIPs: atomic(string()),
    externalName: string(),
    externalTrafficPolicy: oneOf('Cluster', 'Local'),
    healthCheckNodePort: int32(),
    internalTrafficPolicy: oneOf('Cluster', 'Local'),
    ipFamilies: atomic(oneOf('', 'IPv4', 'IPv6')),
    ipFamilyPolicy: oneOf('PreferDualStack', 'RequireDualStack', 'SingleStack'),
    loadBalancerClass: pointer(string()),
    loadBalancerIP: string(),
    loadBalancerSourceRanges: atomic(string()),
    ports: mapList(ServicePort, ['port', 'protocol'], { patchMergeKey: 'port', patchStrategy: 'merge' }),
    publishNotReadyAddresses: boolean(),
    selector: field(stringMap(), { mapType: 'atomic' }),
    sessionAffinity: oneOf('ClientIP', 'None'),
    sessionAffinityConfig: SessionAffinityConfig,
    trafficDistribution: pointer(string()),
    type: oneOf('ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'),
  },
);
export type ServiceSpec = Static<typeof ServiceSpec>;

export const PortStatus = struct(
  'io.k8s.api.core.v1.PortStatus',
  {
    port: int32(),
    protocol: oneOf('SCTP', 'TCP', 'UDP'),
  },
  {
    error: string(),
  },
);
export type PortStatus = Static<typeof PortStatus>;

export const LoadBalancerIngress = struct(
  'io.k8s.api.core.v1.LoadBalancerIngress',
  {},
  {
    hostname: string(),
    ip: string(),
    ipMode: string(),
    ports: atomic(PortStatus),
  },
);
export type LoadBalancerIngress = Static<typeof LoadBalancerIngress>;

export const LoadBalancerStatus = struct(
  'io.k8s.api.core.v1.LoadBalancerStatus',
  {},
  {
    ingress: atomic(LoadBalancerIngress),
  },
);
export type LoadBalancerStatus = Static<typeof LoadBalancerStatus>;

export const ServiceStatus = struct(
  'io.k8s.api.core.v1.ServiceStatus',
  {},
  {
    conditions: merged(Condition, 'type'),
    loadBalancer: always(LoadBalancerStatus),
  },
);
export type ServiceStatus = Static<typeof ServiceStatus>;

export const Service = struct(
  'io.k8s.api.core.v1.Service',
  {},
  {
    apiVersion: string(),
    kind: string(),
    metadata: always(ObjectMeta),
    spec: always(ServiceSpec),
    status: always(ServiceStatus),
  },
);
export type Service = Static<typeof Service>;

export const services = defineKind<Service>({
  group: '',
  version: 'v1',
  kind: 'Service',
  plural: 'services',
  shortNames: ['svc'],
  categories: ['all'],
  namespaced: true,
  schema: Service,
  subresources: [
    {
      name: 'proxy',
      verbs: ['create', 'delete', 'get', 'patch', 'update'],
      group: '',
      version: 'v1',
      kind: 'ServiceProxyOptions',
    },
    { name: 'status', verbs: ['get', 'patch', 'update'] },
  ],
  validateName: validateLabel1035Name,
  createOnUpdate: true,
  columns: serviceColumns,
  selectableFields: {
    'spec.clusterIP': ({ spec }) => spec?.clusterIP ?? '',
    'spec.type': ({ spec }) => spec?.type ?? '',
  },
  applyDefaults: applyServiceDefaults,
  prepareForCreate: prepareServiceForCreate,
  prepareForUpdate: prepareServiceForUpdate,
  prepareForStatusUpdate: (service, old) => {
    service.spec = old.spec;
  },
  validate: validateService,
  warnings: serviceWarnings,
  validateUpdate: validateServiceUpdate,
  validateStatusUpdate: validateLoadBalancerStatus,
});
