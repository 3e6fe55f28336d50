import { defineKind } from '../machinery/define-kind.ts';
import {
  always,
  atomic,
  boolean,
  int32,
  oneOf,
  pointer,
  setOf,
  string,
  stringMap,
  struct,
  type Static,
} from '../machinery/schema.ts';
import { ObjectReference } from '../core/references.ts';
import { ObjectMeta } from '../meta/object-meta.ts';

export const EndpointConditions = struct(
  'io.k8s.api.discovery.v1.EndpointConditions',
  {},
  {
    ready: pointer(boolean()),
    serving: pointer(boolean()),
    terminating: pointer(boolean()),
  },
);
export type EndpointConditions = Static<typeof EndpointConditions>;

export const ForNode = struct(
  'io.k8s.api.discovery.v1.ForNode',
  {
    name: string(),
  },
  {},
);
export type ForNode = Static<typeof ForNode>;

export const ForZone = struct(
  'io.k8s.api.discovery.v1.ForZone',
  {
    name: string(),
  },
  {},
);
export type ForZone = Static<typeof ForZone>;

export const EndpointHints = struct(
  'io.k8s.api.discovery.v1.EndpointHints',
  {},
  {
    forNodes: atomic(ForNode),
    forZones: atomic(ForZone),
  },
);
export type EndpointHints = Static<typeof EndpointHints>;

export const Endpoint = struct(
  'io.k8s.api.discovery.v1.Endpoint',
  {
    addresses: setOf(string()),
  },
  {
    conditions: always(EndpointConditions),
    deprecatedTopology: stringMap(),
    hints: EndpointHints,
    hostname: pointer(string()),
    nodeName: pointer(string()),
    targetRef: ObjectReference,
    zone: pointer(string()),
  },
);
export type Endpoint = Static<typeof Endpoint>;

export const EndpointPort = struct(
  'io.k8s.api.discovery.v1.EndpointPort',
  {},
  {
    appProtocol: pointer(string()),
    name: pointer(string()),
    port: pointer(int32()),
    protocol: pointer(oneOf('SCTP', 'TCP', 'UDP')),
  },
  { mapType: 'atomic' },
);
export type EndpointPort = Static<typeof EndpointPort>;

export const EndpointSlice = struct(
  'io.k8s.api.discovery.v1.EndpointSlice',
  {
    addressType: oneOf('FQDN', 'IPv4', 'IPv6'),
  },
  {
    apiVersion: string(),
    endpoints: atomic(Endpoint),
    kind: string(),
    metadata: always(ObjectMeta),
    ports: atomic(EndpointPort),
  },
);
export type EndpointSlice = Static<typeof EndpointSlice>;

export const endpointSlices = defineKind<EndpointSlice>({
  group: 'discovery.k8s.io',
  version: 'v1',
  kind: 'EndpointSlice',
  plural: 'endpointslices',
  namespaced: true,
  schema: EndpointSlice,
});
