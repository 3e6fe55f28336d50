/** Calls of webhooks, and what becomes of their failures: what mutating and validating webhooks have in common. */
import { randomUUID } from 'node:crypto';
import { mutatingWebhookConfigurations } from '../../../../api/kinds/admissionregistration/mutating-webhook-configuration.ts';
import { validatingWebhookConfigurations } from '../../../../api/kinds/admissionregistration/validating-webhook-configuration.ts';
import { compareText } from '../../../../api/machinery/compare-text.ts';
import type { Kind, KubeObject } from '../../../../api/machinery/kind.ts';
import { badRequest, internalError, StatusError, timeout } from '../../../../api/machinery/status-error.ts';
import type {
  MatchCondition,
  MutatingWebhook,
  ValidatingWebhook,
} from '../../../../api/types/admissionregistration/v1.gen.ts';
import type { Logger } from '../../../../client/logger.ts';
import { spanning, type Span } from '../../../../daemon/tracing/span.ts';
import { Outage } from '../../../../client/outage.ts';
import type { LocalApi } from '../../catalogue/local-api.ts';
import type { ServedKinds } from '../../catalogue/served-kinds.ts';
import type { VersionedRequest } from '../mutated-object.ts';
import type { AdmissionRequest } from '../plugin.ts';
import { compileMatch, Matcher, type ResourceMatch } from './matching.ts';
import type { RejectionType, WebhookMetrics, WebhookType } from './metrics.ts';
import { refusal, ReviewedRequest, reviewVersion, verifyReview, type ReviewResponse } from './review.ts';
import { WebhookCallError, type WebhookClient } from './webhook-client.ts';

const DEFAULT_TIMEOUT_SECONDS = 10;
const CALL_SPANS: Readonly<Record<WebhookType, string>> = {
  admit: 'Call mutating webhook',
  validating: 'Call validating webhook',
};

/** The conditions of a webhook, which has some. */
export interface ConditionedHook {
  readonly webhook: Pick<ValidatingWebhook, 'name' | 'failurePolicy'>;
  readonly conditions: readonly MatchCondition[];
  readonly type: WebhookType;
}

/** Whether all conditions hold, in CEL. Rejects with a StatusError when one cannot be evaluated and the policy is to fail. */
export type MatchConditions = (
  hook: ConditionedHook,
  request: AdmissionRequest,
  asked: VersionedRequest,
) => boolean | Promise<boolean>;

export interface WebhookOptions {
  readonly api: Pick<LocalApi, 'get' | 'subscribe'>;
  readonly kinds: ServedKinds;
  readonly client: WebhookClient;
  readonly metrics: WebhookMetrics;
  readonly logger: Logger;
  readonly matchConditions: MatchConditions;
}

/** One webhook of a configuration. */
export interface Hook<W extends ValidatingWebhook | MutatingWebhook> {
  readonly configuration: string;
  readonly webhook: W;
  readonly match: ResourceMatch;
}

/** A webhook and the form of the request that it is to see. */
export interface Invocation<W extends ValidatingWebhook | MutatingWebhook> {
  readonly hook: Hook<W>;
  readonly kind: Kind;
}

interface Configuration<W> extends KubeObject {
  webhooks?: W[];
}

/** The webhooks of all configurations, by the names of these. Empty, a request pays nothing for them. */
export class HookList<W extends ValidatingWebhook | MutatingWebhook> {
  readonly #byName = new Map<string, readonly Hook<W>[]>();
  #ordered: readonly Hook<W>[] = [];

  constructor(api: Pick<LocalApi, 'subscribe'>, kind: Kind<Configuration<W>>) {
    api.subscribe(kind, ({ name, object }) => {
      if (object) this.#byName.set(name, hooksOf(name, object.webhooks ?? []));
      else this.#byName.delete(name);
      const names = [...this.#byName.keys()].sort(compareText);
      this.#ordered = names.flatMap((known) => this.#byName.get(known) ?? []);
    });
  }

  get all(): readonly Hook<W>[] {
    return this.#ordered;
  }
}

const hooksOf = <W extends ValidatingWebhook | MutatingWebhook>(
  configuration: string,
  webhooks: readonly W[],
): Hook<W>[] =>
  webhooks.map((webhook) => ({
    configuration,
    webhook,
    match: compileMatch({ ...webhook, rules: webhook.rules ?? [] }),
  }));

export const mutatingHooks = (api: Pick<LocalApi, 'subscribe'>): HookList<MutatingWebhook> =>
  new HookList(api, mutatingWebhookConfigurations);
export const validatingHooks = (api: Pick<LocalApi, 'subscribe'>): HookList<ValidatingWebhook> =>
  new HookList(api, validatingWebhookConfigurations);

export class Dispatcher {
  readonly type: WebhookType;
  readonly #options: WebhookOptions;
  readonly #matcher: Matcher;
  /** By webhook, as its configuration has it: one that is down fails for every request, and its log must not fill the disk. */
  readonly #outages = new WeakMap<object, Outage>();

  constructor(type: WebhookType, options: WebhookOptions) {
    this.type = type;
    this.#options = options;
    this.#matcher = new Matcher(options.api, options.kinds);
  }

