import { defineKind } from '../../machinery/define-kind.ts';
import { SelfSubjectRulesReview } from '../../types/authorization/v1.gen.ts';

export const selfSubjectRulesReviews = defineKind<SelfSubjectRulesReview>({
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'SelfSubjectRulesReview',
  plural: 'selfsubjectrulesreviews',
  namespaced: false,
  schema: SelfSubjectRulesReview,
  verbs: ['create'],
  action: 'selfsubjectrulesreviews.authorization.k8s.io',
});
