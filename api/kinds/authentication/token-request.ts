import { defineKind } from '../../machinery/define-kind.ts';
import { invalid } from '../../machinery/field-error.ts';
import { TokenRequest } from '../../types/authentication/v1.gen.ts';

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
