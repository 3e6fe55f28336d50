// Generated from api/types/facts.txt by `npm run generate`.
import { boolean, int32, labelKey, labelValue, list, longName, mapOf, oneOf, optional, required, shortName, string, struct } from '../../machinery/schema.ts';
import { ObjectMeta } from '../meta/v1.gen.ts';
import { ObjectReference } from '../core/v1.gen.ts';

export const Endpoint = struct('io.k8s.api.discovery.v1.Endpoint', () => ({
  addresses: required(1, list(string), { listType: 'set', maxItems: 100 }),
  conditions: optional(2, EndpointConditions, { always: true }),
  deprecatedTopology: optional(5, mapOf(string)),
  hints: optional(8, EndpointHints),
  hostname: optional(3, shortName, { pointer: true }),
  nodeName: optional(6, longName, { pointer: true }),
  targetRef: optional(4, ObjectReference),
  zone: optional(7, string, { pointer: true }),
}));
export type Endpoint = {
  addresses: string[];
  conditions?: EndpointConditions;
  deprecatedTopology?: Record<string, string>;
  hints?: EndpointHints;
  hostname?: string;
  nodeName?: string;
  targetRef?: ObjectReference;
  zone?: string;
};

export const EndpointConditions = struct('io.k8s.api.discovery.v1.EndpointConditions', () => ({
  ready: optional(1, boolean, { pointer: true }),
  serving: optional(2, boolean, { pointer: true }),
  terminating: optional(3, boolean, { pointer: true }),
}));
export type EndpointConditions = {
  ready?: boolean;
  serving?: boolean;
  terminating?: boolean;
};

export const EndpointHints = struct('io.k8s.api.discovery.v1.EndpointHints', () => ({
  forNodes: optional(2, list(ForNode), { listType: 'atomic' }),
  forZones: optional(1, list(ForZone), { listType: 'atomic' }),
}));
export type EndpointHints = {
  forNodes?: ForNode[];
  forZones?: ForZone[];
};

export const EndpointPort = struct('io.k8s.api.discovery.v1.EndpointPort', () => ({
  appProtocol: optional(4, labelKey, { pointer: true }),
  name: optional(1, string, { pointer: true }),
  port: optional(3, int32, { pointer: true }),
  protocol: optional(2, oneOf('SCTP', 'TCP', 'UDP'), { pointer: true, supported: ['SCTP', 'TCP', 'UDP'], goType: 'v1.Protocol' }),
}), { mapType: 'atomic' });
export type EndpointPort = {
  appProtocol?: string;
  name?: string;
  port?: number;
  protocol?: 'SCTP' | 'TCP' | 'UDP';
};

export const EndpointSlice = struct('io.k8s.api.discovery.v1.EndpointSlice', () => ({
  addressType: required(4, oneOf('FQDN', 'IPv4', 'IPv6'), { nonEmpty: true, supported: ['FQDN', 'IPv4', 'IPv6'], immutable: true, goType: 'v1.AddressType' }),
  apiVersion: optional(undefined, string),
  endpoints: optional(2, list(Endpoint), { always: true, listType: 'atomic', maxItems: 1000 }),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  ports: optional(3, list(EndpointPort), { always: true, listType: 'atomic', maxItems: 20000 }),
}));
export type EndpointSlice = {
  addressType: 'FQDN' | 'IPv4' | 'IPv6';
  apiVersion?: string;
  endpoints?: Endpoint[] | null;
  kind?: string;
  metadata?: ObjectMeta;
  ports?: EndpointPort[] | null;
};

export const ForNode = struct('io.k8s.api.discovery.v1.ForNode', () => ({
  name: required(1, longName),
}));
export type ForNode = {
  name: string;
};

export const ForZone = struct('io.k8s.api.discovery.v1.ForZone', () => ({
  name: required(1, labelValue),
}));
export type ForZone = {
  name: string;
};
