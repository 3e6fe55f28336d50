import { defineKind } from '../../machinery/define-kind.ts';
import { validateSelf } from './review-validation.ts';
import { SelfSubjectAccessReview } from '../../types/authorization/v1.gen.ts';

export const selfSubjectAccessReviews = defineKind<SelfSubjectAccessReview>({
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'SelfSubjectAccessReview',
  plural: 'selfsubjectaccessreviews',
  namespaced: false,
  schema: SelfSubjectAccessReview,
  verbs: ['create'],
  action: 'selfsubjectaccessreviews.authorization.k8s.io',
  validate: validateSelf,
});
