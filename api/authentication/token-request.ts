import { defineKind } from '../machinery/define-kind.ts';
import { invalid } from '../machinery/field-error.ts';
import { always, atomic, int64, pointer, string, struct, time, type Static } from '../machinery/schema.ts';
import { ObjectMeta } from '../meta/object-meta.ts';

export const BoundObjectReference = struct(
  'io.k8s.api.authentication.v1.BoundObjectReference',
  {},
  {
    apiVersion: string(),
    kind: string(),
    name: string(),
    uid: string(),
  },
);
export type BoundObjectReference = Static<typeof BoundObjectReference>;

export const TokenRequestSpec = struct(
  'io.k8s.api.authentication.v1.TokenRequestSpec',
  {},
  {
    audiences: always(atomic(string())),
    boundObjectRef: BoundObjectReference,
    expirationSeconds: pointer(int64()),
  },
);
export type TokenRequestSpec = Static<typeof TokenRequestSpec>;

export const TokenRequestStatus = struct(
  'io.k8s.api.authentication.v1.TokenRequestStatus',
  {},
  {
    expirationTimestamp: always(time()),
    token: always(string()),
  },
);
export type TokenRequestStatus = Static<typeof TokenRequestStatus>;

export const TokenRequest = struct(
  'io.k8s.api.authentication.v1.TokenRequest',
  {},
  {
    apiVersion: string(),
    kind: string(),
    metadata: always(ObjectMeta),
    spec: always(TokenRequestSpec),
    status: always(TokenRequestStatus),
  },
);
export type TokenRequest = Static<typeof TokenRequest>;

const DEFAULT_SECONDS = 3600;
const MIN_SECONDS = 600;
const MAX_SECONDS = 2 ** 32;

export const tokenRequests = defineKind<TokenRequest>({
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'TokenRequest',
  plural: 'tokenrequests',
  namespaced: true,
  schema: TokenRequest,
  verbs: [],
  applyDefaults: ({ spec }) => {
    if (spec) spec.expirationSeconds ??= DEFAULT_SECONDS;
  },
  validate: ({ spec }) => {
    const path = 'spec.expirationSeconds';
    const seconds = spec?.expirationSeconds ?? DEFAULT_SECONDS;
    if (seconds < MIN_SECONDS) return [invalid(path, seconds, 'may not specify a duration less than 10 minutes')];
    if (seconds > MAX_SECONDS) return [invalid(path, seconds, 'may not specify a duration larger than 2^32 seconds')];
    return [];
  },
});
