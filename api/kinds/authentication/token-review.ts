import { defineKind } from '../../machinery/define-kind.ts';
import { TokenReview } from '../../types/authentication/v1.gen.ts';

export const tokenReviews = defineKind<TokenReview>({
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'TokenReview',
  plural: 'tokenreviews',
  namespaced: false,
  schema: TokenReview,
  verbs: ['create'],
  action: 'tokenreviews.authentication.k8s.io',
});
