import { atomic, boolean, list, mapOf, string, struct, type Static } from '../machinery/schema.ts';
import { FieldSelectorRequirement } from '../meta/field-selector.ts';
import { LabelSelectorRequirement } from '../meta/label-selector.ts';

export const NonResourceAttributes = struct(
  'io.k8s.api.authorization.v1.NonResourceAttributes',
  {},
  {
    path: string(),
    verb: string(),
  },
);
export type NonResourceAttributes = Static<typeof NonResourceAttributes>;

export const FieldSelectorAttributes = struct(
  'io.k8s.api.authorization.v1.FieldSelectorAttributes',
  {},
  {
    rawSelector: string(),
    requirements: atomic(FieldSelectorRequirement),
  },
);
export type FieldSelectorAttributes = Static<typeof FieldSelectorAttributes>;

export const LabelSelectorAttributes = struct(
  'io.k8s.api.authorization.v1.LabelSelectorAttributes',
  {},
  {
    rawSelector: string(),
    requirements: atomic(LabelSelectorRequirement),
  },
);
export type LabelSelectorAttributes = Static<typeof LabelSelectorAttributes>;

export const ResourceAttributes = struct(
  'io.k8s.api.authorization.v1.ResourceAttributes',
  {},
  {
    fieldSelector: FieldSelectorAttributes,
    group: string(),
    labelSelector: LabelSelectorAttributes,
    name: string(),
    namespace: string(),
    resource: string(),
    subresource: string(),
    verb: string(),
    version: string(),
  },
);
export type ResourceAttributes = Static<typeof ResourceAttributes>;

export const SubjectAccessReviewSpec = struct(
  'io.k8s.api.authorization.v1.SubjectAccessReviewSpec',
  {},
  {
    extra: mapOf(list(string())),
    groups: atomic(string()),
    nonResourceAttributes: NonResourceAttributes,
    resourceAttributes: ResourceAttributes,
    uid: string(),
    user: string(),
  },
);
export type SubjectAccessReviewSpec = Static<typeof SubjectAccessReviewSpec>;

export const SubjectAccessReviewStatus = struct(
  'io.k8s.api.authorization.v1.SubjectAccessReviewStatus',
  {
    allowed: boolean(),
  },
  {
    denied: boolean(),
    evaluationError: string(),
    reason: string(),
  },
);
export type SubjectAccessReviewStatus = Static<typeof SubjectAccessReviewStatus>;
