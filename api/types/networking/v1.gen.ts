// Generated from api/types/facts.txt by `npm run generate`.
import { int32, intOrString, list, longName, oneOf, optional, pathSegmentName, required, string, struct } from '../../machinery/schema.ts';
import { Condition, LabelSelector, ObjectMeta } from '../meta/v1.gen.ts';
import { TypedLocalObjectReference } from '../core/v1.gen.ts';

export const HTTPIngressPath = struct('io.k8s.api.networking.v1.HTTPIngressPath', () => ({
  backend: required(2, IngressBackend),
  pathType: required(3, oneOf('Exact', 'ImplementationSpecific', 'Prefix'), { nullable: true, goType: 'v1.PathType' }),
  path: optional(1, string),
}));
export type HTTPIngressPath = {
  backend: IngressBackend;
  pathType: 'Exact' | 'ImplementationSpecific' | 'Prefix';
  path?: string;
};

export const HTTPIngressRuleValue = struct('io.k8s.api.networking.v1.HTTPIngressRuleValue', () => ({
  paths: required(1, list(HTTPIngressPath), { listType: 'atomic' }),
}));
export type HTTPIngressRuleValue = {
  paths: HTTPIngressPath[];
};

export const IPAddress = struct('io.k8s.api.networking.v1.IPAddress', () => ({
  spec: required(2, IPAddressSpec),
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
}));
export type IPAddress = {
  spec: IPAddressSpec;
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
};

export const IPAddressSpec = struct('io.k8s.api.networking.v1.IPAddressSpec', () => ({
  parentRef: required(1, ParentReference),
}));
export type IPAddressSpec = {
  parentRef: ParentReference;
};

export const IPBlock = struct('io.k8s.api.networking.v1.IPBlock', () => ({
  cidr: required(1, string),
  except: optional(2, list(string), { listType: 'atomic' }),
}));
export type IPBlock = {
  cidr: string;
  except?: string[];
};

export const Ingress = struct('io.k8s.api.networking.v1.Ingress', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  spec: optional(2, IngressSpec, { always: true }),
  status: optional(3, IngressStatus, { always: true }),
}));
export type Ingress = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  spec?: IngressSpec;
  status?: IngressStatus;
};

export const IngressBackend = struct('io.k8s.api.networking.v1.IngressBackend', () => ({
  resource: optional(3, TypedLocalObjectReference),
  service: optional(4, IngressServiceBackend),
}));
export type IngressBackend = {
  resource?: TypedLocalObjectReference;
  service?: IngressServiceBackend;
};

export const IngressClass = struct('io.k8s.api.networking.v1.IngressClass', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  spec: optional(2, IngressClassSpec, { always: true }),
}));
export type IngressClass = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  spec?: IngressClassSpec;
};

export const IngressClassParametersReference = struct('io.k8s.api.networking.v1.IngressClassParametersReference', () => ({
  kind: required(2, pathSegmentName, { nonEmpty: true }),
  name: required(3, pathSegmentName, { nonEmpty: true }),
  apiGroup: optional(1, longName, { pointer: true }),
  namespace: optional(5, string, { pointer: true }),
  scope: optional(4, string, { pointer: true, supported: ['Cluster', 'Namespace'], nullable: true }),
}));
export type IngressClassParametersReference = {
  kind: string;
  name: string;
  apiGroup?: string;
  namespace?: string;
  scope?: string | null;
};

export const IngressClassSpec = struct('io.k8s.api.networking.v1.IngressClassSpec', () => ({
  controller: optional(1, string, { nonEmpty: true, maxBytes: 250, immutable: true }),
  parameters: optional(2, IngressClassParametersReference),
}));
export type IngressClassSpec = {
  controller?: string;
  parameters?: IngressClassParametersReference;
};

export const IngressLoadBalancerIngress = struct('io.k8s.api.networking.v1.IngressLoadBalancerIngress', () => ({
  hostname: optional(2, string),
  ip: optional(1, string),
  ports: optional(4, list(IngressPortStatus), { listType: 'atomic' }),
}));
export type IngressLoadBalancerIngress = {
  hostname?: string;
  ip?: string;
  ports?: IngressPortStatus[];
};

export const IngressLoadBalancerStatus = struct('io.k8s.api.networking.v1.IngressLoadBalancerStatus', () => ({
  ingress: optional(1, list(IngressLoadBalancerIngress), { listType: 'atomic' }),
}));
export type IngressLoadBalancerStatus = {
  ingress?: IngressLoadBalancerIngress[];
};

export const IngressPortStatus = struct('io.k8s.api.networking.v1.IngressPortStatus', () => ({
  port: required(1, int32),
  protocol: required(2, oneOf('SCTP', 'TCP', 'UDP'), { goType: 'v1.Protocol' }),
  error: optional(3, string, { pointer: true }),
}));
export type IngressPortStatus = {
  port: number;
  protocol: 'SCTP' | 'TCP' | 'UDP';
  error?: string;
};

export const IngressRule = struct('io.k8s.api.networking.v1.IngressRule', () => ({
  host: optional(1, string),
  http: optional([2, 1], HTTPIngressRuleValue, { embeddedIn: 'IngressRuleValue' }),
}));
export type IngressRule = {
  host?: string;
  http?: HTTPIngressRuleValue;
};

export const IngressServiceBackend = struct('io.k8s.api.networking.v1.IngressServiceBackend', () => ({
  name: required(1, string),
  port: optional(2, ServiceBackendPort, { always: true }),
}));
export type IngressServiceBackend = {
  name: string;
  port?: ServiceBackendPort;
};

