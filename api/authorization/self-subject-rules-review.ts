import { defineKind } from '../machinery/define-kind.ts';
import { always, atomic, boolean, string, struct, type Static } from '../machinery/schema.ts';
import { ObjectMeta } from '../meta/object-meta.ts';

export const SelfSubjectRulesReviewSpec = struct(
  'io.k8s.api.authorization.v1.SelfSubjectRulesReviewSpec',
  {},
  {
    namespace: string(),
  },
);
export type SelfSubjectRulesReviewSpec = Static<typeof SelfSubjectRulesReviewSpec>;

export const NonResourceRule = struct(
  'io.k8s.api.authorization.v1.NonResourceRule',
  {
    verbs: atomic(string()),
  },
  {
    nonResourceURLs: atomic(string()),
  },
);
export type NonResourceRule = Static<typeof NonResourceRule>;

export const ResourceRule = struct(
  'io.k8s.api.authorization.v1.ResourceRule',
  {
    verbs: atomic(string()),
  },
  {
    apiGroups: atomic(string()),
    resourceNames: atomic(string()),
    resources: atomic(string()),
  },
);
export type ResourceRule = Static<typeof ResourceRule>;

export const SubjectRulesReviewStatus = struct(
  'io.k8s.api.authorization.v1.SubjectRulesReviewStatus',
  {
    incomplete: boolean(),
    nonResourceRules: atomic(NonResourceRule),
    resourceRules: atomic(ResourceRule),
  },
  {
    evaluationError: string(),
  },
);
export type SubjectRulesReviewStatus = Static<typeof SubjectRulesReviewStatus>;

export const SelfSubjectRulesReview = struct(
  'io.k8s.api.authorization.v1.SelfSubjectRulesReview',
  {
    spec: SelfSubjectRulesReviewSpec,
  },
  {
    apiVersion: string(),
    kind: string(),
    metadata: always(ObjectMeta),
    status: always(SubjectRulesReviewStatus),
  },
);
export type SelfSubjectRulesReview = Static<typeof SelfSubjectRulesReview>;

export const selfSubjectRulesReviews = defineKind<SelfSubjectRulesReview>({
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'SelfSubjectRulesReview',
  plural: 'selfsubjectrulesreviews',
  namespaced: false,
  schema: SelfSubjectRulesReview,
  verbs: ['create'],
});
