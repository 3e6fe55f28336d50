import { defineKind } from '../machinery/define-kind.ts';
import { always, atomic, boolean, string, struct, type Static } from '../machinery/schema.ts';
import { UserInfo } from './self-subject-review.ts';
import { ObjectMeta } from '../meta/object-meta.ts';

export const TokenReviewSpec = struct(
  'io.k8s.api.authentication.v1.TokenReviewSpec',
  {
    token: string(),
  },
  {
    audiences: atomic(string()),
  },
);
export type TokenReviewSpec = Static<typeof TokenReviewSpec>;

export const TokenReviewStatus = struct(
  'io.k8s.api.authentication.v1.TokenReviewStatus',
  {},
  {
    audiences: atomic(string()),
    authenticated: boolean(),
    error: string(),
    user: always(UserInfo),
  },
);
export type TokenReviewStatus = Static<typeof TokenReviewStatus>;

export const TokenReview = struct(
  'io.k8s.api.authentication.v1.TokenReview',
  {
    spec: TokenReviewSpec,
  },
  {
    apiVersion: string(),
    kind: string(),
    metadata: always(ObjectMeta),
    status: always(TokenReviewStatus),
  },
);
export type TokenReview = Static<typeof TokenReview>;

export const tokenReviews = defineKind<TokenReview>({
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'TokenReview',
  plural: 'tokenreviews',
  namespaced: false,
  schema: TokenReview,
  verbs: ['create'],
});
