// Generated from api/types/facts.txt by `npm run generate`.
import { boolean, list, mapOf, optional, required, string, struct } from '../../machinery/schema.ts';
import { FieldSelectorRequirement, LabelSelectorRequirement, ObjectMeta } from '../meta/v1.gen.ts';

export const FieldSelectorAttributes = struct('io.k8s.api.authorization.v1.FieldSelectorAttributes', () => ({
  rawSelector: optional(1, string),
  requirements: optional(2, list(FieldSelectorRequirement), { listType: 'atomic' }),
}));
export type FieldSelectorAttributes = {
  rawSelector?: string;
  requirements?: FieldSelectorRequirement[];
};

export const LabelSelectorAttributes = struct('io.k8s.api.authorization.v1.LabelSelectorAttributes', () => ({
  rawSelector: optional(1, string),
  requirements: optional(2, list(LabelSelectorRequirement), { listType: 'atomic' }),
}));
export type LabelSelectorAttributes = {
  rawSelector?: string;
  requirements?: LabelSelectorRequirement[];
};

export const LocalSubjectAccessReview = struct('io.k8s.api.authorization.v1.LocalSubjectAccessReview', () => ({
  spec: required(2, SubjectAccessReviewSpec),
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  status: optional(3, SubjectAccessReviewStatus, { always: true }),
}));
export type LocalSubjectAccessReview = {
  spec: SubjectAccessReviewSpec;
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  status?: SubjectAccessReviewStatus;
};

export const NonResourceAttributes = struct('io.k8s.api.authorization.v1.NonResourceAttributes', () => ({
  path: optional(1, string),
  verb: optional(2, string),
}));
export type NonResourceAttributes = {
  path?: string;
  verb?: string;
};

export const NonResourceRule = struct('io.k8s.api.authorization.v1.NonResourceRule', () => ({
  verbs: required(1, list(string), { listType: 'atomic' }),
  nonResourceURLs: optional(2, list(string), { listType: 'atomic' }),
}));
export type NonResourceRule = {
  verbs: string[];
  nonResourceURLs?: string[];
};

export const ResourceAttributes = struct('io.k8s.api.authorization.v1.ResourceAttributes', () => ({
  fieldSelector: optional(8, FieldSelectorAttributes),
  group: optional(3, string),
  labelSelector: optional(9, LabelSelectorAttributes),
  name: optional(7, string),
  namespace: optional(1, string),
  resource: optional(5, string),
  subresource: optional(6, string),
  verb: optional(2, string),
  version: optional(4, string),
}));
export type ResourceAttributes = {
  fieldSelector?: FieldSelectorAttributes;
  group?: string;
  labelSelector?: LabelSelectorAttributes;
  name?: string;
  namespace?: string;
  resource?: string;
  subresource?: string;
  verb?: string;
  version?: string;
};

export const ResourceRule = struct('io.k8s.api.authorization.v1.ResourceRule', () => ({
  verbs: required(1, list(string), { listType: 'atomic' }),
  apiGroups: optional(2, list(string), { listType: 'atomic' }),
  resourceNames: optional(4, list(string), { listType: 'atomic' }),
  resources: optional(3, list(string), { listType: 'atomic' }),
}));
export type ResourceRule = {
  verbs: string[];
  apiGroups?: string[];
  resourceNames?: string[];
  resources?: string[];
};

export const SelfSubjectAccessReview = struct('io.k8s.api.authorization.v1.SelfSubjectAccessReview', () => ({
  spec: required(2, SelfSubjectAccessReviewSpec),
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  status: optional(3, SubjectAccessReviewStatus, { always: true }),
}));
export type SelfSubjectAccessReview = {
  spec: SelfSubjectAccessReviewSpec;
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  status?: SubjectAccessReviewStatus;
};

export const SelfSubjectAccessReviewSpec = struct('io.k8s.api.authorization.v1.SelfSubjectAccessReviewSpec', () => ({
  nonResourceAttributes: optional(2, NonResourceAttributes),
  resourceAttributes: optional(1, ResourceAttributes),
}));
export type SelfSubjectAccessReviewSpec = {
  nonResourceAttributes?: NonResourceAttributes;
  resourceAttributes?: ResourceAttributes;
};

export const SelfSubjectRulesReview = struct('io.k8s.api.authorization.v1.SelfSubjectRulesReview', () => ({
  spec: required(2, SelfSubjectRulesReviewSpec),
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  status: optional(3, SubjectRulesReviewStatus, { always: true }),
}));
export type SelfSubjectRulesReview = {
  spec: SelfSubjectRulesReviewSpec;
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  status?: SubjectRulesReviewStatus;
};

export const SelfSubjectRulesReviewSpec = struct('io.k8s.api.authorization.v1.SelfSubjectRulesReviewSpec', () => ({
  namespace: optional(1, string),
}));
export type SelfSubjectRulesReviewSpec = {
  namespace?: string;
};

export const SubjectAccessReview = struct('io.k8s.api.authorization.v1.SubjectAccessReview', () => ({
  spec: required(2, SubjectAccessReviewSpec),
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  status: optional(3, SubjectAccessReviewStatus, { always: true }),
}));
export type SubjectAccessReview = {
  spec: SubjectAccessReviewSpec;
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  status?: SubjectAccessReviewStatus;
};

export const SubjectAccessReviewSpec = struct('io.k8s.api.authorization.v1.SubjectAccessReviewSpec', () => ({
  extra: optional(5, mapOf(list(string)), { goType: 'map[string]v1.ExtraValue' }),
  groups: optional(4, list(string), { listType: 'atomic' }),
  nonResourceAttributes: optional(2, NonResourceAttributes),
  resourceAttributes: optional(1, ResourceAttributes),
  uid: optional(6, string),
  user: optional(3, string),
}));
export type SubjectAccessReviewSpec = {
  extra?: Record<string, string[]>;
  groups?: string[];
  nonResourceAttributes?: NonResourceAttributes;
  resourceAttributes?: ResourceAttributes;
  uid?: string;
  user?: string;
};

export const SubjectAccessReviewStatus = struct('io.k8s.api.authorization.v1.SubjectAccessReviewStatus', () => ({
  allowed: required(1, boolean),
  denied: optional(4, boolean),
  evaluationError: optional(3, string),
  reason: optional(2, string),
}));
export type SubjectAccessReviewStatus = {
  allowed: boolean;
  denied?: boolean;
  evaluationError?: string;
  reason?: string;
};

export const SubjectRulesReviewStatus = struct('io.k8s.api.authorization.v1.SubjectRulesReviewStatus', () => ({
  incomplete: required(3, boolean),
  nonResourceRules: required(2, list(NonResourceRule), { listType: 'atomic' }),
  resourceRules: required(1, list(ResourceRule), { listType: 'atomic' }),
  evaluationError: optional(4, string),
}));
export type SubjectRulesReviewStatus = {
  incomplete: boolean;
  nonResourceRules: NonResourceRule[];
  resourceRules: ResourceRule[];
  evaluationError?: string;
};
