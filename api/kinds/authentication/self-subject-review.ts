import { defineKind } from '../../machinery/define-kind.ts';
import { SelfSubjectReview } from '../../types/authentication/v1.gen.ts';

export const selfSubjectReviews = defineKind<SelfSubjectReview>({
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'SelfSubjectReview',
  plural: 'selfsubjectreviews',
  namespaced: false,
  schema: SelfSubjectReview,
  verbs: ['create'],
  action: 'selfsubjectreviews.authentication.k8s.io',
});
