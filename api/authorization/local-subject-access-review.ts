import { defineKind } from '../machinery/define-kind.ts';
import { always, string, struct, type Static } from '../machinery/schema.ts';
import { SubjectAccessReviewSpec, SubjectAccessReviewStatus } from './attributes.ts';
import { ObjectMeta } from '../meta/object-meta.ts';
import { validateLocal } from './review-validation.ts';

export const LocalSubjectAccessReview = struct(
  'io.k8s.api.authorization.v1.LocalSubjectAccessReview',
  {
    spec: SubjectAccessReviewSpec,
  },
  {
    apiVersion: string(),
    kind: string(),
    metadata: always(ObjectMeta),
    status: always(SubjectAccessReviewStatus),
  },
);
export type LocalSubjectAccessReview = Static<typeof LocalSubjectAccessReview>;

export const localSubjectAccessReviews = defineKind<LocalSubjectAccessReview>({
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'LocalSubjectAccessReview',
  plural: 'localsubjectaccessreviews',
  namespaced: true,
  schema: LocalSubjectAccessReview,
  verbs: ['create'],
  validate: ({ spec, metadata }) => validateLocal(spec, metadata?.namespace),
});