  /** Undefined when the webhook is not to be called. Rejects with a StatusError. */
  async invocation<W extends ValidatingWebhook | MutatingWebhook>(
    hook: Hook<W>,
    reviewed: ReviewedRequest,
  ): Promise<Invocation<W> | undefined> {
    const { request } = reviewed;
    const kind = this.#matcher.match(hook.match, request);
    if (!kind) return undefined;
    const { webhook } = hook;
    const { matchConditions: conditions = [] } = webhook;
    if (conditions.length > 0) {
      const { matchConditions: areMet } = this.#options;
      const asked = await reviewed.in(kind);
      if (!(await areMet({ webhook, conditions, type: this.type }, request, asked))) return undefined;
    }
    return { hook, kind };
  }

  /**
   * Calls a webhook and hands its answer to `take`. Returns undefined when it fails and its policy is to ignore that.
   * Throws a StatusError: the webhook's refusal, or a 500 for a failure.
   */
  async call<W extends ValidatingWebhook | MutatingWebhook, T>(
    { hook, kind }: Invocation<W>,
    reviewed: ReviewedRequest,
    failedOpenKey: string,
    take: (response: ReviewResponse, asked: VersionedRequest) => T | Promise<T>,
  ): Promise<T | undefined> {
    const { webhook } = hook;
    const { operation, origin } = reviewed.request;
    const { metrics } = this.#options;
    const startedAt = performance.now();
    const done = (code: number, rejected: boolean, why?: RejectionType): void => {
      const seconds = (performance.now() - startedAt) / 1000;
      metrics.called(webhook.name, this.type, operation, seconds, code, rejected);
      if (why) metrics.rejected(webhook.name, this.type, operation, why, code);
    };
    try {
      const asked = await reviewed.in(kind);
      const response = await this.#review(webhook, reviewed, asked);
      this.#outages.get(webhook)?.ended({ webhook: webhook.name }, 'webhook answers again');
      if (!response.allowed) throw refusal(webhook.name, response.result);
      const taken = await take(response, asked);
      done(200, false);
      return taken;
    } catch (error) {
      if (origin?.gone.aborted) throw timeout('request did not complete within requested timeout', 0);
      if (!(error instanceof WebhookCallError)) {
        const code = error instanceof StatusError ? error.code : 0;
        done(code, true, code === 0 ? 'apiserver_internal_error' : 'no_error');
        throw error;
      }
      const ignored = webhook.failurePolicy === 'Ignore';
      done(error.code || 503, !ignored, ignored ? undefined : 'calling_webhook_error');
      this.#outage(webhook).failed(error, { webhook: webhook.name, ignored }, 'failed to call webhook');
      if (!ignored) throw internalError(error.message);
      metrics.failedOpen(webhook.name, this.type);
      origin?.annotate(failedOpenKey, webhook.name);
      return undefined;
    }
  }

  #outage(webhook: object): Outage {
    let outage = this.#outages.get(webhook);
    if (!outage) this.#outages.set(webhook, (outage = new Outage(this.#options)));
    return outage;
  }

  async #review(
    webhook: ValidatingWebhook | MutatingWebhook,
    reviewed: ReviewedRequest,
    asked: VersionedRequest,
  ): Promise<ReviewResponse> {
    const { name, sideEffects, clientConfig, timeoutSeconds = DEFAULT_TIMEOUT_SECONDS } = webhook;
    const { dryRun, operation, origin, warn, letOthersWrite } = reviewed.request;
    if (dryRun && sideEffects !== 'None' && sideEffects !== 'NoneOnDryRun')
      throw badRequest(`admission webhook ${JSON.stringify(name)} does not support dry run`);
    const version = reviewVersion(webhook.admissionReviewVersions);
    if (version === undefined)
      throw failed(
        name,
        'could not create admission objects: webhook does not accept known AdmissionReview versions (v1, v1beta1)',
      );
    const uid = randomUUID();
    const review = reviewed.review(uid, version, asked);
    let answer: unknown;
    letOthersWrite?.();
    const call = (span: Span | undefined): Promise<unknown> => {
      span?.set('webhook', name).set('operation', operation).set('UID', uid);
      const { gone: signal } = origin ?? {};
      const limitMs = timeoutSeconds * 1000;
      return this.#options.client.call(clientConfig, review, { limitMs, signal, traceparent: span?.traceparent });
    };
    try {
      const calling = spanning(origin?.span, CALL_SPANS[this.type], call, 'client');
      answer = await (origin?.awaited.during(calling) ?? calling);
    } catch (error) {
      if (!(error instanceof WebhookCallError)) throw error;
      throw failed(name, `failed to call webhook: ${error.message}`, error);
    }
    let response: ReviewResponse;
    try {
      response = verifyReview(answer, uid, version, this.type === 'admit');
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw failed(name, `received invalid webhook response: ${why}`);
    }
    for (const [key, value] of response.auditAnnotations) origin?.annotate(`${name}/${key}`, value);
    for (const warning of response.warnings) warn(warning);
    return response;
  }
}

/** In upstream's words: `failed calling webhook "x": failed to call webhook: WHY`. */
export const failed = (webhook: string, why: string, cause?: WebhookCallError): WebhookCallError =>
  new WebhookCallError(`failed calling webhook ${JSON.stringify(webhook)}: ${why}`, cause?.code ?? 0, { cause });
