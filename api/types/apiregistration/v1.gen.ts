// Generated from api/types/facts.txt by `npm run generate`.
import { boolean, bytes, int32, list, optional, required, string, struct, time } from '../../machinery/schema.ts';
import { ObjectMeta } from '../meta/v1.gen.ts';

export const APIService = struct('io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  spec: optional(2, APIServiceSpec, { always: true }),
  status: optional(3, APIServiceStatus, { always: true }),
}));
export type APIService = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  spec?: APIServiceSpec;
  status?: APIServiceStatus;
};

export const APIServiceCondition = struct('io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIServiceCondition', () => ({
  status: required(2, string, { goType: 'v1.ConditionStatus' }),
  type: required(1, string, { goType: 'v1.APIServiceConditionType' }),
  lastTransitionTime: optional(3, time),
  message: optional(5, string),
  reason: optional(4, string),
}));
export type APIServiceCondition = {
  status: string;
  type: string;
  lastTransitionTime?: string;
  message?: string;
  reason?: string;
};

export const APIServiceSpec = struct('io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIServiceSpec', () => ({
  groupPriorityMinimum: required(7, int32),
  versionPriority: required(8, int32),
  caBundle: optional(5, bytes, { listType: 'atomic' }),
  group: optional(2, string),
  insecureSkipTLSVerify: optional(4, boolean),
  service: optional(1, ServiceReference),
  version: optional(3, string),
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
  conditions: optional(1, list(APIServiceCondition), { listType: 'map', listMapKeys: ['type'], patchMergeKey: 'type', patchStrategy: 'merge' }),
}));
export type APIServiceStatus = {
  conditions?: APIServiceCondition[];
};

export const ServiceReference = struct('io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.ServiceReference', () => ({
  name: optional(2, string),
  namespace: optional(1, string),
  port: optional(3, int32, { pointer: true }),
}));
export type ServiceReference = {
  name?: string;
  namespace?: string;
  port?: number;
};