export const IngressSpec = struct('io.k8s.api.networking.v1.IngressSpec', () => ({
  defaultBackend: optional(1, IngressBackend),
  ingressClassName: optional(4, string, { pointer: true }),
  rules: optional(3, list(IngressRule), { listType: 'atomic' }),
  tls: optional(2, list(IngressTLS), { listType: 'atomic' }),
}));
export type IngressSpec = {
  defaultBackend?: IngressBackend;
  ingressClassName?: string;
  rules?: IngressRule[];
  tls?: IngressTLS[];
};

export const IngressStatus = struct('io.k8s.api.networking.v1.IngressStatus', () => ({
  loadBalancer: optional(1, IngressLoadBalancerStatus, { always: true }),
}));
export type IngressStatus = {
  loadBalancer?: IngressLoadBalancerStatus;
};

export const IngressTLS = struct('io.k8s.api.networking.v1.IngressTLS', () => ({
  hosts: optional(1, list(string), { listType: 'atomic' }),
  secretName: optional(2, string),
}));
export type IngressTLS = {
  hosts?: string[];
  secretName?: string;
};

export const NetworkPolicy = struct('io.k8s.api.networking.v1.NetworkPolicy', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  spec: optional(2, NetworkPolicySpec, { always: true }),
}));
export type NetworkPolicy = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  spec?: NetworkPolicySpec;
};

export const NetworkPolicyEgressRule = struct('io.k8s.api.networking.v1.NetworkPolicyEgressRule', () => ({
  ports: optional(1, list(NetworkPolicyPort), { listType: 'atomic' }),
  to: optional(2, list(NetworkPolicyPeer), { listType: 'atomic' }),
}));
export type NetworkPolicyEgressRule = {
  ports?: NetworkPolicyPort[];
  to?: NetworkPolicyPeer[];
};

export const NetworkPolicyIngressRule = struct('io.k8s.api.networking.v1.NetworkPolicyIngressRule', () => ({
  from: optional(2, list(NetworkPolicyPeer), { listType: 'atomic' }),
  ports: optional(1, list(NetworkPolicyPort), { listType: 'atomic' }),
}));
export type NetworkPolicyIngressRule = {
  from?: NetworkPolicyPeer[];
  ports?: NetworkPolicyPort[];
};

export const NetworkPolicyPeer = struct('io.k8s.api.networking.v1.NetworkPolicyPeer', () => ({
  ipBlock: optional(3, IPBlock),
  namespaceSelector: optional(2, LabelSelector),
  podSelector: optional(1, LabelSelector),
}));
export type NetworkPolicyPeer = {
  ipBlock?: IPBlock;
  namespaceSelector?: LabelSelector;
  podSelector?: LabelSelector;
};

export const NetworkPolicyPort = struct('io.k8s.api.networking.v1.NetworkPolicyPort', () => ({
  endPort: optional(3, int32, { pointer: true }),
  port: optional(2, intOrString),
  protocol: optional(1, oneOf('SCTP', 'TCP', 'UDP'), { pointer: true, goType: 'v1.Protocol' }),
}));
export type NetworkPolicyPort = {
  endPort?: number;
  port?: number | string;
  protocol?: 'SCTP' | 'TCP' | 'UDP';
};

export const NetworkPolicySpec = struct('io.k8s.api.networking.v1.NetworkPolicySpec', () => ({
  egress: optional(3, list(NetworkPolicyEgressRule), { listType: 'atomic' }),
  ingress: optional(2, list(NetworkPolicyIngressRule), { listType: 'atomic' }),
  podSelector: optional(1, LabelSelector, { always: true }),
  policyTypes: optional(4, list(oneOf('Egress', 'Ingress')), { listType: 'atomic', goType: '[]v1.PolicyType' }),
}));
export type NetworkPolicySpec = {
  egress?: NetworkPolicyEgressRule[];
  ingress?: NetworkPolicyIngressRule[];
  podSelector?: LabelSelector;
  policyTypes?: ('Egress' | 'Ingress')[];
};

export const ParentReference = struct('io.k8s.api.networking.v1.ParentReference', () => ({
  name: required(4, string),
  resource: required(2, string),
  group: optional(1, string),
  namespace: optional(3, string),
}));
export type ParentReference = {
  name: string;
  resource: string;
  group?: string;
  namespace?: string;
};

export const ServiceBackendPort = struct('io.k8s.api.networking.v1.ServiceBackendPort', () => ({
  name: optional(1, string),
  number: optional(2, int32),
}), { mapType: 'atomic' });
export type ServiceBackendPort = {
  name?: string;
  number?: number;
};

export const ServiceCIDR = struct('io.k8s.api.networking.v1.ServiceCIDR', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  spec: optional(2, ServiceCIDRSpec, { always: true }),
  status: optional(3, ServiceCIDRStatus, { always: true }),
}));
export type ServiceCIDR = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  spec?: ServiceCIDRSpec;
  status?: ServiceCIDRStatus;
};

export const ServiceCIDRSpec = struct('io.k8s.api.networking.v1.ServiceCIDRSpec', () => ({
  cidrs: optional(1, list(string), { listType: 'atomic' }),
}));
export type ServiceCIDRSpec = {
  cidrs?: string[];
};

export const ServiceCIDRStatus = struct('io.k8s.api.networking.v1.ServiceCIDRStatus', () => ({
  conditions: optional(1, list(Condition), { listType: 'map', listMapKeys: ['type'], patchMergeKey: 'type', patchStrategy: 'merge' }),
}));
export type ServiceCIDRStatus = {
  conditions?: Condition[];
};
