/** The settings of users that somebody else knows: upstream's flags by the same names. */
import { parseDuration } from '../../../../api/machinery/duration.ts';
import type { SettingRules } from '../../../../daemon/setting-rules.ts';
import { SIGNING_ALGORITHMS } from './oidc/algorithms.ts';

export const authenticationDefaults = {
  authenticationConfig: '',
  anonymousAuth: true,
  oidcIssuerUrl: '',
  oidcClientId: '',
  oidcCaFile: '',
  oidcUsernameClaim: 'sub',
  oidcUsernamePrefix: '',
  oidcGroupsClaim: '',
  oidcGroupsPrefix: '',
  oidcSigningAlgs: ['RS256'] as readonly string[],
  oidcRequiredClaim: [] as readonly string[],
  authenticationTokenWebhookConfigFile: '',
  authenticationTokenWebhookCacheTtl: '2m0s',
  requestheaderClientCaFile: '',
  requestheaderAllowedNames: [] as readonly string[],
  requestheaderUsernameHeaders: ['X-Remote-User'] as readonly string[],
  requestheaderUidHeaders: [] as readonly string[],
  requestheaderGroupHeaders: ['X-Remote-Group'] as readonly string[],
  requestheaderExtraHeadersPrefix: ['X-Remote-Extra-'] as readonly string[],
};

export type AuthenticationSettings = Readonly<typeof authenticationDefaults>;

export const authenticationHelp: Readonly<Record<keyof AuthenticationSettings, string>> = {
  authenticationConfig:
    'file with issuers of JWTs and who may be anonymous, apiserver.config.k8s.io AuthenticationConfiguration (docs/authentication.md); read again when it changes',
  anonymousAuth: 'serve requests without credentials as system:anonymous',
  oidcIssuerUrl: 'issuer of OpenID Connect whose ID tokens are taken, as https://issuer.example.com',
  oidcClientId: 'audience of these tokens',
  oidcCaFile: "PEM file of the CA of the issuer's certificate; the CAs that Node.js carries when empty",
  oidcUsernameClaim: "claim with the user's name",
  oidcUsernamePrefix: 'put in front of it; ISSUER# when empty, unless the claim is email; - for nothing',
  oidcGroupsClaim: "claim with the user's groups",
  oidcGroupsPrefix: 'put in front of each group',
  oidcSigningAlgs: `algorithms of signatures that are taken, of ${SIGNING_ALGORITHMS.join(', ')}`,
  oidcRequiredClaim: 'claims that a token has to have, as hd=example.com',
  authenticationTokenWebhookConfigFile: 'kubeconfig file of a webhook that knows bearer tokens',
  authenticationTokenWebhookCacheTtl: 'how long its answers are good, as 2m',
  requestheaderClientCaFile: 'PEM file of the CA of proxies in front that name the user in headers',
  requestheaderAllowedNames: "common names of the proxies' certificates; any when empty",
  requestheaderUsernameHeaders: "headers with the user's name",
  requestheaderUidHeaders: "headers with the user's uid",
  requestheaderGroupHeaders: "headers with the user's groups",
  requestheaderExtraHeadersPrefix: 'beginnings of headers with what else is known of the user',
};

function algorithmsProblem(names: readonly string[]): string | undefined {
  const odd = names.find((name) => !SIGNING_ALGORITHMS.includes(name));
  if (odd === undefined && names.length > 0) return undefined;
  return `must list some of ${SIGNING_ALGORITHMS.join(', ')}${odd === undefined ? '' : `, not ${JSON.stringify(odd)}`}`;
}

export const authenticationRules: SettingRules<AuthenticationSettings> = {
  oidcIssuerUrl: (url, { oidcClientId, authenticationConfig }) => {
    if (url === '') return undefined;
    if (authenticationConfig !== '') return 'must be empty, since authentication-config names issuers';
    if (oidcClientId === '') return 'needs an --oidc-client-id';
    return url.startsWith('https://') && URL.canParse(url)
      ? undefined
      : `must be an https:// URL, not ${JSON.stringify(url)}`;
  },
  oidcClientId: (id, { oidcIssuerUrl }) =>
    id !== '' && oidcIssuerUrl === '' ? 'needs an --oidc-issuer-url' : undefined,
  oidcSigningAlgs: algorithmsProblem,
  oidcRequiredClaim: (claims) => {
    const odd = claims.find((claim) => !/^[^=]+=/.test(claim));
    return odd === undefined ? undefined : `must list claims as hd=example.com, not ${JSON.stringify(odd)}`;
  },
  authenticationTokenWebhookCacheTtl: (value) =>
    (parseDuration(value) ?? -1) >= 0 ? undefined : `must be a duration such as 2m, not ${JSON.stringify(value)}`,
  requestheaderUsernameHeaders: (names, { requestheaderClientCaFile }) =>
    requestheaderClientCaFile !== '' && names.length === 0 ? 'must name a header, as X-Remote-User' : undefined,
};
