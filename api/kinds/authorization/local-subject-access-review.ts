import { defineKind } from '../../machinery/define-kind.ts';
import { validateLocal } from './review-validation.ts';
import { LocalSubjectAccessReview } from '../../types/authorization/v1.gen.ts';

export const localSubjectAccessReviews = defineKind<LocalSubjectAccessReview>({
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'LocalSubjectAccessReview',
  plural: 'localsubjectaccessreviews',
  namespaced: true,
  schema: LocalSubjectAccessReview,
  verbs: ['create'],
  action: 'localsubjectaccessreviews.authorization.k8s.io',
  validate: validateLocal,
});
