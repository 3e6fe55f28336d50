/** The chain of authorizers, put together from the settings, and again whenever its file changes. */
import { parseDuration } from '../../../../api/machinery/duration.ts';
import { KubeconfigError, loadKubeconfig } from '../../../../client/kubeconfig.ts';
import type { Logger } from '../../../../client/logger.ts';
import { loadConfiguration } from '../../../../daemon/configuration-file.ts';
import { followFile } from '../../../../daemon/reloaded-file.ts';
import { SettingValueError } from '../../../../daemon/setting-rules.ts';
import { KubeconfigWebhook } from '../../http/kubeconfig-webhook.ts';
import { AbacAuthorizer, parsePolicyFile } from './abac-authorizer.ts';
import { ALLOWED, type Authorizer, type Decision, type RuleResolver } from './authorizer.ts';
import { Authorizers, type Link } from './authorizers.ts';
import {
  DEFAULT_AUTHORIZED_TTL,
  DEFAULT_UNAUTHORIZED_TTL,
  readAuthorizationConfiguration,
  type AuthorizerConfiguration,
  type WebhookConfiguration,
} from './configuration.ts';
import { AuthorizationMetrics } from './metrics.ts';
import type { AuthorizationSettings } from './settings.ts';
import { MatchConditions } from './webhook/match-conditions.ts';
import type { ReviewVersion } from './webhook/review.ts';
import { WebhookAuthorizer } from './webhook/webhook-authorizer.ts';

type ChainPart = Authorizer & RuleResolver;

/** What there is one of, whatever the configuration says. */
export interface OwnAuthorizers {
  readonly Node: ChainPart;
  readonly RBAC: ChainPart;
}

/** By which upstream knows what flags have set. */
const NAMES: ReadonlyMap<string, string> = new Map([['Webhook', 'default']]);
/** Upstream's, with flags. */
const FLAG_TIMEOUT = '30s';
/** Requests that still wait for an answer of a webhook that is not asked any more have been answered by then. */
const RETIREMENT_MS = 60_000;

