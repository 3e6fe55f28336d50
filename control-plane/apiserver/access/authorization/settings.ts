/** The settings of authorization: upstream's flags by the same names. */
import { parseDuration } from '../../../../api/machinery/duration.ts';
import { oneOf, type SettingRule, type SettingRules } from '../../../../daemon/setting-rules.ts';
import type { AuthenticationSettings } from '../authentication/settings.ts';
import { AUTHORIZER_TYPES, DEFAULT_AUTHORIZED_TTL, DEFAULT_UNAUTHORIZED_TTL } from './configuration.ts';

/** Upstream's is AlwaysAllow. */
const DEFAULT_MODES: readonly string[] = ['Node', 'RBAC'];

export const authorizationDefaults = {
  authorizationMode: DEFAULT_MODES,
  authorizationConfig: '',
  authorizationPolicyFile: '',
  authorizationWebhookConfigFile: '',
  authorizationWebhookVersion: 'v1beta1',
  authorizationWebhookCacheAuthorizedTtl: DEFAULT_AUTHORIZED_TTL,
  authorizationWebhookCacheUnauthorizedTtl: DEFAULT_UNAUTHORIZED_TTL,
};

export type AuthorizationSettings = Readonly<typeof authorizationDefaults>;

export const authorizationHelp: Readonly<Record<keyof AuthorizationSettings, string>> = {
  authorizationMode: `who is asked whether a user may do something, in this order: ${AUTHORIZER_TYPES.join(', ')} (docs/authorization.md)`,
  authorizationConfig:
    'file that says the same and more, apiserver.config.k8s.io AuthorizationConfiguration; read again when it changes',
  authorizationPolicyFile: 'file of policies for ABAC, one a line',
  authorizationWebhookConfigFile: 'kubeconfig file of the webhook of the mode Webhook',
  authorizationWebhookVersion: 'version of the SubjectAccessReviews that it is sent: v1 or v1beta1',
  authorizationWebhookCacheAuthorizedTtl: 'how long its answers are good that allow, as 5m; 0 for not at all',
  authorizationWebhookCacheUnauthorizedTtl: 'likewise those that do not',
};

type Settings = AuthorizationSettings & Pick<AuthenticationSettings, 'anonymousAuth' | 'authenticationConfig'>;

function modesProblem(
  modes: readonly string[],
  { authorizationConfig, anonymousAuth, authenticationConfig }: Settings,
): string | undefined {
  const odd = modes.find((mode, at) => !AUTHORIZER_TYPES.some((known) => known === mode) || modes.indexOf(mode) < at);
  if (odd !== undefined || modes.length === 0) {
    const found = odd === undefined ? '' : `, not ${JSON.stringify(odd)}`;
    return `must list some of ${AUTHORIZER_TYPES.join(', ')}, each once${found}`;
  }
  // Upstream turns anonymous requests off then; here hosts join with one.
  if (modes.includes('AlwaysAllow') && anonymousAuth && authenticationConfig === '')
    return 'must not have AlwaysAllow unless anonymous-auth is false: whoever reaches the port could do everything';
  return authorizationConfig !== '' && modes !== DEFAULT_MODES && modes.join() !== DEFAULT_MODES.join()
    ? 'must not be set, since authorization-config is'
    : undefined;
}

/** A file is of use, and needed, with its mode alone. */
const fileOf =
  (mode: 'ABAC' | 'Webhook'): SettingRule<string, AuthorizationSettings> =>
  (file, { authorizationMode, authorizationConfig }) => {
    if (authorizationConfig !== '')
      return file !== '' && mode === 'Webhook' ? 'must be empty, since authorization-config names webhooks' : undefined;
    const isAsked = authorizationMode.includes(mode);
    if (isAsked) return file === '' ? `must be set, since authorization-mode has ${mode}` : undefined;
    return file === '' ? undefined : `must be empty, since authorization-mode does not have ${mode}`;
  };

const ttl = (value: string): string | undefined =>
  (parseDuration(value) ?? -1) >= 0 ? undefined : `must be a duration such as 30s, not ${JSON.stringify(value)}`;

export const authorizationRules: {
  readonly [K in keyof SettingRules<AuthorizationSettings>]: SettingRule<AuthorizationSettings[K], Settings>;
} = {
  authorizationMode: modesProblem,
  authorizationPolicyFile: fileOf('ABAC'),
  authorizationWebhookConfigFile: fileOf('Webhook'),
  authorizationWebhookVersion: oneOf('v1', 'v1beta1'),
  authorizationWebhookCacheAuthorizedTtl: ttl,
  authorizationWebhookCacheUnauthorizedTtl: ttl,
};
