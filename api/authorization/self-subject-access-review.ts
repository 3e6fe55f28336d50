import { defineKind } from '../machinery/define-kind.ts';
import { always, string, struct, type Static } from '../machinery/schema.ts';
import { NonResourceAttributes, ResourceAttributes, SubjectAccessReviewStatus } from './attributes.ts';
import { ObjectMeta } from '../meta/object-meta.ts';
import { validateAttributes } from './review-validation.ts';

export const SelfSubjectAccessReviewSpec = struct(
  'io.k8s.api.authorization.v1.SelfSubjectAccessReviewSpec',
  {},
  {
    nonResourceAttributes: NonResourceAttributes,
    resourceAttributes: ResourceAttributes,
  },
);
export type SelfSubjectAccessReviewSpec = Static<typeof SelfSubjectAccessReviewSpec>;

export const SelfSubjectAccessReview = struct(
  'io.k8s.api.authorization.v1.SelfSubjectAccessReview',
  {
    spec: SelfSubjectAccessReviewSpec,
  },
  {
    apiVersion: string(),
    kind: string(),
    metadata: always(ObjectMeta),
    status: always(SubjectAccessReviewStatus),
  },
);
export type SelfSubjectAccessReview = Static<typeof SelfSubjectAccessReview>;

export const selfSubjectAccessReviews = defineKind<SelfSubjectAccessReview>({
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'SelfSubjectAccessReview',
  plural: 'selfsubjectaccessreviews',
  namespaced: false,
  schema: SelfSubjectAccessReview,
  verbs: ['create'],
  validate: ({ spec }) => validateAttributes(spec),
});
