import { defineKind } from '../../machinery/define-kind.ts';
import { validateSubject } from './review-validation.ts';
import { SubjectAccessReview } from '../../types/authorization/v1.gen.ts';

export const subjectAccessReviews = defineKind<SubjectAccessReview>({
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'SubjectAccessReview',
  plural: 'subjectaccessreviews',
  namespaced: false,
  schema: SubjectAccessReview,
  verbs: ['create'],
  action: 'subjectaccessreviews.authorization.k8s.io',
  validate: validateSubject,
});
