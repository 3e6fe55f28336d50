/** Users that somebody else knows, put together from the settings: issuers of JWTs, a webhook, a proxy in front. */
import type { X509Certificate } from 'node:crypto';
import { loadKubeconfig } from '../../../../client/kubeconfig.ts';
import type { Logger } from '../../../../client/logger.ts';
import { parseDuration } from '../../../../api/machinery/duration.ts';
import { loadConfiguration } from '../../../../daemon/configuration-file.ts';
import { followFile } from '../../../../daemon/reloaded-file.ts';
import { SettingValueError } from '../../../../daemon/setting-rules.ts';
import { KubeconfigWebhook } from '../../http/kubeconfig-webhook.ts';
import { readBundle } from '../issued-by.ts';
import { SIGNING_ALGORITHMS } from './oidc/algorithms.ts';
import { jwtErrors, readAuthenticationConfiguration, type JwtAuthenticator } from './oidc/configuration.ts';
import { OidcIssuers } from './oidc/issuers.ts';
import { RequestHeaderAuthenticator } from './request-headers.ts';
import type { AuthenticationSettings } from './settings.ts';
import type { TokenAuthenticator } from './token-authenticator.ts';
import { WebhookTokenAuthenticator } from './webhook-tokens.ts';

export interface OutsideAuthentication {
  readonly tokens: readonly TokenAuthenticator[];
  /** Whether a request for the path may be anonymous. */
  readonly anonymous: (path: string) => boolean;
  readonly requestHeaders: RequestHeaderAuthenticator | undefined;
  /** The CAs of proxies in front; empty: there are none. */
  readonly proxyAuthorities: readonly X509Certificate[];
}

export interface OutsideOptions {
  /** The issuer, and audience, of the cluster's own tokens. */
  readonly ownIssuer: string;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** Rejects with what is wrong with the files that the settings name. */
export async function openOutsideAuthentication(
  settings: AuthenticationSettings,
  { ownIssuer, logger, signal }: OutsideOptions,
): Promise<OutsideAuthentication> {
  const { authenticationConfig, requestheaderClientCaFile: caFile } = settings;
  const algorithms = authenticationConfig ? SIGNING_ALGORITHMS : settings.oidcSigningAlgs;
  const issuers = new OidcIssuers({ apiAudiences: [ownIssuer], algorithms, ownIssuer, logger, signal });
  let anonymous = (_path: string): boolean => settings.anonymousAuth;
  if (authenticationConfig) {
    const what = 'authentication configuration';
    const use = (text: string): void => {
      const configuration = readAuthenticationConfiguration(text);
      issuers.replace(configuration.jwt ?? []);
      anonymous = anonymousRule(configuration.anonymous, settings.anonymousAuth);
    };
    await followFile({ file: authenticationConfig, what, use, logger, signal });
  } else if (settings.oidcIssuerUrl) issuers.replace([await authenticatorOf(settings)]);
  const webhook = settings.authenticationTokenWebhookConfigFile && (await openWebhook(settings, signal));
  const proxyAuthorities = caFile ? await loadConfiguration(caFile, 'CA of proxies', (pem) => readPem(pem)) : [];
  return {
    tokens: [issuers, ...(webhook ? [webhook] : [])],
    anonymous: (path) => anonymous(path),
    requestHeaders: caFile ? requestHeaders(settings) : undefined,
    proxyAuthorities,
  };
}

function readPem(pem: string): X509Certificate[] {
  try {
    return readBundle(pem);
  } catch (error) {
    throw new SettingValueError((error as Error).message, { cause: error });
  }
}

type Anonymous = ReturnType<typeof readAuthenticationConfiguration>['anonymous'];

/** Absent: as the setting says. */
function anonymousRule(anonymous: Anonymous, otherwise: boolean): (path: string) => boolean {
  if (!anonymous) return () => otherwise;
  if (!anonymous.enabled) return () => false;
  const paths = new Set((anonymous.conditions ?? []).map(({ path }) => path));
  return (path) => paths.size === 0 || paths.has(path);
}

/** What the flags say, as a configuration has it. Rejects with SettingValueError. */
async function authenticatorOf(settings: AuthenticationSettings): Promise<JwtAuthenticator> {
  const { oidcIssuerUrl: url, oidcUsernameClaim, oidcUsernamePrefix, oidcGroupsClaim, oidcGroupsPrefix } = settings;
  const ca = settings.oidcCaFile && (await loadConfiguration(settings.oidcCaFile, 'CA of OIDC issuer', (pem) => pem));
  // Names of different issuers must not be the same user.
  const ofIssuer = oidcUsernameClaim === 'email' ? '' : `${url}#`;
  const prefix = oidcUsernamePrefix === '-' ? '' : oidcUsernamePrefix || ofIssuer;
  const authenticator: JwtAuthenticator = {
    issuer: { url, audiences: [settings.oidcClientId], ...(ca && { certificateAuthority: ca }) },
    claimValidationRules: settings.oidcRequiredClaim.map((text) => {
      const [claim = '', ...value] = text.split('=');
      return { claim, requiredValue: value.join('=') };
    }),
    claimMappings: {
      username: { claim: oidcUsernameClaim, prefix },
      ...(oidcGroupsClaim && { groups: { claim: oidcGroupsClaim, prefix: oidcGroupsPrefix } }),
    },
  };
  const [problem] = jwtErrors(authenticator, 'oidc');
  if (problem) throw new SettingValueError(`${problem.field}: ${problem.message}`);
  return authenticator;
}

async function openWebhook(settings: AuthenticationSettings, signal: AbortSignal): Promise<WebhookTokenAuthenticator> {
  const webhook = new KubeconfigWebhook(await loadKubeconfig(settings.authenticationTokenWebhookConfigFile));
  signal.addEventListener('abort', () => webhook[Symbol.dispose](), { once: true });
  return new WebhookTokenAuthenticator(webhook, parseDuration(settings.authenticationTokenWebhookCacheTtl) ?? 0);
}

const requestHeaders = (settings: AuthenticationSettings): RequestHeaderAuthenticator =>
  new RequestHeaderAuthenticator({
    allowedNames: settings.requestheaderAllowedNames,
    usernameHeaders: settings.requestheaderUsernameHeaders,
    uidHeaders: settings.requestheaderUidHeaders,
    groupHeaders: settings.requestheaderGroupHeaders,
    extraPrefixes: settings.requestheaderExtraHeadersPrefix,
  });
