// Generated from api/types/facts.txt by `npm run generate`.
import { boolean, int64, list, mapOf, optional, required, string, struct, time } from '../../machinery/schema.ts';
import { ObjectMeta } from '../meta/v1.gen.ts';

export const BoundObjectReference = struct('io.k8s.api.authentication.v1.BoundObjectReference', () => ({
  apiVersion: optional(2, string),
  kind: optional(1, string),
  name: optional(3, string),
  uid: optional(4, string, { goType: 'types.UID' }),
}));
export type BoundObjectReference = {
  apiVersion?: string;
  kind?: string;
  name?: string;
  uid?: string;
};

export const SelfSubjectReview = struct('io.k8s.api.authentication.v1.SelfSubjectReview', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  status: optional(2, SelfSubjectReviewStatus, { always: true }),
}));
export type SelfSubjectReview = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  status?: SelfSubjectReviewStatus;
};

export const SelfSubjectReviewStatus = struct('io.k8s.api.authentication.v1.SelfSubjectReviewStatus', () => ({
  userInfo: optional(1, UserInfo, { always: true }),
}));
export type SelfSubjectReviewStatus = {
  userInfo?: UserInfo;
};

export const TokenRequest = struct('io.k8s.api.authentication.v1.TokenRequest', () => ({
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  spec: optional(2, TokenRequestSpec, { always: true }),
  status: optional(3, TokenRequestStatus, { always: true }),
}));
export type TokenRequest = {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  spec?: TokenRequestSpec;
  status?: TokenRequestStatus;
};

export const TokenRequestSpec = struct('io.k8s.api.authentication.v1.TokenRequestSpec', () => ({
  audiences: optional(1, list(string), { always: true, listType: 'atomic' }),
  boundObjectRef: optional(3, BoundObjectReference, { nullable: true }),
  expirationSeconds: optional(4, int64, { pointer: true, nullable: true }),
}));
export type TokenRequestSpec = {
  audiences?: string[] | null;
  boundObjectRef?: BoundObjectReference | null;
  expirationSeconds?: number | null;
};

export const TokenRequestStatus = struct('io.k8s.api.authentication.v1.TokenRequestStatus', () => ({
  expirationTimestamp: optional(2, time, { always: true }),
  token: optional(1, string, { always: true }),
}));
export type TokenRequestStatus = {
  expirationTimestamp?: string | null;
  token?: string;
};

export const TokenReview = struct('io.k8s.api.authentication.v1.TokenReview', () => ({
  spec: required(2, TokenReviewSpec),
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  status: optional(3, TokenReviewStatus, { always: true }),
}));
export type TokenReview = {
  spec: TokenReviewSpec;
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  status?: TokenReviewStatus;
};

export const TokenReviewSpec = struct('io.k8s.api.authentication.v1.TokenReviewSpec', () => ({
  token: required(1, string),
  audiences: optional(2, list(string), { listType: 'atomic' }),
}));
export type TokenReviewSpec = {
  token: string;
  audiences?: string[];
};

export const TokenReviewStatus = struct('io.k8s.api.authentication.v1.TokenReviewStatus', () => ({
  audiences: optional(4, list(string), { listType: 'atomic' }),
  authenticated: optional(1, boolean),
  error: optional(3, string),
  user: optional(2, UserInfo, { always: true }),
}));
export type TokenReviewStatus = {
  audiences?: string[];
  authenticated?: boolean;
  error?: string;
  user?: UserInfo;
};

export const UserInfo = struct('io.k8s.api.authentication.v1.UserInfo', () => ({
  extra: optional(4, mapOf(list(string)), { goType: 'map[string]v1.ExtraValue' }),
  groups: optional(3, list(string), { listType: 'atomic' }),
  uid: optional(2, string),
  username: optional(1, string),
}));
export type UserInfo = {
  extra?: Record<string, string[]>;
  groups?: string[];
  uid?: string;
  username?: string;
};
