import { defineKind } from '../machinery/define-kind.ts';
import { always, string, struct, type Static } from '../machinery/schema.ts';
import { SubjectAccessReviewSpec, SubjectAccessReviewStatus } from './attributes.ts';
import { ObjectMeta } from '../meta/object-meta.ts';
import { validateSubject } from './review-validation.ts';

export const SubjectAccessReview = struct(
  'io.k8s.api.authorization.v1.SubjectAccessReview',
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
export type SubjectAccessReview = Static<typeof SubjectAccessReview>;

export const subjectAccessReviews = defineKind<SubjectAccessReview>({
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'SubjectAccessReview',
  plural: 'subjectaccessreviews',
  namespaced: false,
  schema: SubjectAccessReview,
  verbs: ['create'],
  validate: ({ spec }) => validateSubject(spec),
});
