import { defineKind } from '../machinery/define-kind.ts';
import { always, atomic, int32, oneOf, pointer, string, struct, type Static } from '../machinery/schema.ts';
import { ObjectReference } from './references.ts';
import { ObjectMeta } from '../meta/object-meta.ts';

export const EndpointAddress = struct(
  'io.k8s.api.core.v1.EndpointAddress',
  {
    ip: string(),
  },
  {
    hostname: string(),
    nodeName: pointer(string()),
    targetRef: ObjectReference,
  },
  { mapType: 'atomic' },
);
export type EndpointAddress = Static<typeof EndpointAddress>;

export const EndpointPort = struct(
  'io.k8s.api.core.v1.EndpointPort',
  {
    port: int32(),
  },
  {
    appProtocol: pointer(string()),
    name: string(),
    protocol: oneOf('SCTP', 'TCP', 'UDP'),
  },
  { mapType: 'atomic' },
);
export type EndpointPort = Static<typeof EndpointPort>;

export const EndpointSubset = struct(
  'io.k8s.api.core.v1.EndpointSubset',
  {},
  {
    addresses: atomic(EndpointAddress),
    notReadyAddresses: atomic(EndpointAddress),
    ports: atomic(EndpointPort),
  },
);
export type EndpointSubset = Static<typeof EndpointSubset>;

export const Endpoints = struct(
  'io.k8s.api.core.v1.Endpoints',
  {},
  {
    apiVersion: string(),
    kind: string(),
    metadata: always(ObjectMeta),
    subsets: atomic(EndpointSubset),
  },
);
export type Endpoints = Static<typeof Endpoints>;

export const endpoints = defineKind<Endpoints>({
  group: '',
  version: 'v1',
  kind: 'Endpoints',
  plural: 'endpoints',
  shortNames: ['ep'],
  namespaced: true,
  schema: Endpoints,
});
