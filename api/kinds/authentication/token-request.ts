import { DEFAULT_TOKEN_SECONDS, tokenSecondsProblem } from '../../domain/service-accounts.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { invalid } from '../../machinery/field-error.ts';
import { TokenRequest } from '../../types/authentication/v1.gen.ts';

export const tokenRequests = defineKind<TokenRequest>({
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'TokenRequest',
  plural: 'tokenrequests',
  namespaced: true,
  schema: TokenRequest,
  verbs: [],
  applyDefaults: ({ spec }) => {
    if (spec) spec.expirationSeconds ??= DEFAULT_TOKEN_SECONDS;
  },
  validate: ({ spec }) => {
    const path = 'spec.expirationSeconds';
    const seconds = spec?.expirationSeconds ?? DEFAULT_TOKEN_SECONDS;
    const problem = tokenSecondsProblem(seconds);
    if (problem !== undefined) return [invalid(path, seconds, problem)];
    return [];
  },
});
