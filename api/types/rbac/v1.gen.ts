// Generated from api/types/facts.txt by `npm run generate`.
import { list, optional, pathSegmentName, required, string, struct } from '../../machinery/schema.ts';
import { LabelSelector, ObjectMeta } from '../meta/v1.gen.ts';

export const AggregationRule = struct('io.k8s.api.rbac.v1.AggregationRule', () => ({
  clusterRoleSelectors: optional(1, list(LabelSelector), { listType: 'atomic' }),
}));
export type AggregationRule = {
  clusterRoleSelectors?: LabelSelector[];
};

export const ClusterRole = struct('io.k8s.api.rbac.v1.ClusterRole', () => ({
  aggregationRule: optional(3, AggregationRule),
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  rules: optional(2, list(PolicyRule), { always: true, listType: 'atomic' }),
}));
export type ClusterRole = {
  aggregationRule?: AggregationRule;
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  rules?: PolicyRule[] | null;
};

export const ClusterRoleBinding = struct('io.k8s.api.rbac.v1.ClusterRoleBinding', () => ({
  roleRef: required(3, RoleRef),
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  subjects: optional(2, list(Subject), { listType: 'atomic' }),
}));
export type ClusterRoleBinding = {
  roleRef: RoleRef;
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  subjects?: Subject[];
};

export const PolicyRule = struct('io.k8s.api.rbac.v1.PolicyRule', () => ({
  verbs: required(1, list(string), { listType: 'atomic' }),
  apiGroups: optional(2, list(string), { listType: 'atomic' }),
  nonResourceURLs: optional(5, list(string), { listType: 'atomic' }),
  resourceNames: optional(4, list(string), { listType: 'atomic' }),
  resources: optional(3, list(string), { listType: 'atomic' }),
}));
export type PolicyRule = {
  verbs: string[];
  apiGroups?: string[];
  nonResourceURLs?: string[];
  resourceNames?: string[];
  resources?: string[];
};

export const Role = struct('io.k8s.api.rbac.v1.Role', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  rules: optional(2, list(PolicyRule), { always: true, listType: 'atomic' }),
}));
export type Role = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  rules?: PolicyRule[] | null;
};

export const RoleBinding = struct('io.k8s.api.rbac.v1.RoleBinding', () => ({
  roleRef: required(3, RoleRef),
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  subjects: optional(2, list(Subject), { listType: 'atomic' }),
}));
export type RoleBinding = {
  roleRef: RoleRef;
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  subjects?: Subject[];
};

export const RoleRef = struct('io.k8s.api.rbac.v1.RoleRef', () => ({
  kind: required(2, string),
  name: required(3, pathSegmentName, { nonEmpty: true }),
  apiGroup: optional(1, string, { always: true, supported: ['rbac.authorization.k8s.io'] }),
}), { mapType: 'atomic' });
export type RoleRef = {
  kind: string;
  name: string;
  apiGroup?: string;
};

export const Subject = struct('io.k8s.api.rbac.v1.Subject', () => ({
  kind: required(1, string, { supported: ['ServiceAccount', 'User', 'Group'] }),
  name: required(3, string, { nonEmpty: true }),
  apiGroup: optional(2, string),
  namespace: optional(4, string),
}), { mapType: 'atomic' });
export type Subject = {
  kind: string;
  name: string;
  apiGroup?: string;
  namespace?: string;
};
