import { defineKind } from '../machinery/define-kind.ts';
import { always, atomic, list, mapOf, string, struct, type Static } from '../machinery/schema.ts';
import { ObjectMeta } from '../meta/object-meta.ts';

export const UserInfo = struct(
  'io.k8s.api.authentication.v1.UserInfo',
  {},
  {
    extra: mapOf(list(string())),
    groups: atomic(string()),
    uid: string(),
    username: string(),
  },
);
export type UserInfo = Static<typeof UserInfo>;

export const SelfSubjectReviewStatus = struct(
  'io.k8s.api.authentication.v1.SelfSubjectReviewStatus',
  {},
  {
    userInfo: always(UserInfo),
  },
);
export type SelfSubjectReviewStatus = Static<typeof SelfSubjectReviewStatus>;

export const SelfSubjectReview = struct(
  'io.k8s.api.authentication.v1.SelfSubjectReview',
  {},
  {
    apiVersion: string(),
    kind: string(),
    metadata: always(ObjectMeta),
    status: always(SelfSubjectReviewStatus),
  },
);
export type SelfSubjectReview = Static<typeof SelfSubjectReview>;

export const selfSubjectReviews = defineKind<SelfSubjectReview>({
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'SelfSubjectReview',
  plural: 'selfsubjectreviews',
  namespaced: false,
  schema: SelfSubjectReview,
  verbs: ['create'],
});
