// Generated from api/types/facts.txt by `npm run generate`.
import { boolean, bytes, int32, list, optional, required, string, struct, time } from '../../machinery/schema.ts';
import { ObjectMeta } from '../meta/v1.gen.ts';

export const APIService = struct('io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(undefined, ObjectMeta, { always: true }),
  spec: optional(undefined, APIServiceSpec, { always: true }),
  status: optional(undefined, APIServiceStatus, { always: true }),
}));
export type APIService = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  spec?: APIServiceSpec;
  status?: APIServiceStatus;
};

export const APIServiceCondition = struct('io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIServiceCondition', () => ({
  status: required(undefined, string),
  type: required(undefined, string),
  lastTransitionTime: optional(undefined, time),
  message: optional(undefined, string),
  reason: optional(undefined, string),
}));
export type APIServiceCondition = {
  status: string;
  type: string;
  lastTransitionTime?: string;
  message?: string;
  reason?: string;
};

export const APIServiceSpec = struct('io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIServiceSpec', () => ({
  groupPriorityMinimum: required(undefined, int32),
  versionPriority: required(undefined, int32),
  caBundle: optional(undefined, bytes, { listType: 'atomic' }),
  group: optional(undefined, string),
  insecureSkipTLSVerify: optional(undefined, boolean),
  service: optional(undefined, ServiceReference),
  version: optional(undefined, string),
}));
export type APIServiceSpec = {
  groupPriorityMinimum: number;
  versionPriority: number;
  caBundle?: string;
  group?: string;
  insecureSkipTLSVerify?: boolean;
  service?: ServiceReference;
  version?: string;
};

export const APIServiceStatus = struct('io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIServiceStatus', () => ({
  conditions: optional(undefined, list(APIServiceCondition), { listType: 'map', listMapKeys: ['type'], patchMergeKey: 'type', patchStrategy: 'merge' }),
}));
export type APIServiceStatus = {
  conditions?: APIServiceCondition[];
};

export const ServiceReference = struct('io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.ServiceReference', () => ({
  name: optional(undefined, string),
  namespace: optional(undefined, string),
  port: optional(undefined, int32),
}));
export type ServiceReference = {
  name?: string;
  namespace?: string;
  port?: number;
};