const EVERYTHING: ChainPart = {
  authorize: () => ALLOWED,
  rulesFor: () => ({
    rules: [
      { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
      { verbs: ['*'], nonResourceURLs: ['*'] },
    ],
    errors: [],
  }),
};
const FORBIDDEN: Decision = { allowed: false, reason: 'Everything is forbidden.' };
const NOTHING: ChainPart = { authorize: () => FORBIDDEN, rulesFor: () => ({ rules: [], errors: [] }) };

/** One of the configuration, and what it stands for where that is none of the server's own. */
interface Configured {
  readonly type: string;
  readonly name: string;
  readonly part: ChainPart | undefined;
}

export interface ConfiguredOptions {
  readonly logger: Logger;
  /** Aborted when the server stops. */
  readonly signal: AbortSignal;
}

export class ConfiguredAuthorizers {
  readonly metrics = new AuthorizationMetrics();
  readonly #options: ConfiguredOptions;
  readonly #chain = new Authorizers([]);
  #own: OwnAuthorizers | undefined;
  #configured: readonly Configured[] = [];
  #webhooks: readonly KubeconfigWebhook[] = [];

  private constructor(options: ConfiguredOptions) {
    this.#options = options;
    options.signal.addEventListener('abort', () => this.#webhooks.forEach((webhook) => webhook[Symbol.dispose]()), {
      once: true,
    });
  }

  /** Rejects with what is wrong with the files that the settings name. */
  static async open(settings: AuthorizationSettings, options: ConfiguredOptions): Promise<ConfiguredAuthorizers> {
    const { authorizationConfig: file, authorizationPolicyFile: policies } = settings;
    const configured = new ConfiguredAuthorizers(options);
    const abac = policies
      ? await loadConfiguration(policies, 'authorization policy', (text) => new AbacAuthorizer(parsePolicyFile(text)))
      : undefined;
    if (!file) {
      await configured.#use(
        settings.authorizationMode.map((mode) => authorizerOf(mode, settings)),
        abac,
      );
      return configured;
    }
    const what = 'authorization configuration';
    const use = async (text: string): Promise<void> => {
      await configured.#use(readAuthorizationConfiguration(text).authorizers ?? [], abac);
      configured.metrics.configured(text);
    };
    const reread = (failure?: unknown): void =>
      configured.metrics.reloaded(failure === undefined ? 'success' : 'failure');
    await followFile({ file, what, use, reread, ...options });
    return configured;
  }

  /** The chain, with the server's own authorizers in it. To be called once. */
  with(own: OwnAuthorizers): Authorizers {
    this.#own = own;
    this.#link();
    return this.#chain;
  }

  /** Rejects with SettingValueError for what cannot be used: everything stays as it was. */
  async #use(authorizers: readonly AuthorizerConfiguration[], abac: ChainPart | undefined): Promise<void> {
    const opened: KubeconfigWebhook[] = [];
    const configured: Configured[] = [];
    try {
      for (const [index, { type = '', name = '', webhook = {} }] of authorizers.entries()) {
        const path = `authorizers[${index}]`;
        if (type === 'ABAC' && !abac)
          throw new SettingValueError(`${path}.type: ABAC needs an --authorization-policy-file`);
        const client = type === 'Webhook' ? await openWebhook(webhook, path) : undefined;
        if (client) opened.push(client);
        const part = client ? this.#webhook(name, client, webhook) : partOf(type, abac);
        configured.push({ type, name, part });
      }
    } catch (error) {
      for (const webhook of opened) webhook[Symbol.dispose]();
      throw error;
    }
    this.#retire(this.#webhooks);
    this.#webhooks = opened;
    this.#configured = configured;
    this.#link();
  }

  #link(): void {
    const own = this.#own;
    if (!own) return;
    this.#chain.replace(
      this.#configured.map(({ type, name, part }): Link => {
        const authorizer = part ?? (type === 'Node' ? own.Node : own.RBAC);
        return { authorizer, counts: this.metrics.countsOf(type, name) };
      }),
    );
  }

  #webhook(name: string, webhook: KubeconfigWebhook, configuration: WebhookConfiguration): WebhookAuthorizer {
    const { matchConditions = [], cacheAuthorizedRequests = true, cacheUnauthorizedRequests = true } = configuration;
    const { authorizedTTL, unauthorizedTTL } = configuration;
    return new WebhookAuthorizer({
      name,
      webhook,
      version: configuration.subjectAccessReviewVersion as ReviewVersion,
      timeoutMs: durationOf(configuration.timeout ?? FLAG_TIMEOUT),
      authorizedTtlMs: cacheAuthorizedRequests ? durationOf(authorizedTTL || DEFAULT_AUTHORIZED_TTL) : 0,
      unauthorizedTtlMs: cacheUnauthorizedRequests ? durationOf(unauthorizedTTL || DEFAULT_UNAUTHORIZED_TTL) : 0,
      deniesOnFailure: configuration.failurePolicy === 'Deny',
      ...(matchConditions.length > 0 && {
        conditions: new MatchConditions(matchConditions.map(({ expression = '' }) => expression)),
      }),
      metrics: this.metrics,
      logger: this.#options.logger,
    });
  }

  #retire(webhooks: readonly KubeconfigWebhook[]): void {
    if (webhooks.length === 0) return;
    const close = (): void => {
      clearTimeout(timer);
      this.#options.signal.removeEventListener('abort', close);
      for (const webhook of webhooks) webhook[Symbol.dispose]();
    };
    const timer = setTimeout(close, RETIREMENT_MS).unref();
    this.#options.signal.addEventListener('abort', close, { once: true });
  }
}

/** Undefined for the server's own. */
function partOf(type: string, abac: ChainPart | undefined): ChainPart | undefined {
  if (type === 'ABAC') return abac;
  if (type === 'AlwaysAllow') return EVERYTHING;
  return type === 'AlwaysDeny' ? NOTHING : undefined;
}

const durationOf = (text: string): number => parseDuration(text) ?? 0;

/** What flags say, as a configuration has it. */
function authorizerOf(mode: string, settings: AuthorizationSettings): AuthorizerConfiguration {
  const name = NAMES.get(mode) ?? mode.toLowerCase();
  if (mode !== 'Webhook') return { type: mode, name };
  const { authorizationWebhookCacheAuthorizedTtl: ttl, authorizationWebhookCacheUnauthorizedTtl: deniedTtl } = settings;
  return {
    type: mode,
    name,
    webhook: {
      timeout: FLAG_TIMEOUT,
      authorizedTTL: ttl,
      cacheAuthorizedRequests: durationOf(ttl) > 0,
      unauthorizedTTL: deniedTtl,
      cacheUnauthorizedRequests: durationOf(deniedTtl) > 0,
      subjectAccessReviewVersion: settings.authorizationWebhookVersion,
      failurePolicy: 'NoOpinion',
      connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: settings.authorizationWebhookConfigFile },
    },
  };
}

/** Rejects with SettingValueError. */
async function openWebhook({ connectionInfo = {} }: WebhookConfiguration, path: string): Promise<KubeconfigWebhook> {
  const { kubeConfigFile = '' } = connectionInfo;
  try {
    return new KubeconfigWebhook(await loadKubeconfig(kubeConfigFile));
  } catch (error) {
    // It has been given with flags or in a file: both say which.
    const why =
      error instanceof KubeconfigError ? error.message : `kubeconfig ${kubeConfigFile}: ${(error as Error).message}`;
    throw new SettingValueError(`${path}.webhook.connectionInfo: ${why}`, { cause: error });
  }
}
