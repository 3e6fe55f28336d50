/** Asks a webhook what a user may do: https://kubernetes.io/docs/reference/access-authn-authz/webhook/ */
import { setTimeout as delay } from 'node:timers/promises';
import { DeadlineError, withDeadline } from '../../../../../client/deadline.ts';
import type { Logger } from '../../../../../client/logger.ts';
import { Outage } from '../../../../../client/outage.ts';
import { WebhookStatusError, type KubeconfigWebhook } from '../../../http/kubeconfig-webhook.ts';
import type { User } from '../../../http/user.ts';
import { RecentAnswers } from '../../recent-answers.ts';
import {
  NO_OPINION,
  type Attributes,
  type Authorizer,
  type Decision,
  type ResolvedRules,
  type RuleResolver,
} from '../authorizer.ts';
import type { AuthorizationMetrics, WebhookResult } from '../metrics.ts';
import type { MatchConditions } from './match-conditions.ts';
import { readAnswer, reviewSpec, reviewText, type Answer, type ReviewVersion } from './review.ts';

/** Upstream's `DefaultAuthWebhookRetryBackoff`: attempts, and how long the first of them waits for the next. */
const ATTEMPTS = 5;
const FIRST_BACKOFF_MS = 500;
const BACKOFF_FACTOR = 1.5;
/** Another attempt may help against these. */
const RETRIED_STATUSES: ReadonlySet<number> = new Set([429, 500]);
const RETRIED_CODES: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE']);
const GATEWAY_TIMEOUT = 504;

const UNLISTED_RULES: ResolvedRules = {
  rules: [],
  errors: ['webhook authorizer does not support user rule resolution'],
};

export interface WebhookAuthorizerOptions {
  /** By which configuration, metrics and messages know it. */
  readonly name: string;
  readonly webhook: Pick<KubeconfigWebhook, 'post'>;
  readonly version: ReviewVersion;
  /** For all attempts together. */
  readonly timeoutMs: number;
  /** How long an answer is good that allows, or does not; 0: it is not kept. */
  readonly authorizedTtlMs: number;
  readonly unauthorizedTtlMs: number;
  /** Whether nobody is asked further when the webhook does not answer. */
  readonly deniesOnFailure: boolean;
  /** Absent: it is asked about everything. */
  readonly conditions?: MatchConditions | undefined;
  readonly metrics: AuthorizationMetrics;
  readonly logger: Logger;
  readonly now?: () => number;
}

export class WebhookAuthorizer implements Authorizer, RuleResolver {
  readonly #options: WebhookAuthorizerOptions;
  readonly #outage: Outage;
  readonly #now: () => number;
  readonly #answers: RecentAnswers<Answer>;

  constructor(options: WebhookAuthorizerOptions) {
    this.#options = options;
    this.#outage = new Outage({ logger: options.logger, level: 'error' });
    this.#now = options.now ?? (() => performance.now());
    this.#answers = new RecentAnswers(Infinity, this.#now);
  }

  authorize(user: User, attributes: Attributes): Decision | Promise<Decision> {
    const { conditions, metrics, name, authorizedTtlMs, unauthorizedTtlMs } = this.#options;
    const spec = reviewSpec(user, attributes);
    if (conditions) {
      const startedAt = performance.now();
      const { matches, error } = conditions.evaluate(spec);
      metrics.conditionsEvaluated(name, (performance.now() - startedAt) / 1000, error !== undefined);
      if (error !== undefined) return this.#failure(`cannot evaluate its match conditions: ${error}`);
      if (!matches) {
        metrics.conditionsExcluded(name);
        return NO_OPINION;
      }
    }
    const ttlOf = ({ allowed }: Answer): number => this.#now() + (allowed ? authorizedTtlMs : unauthorizedTtlMs);
    const answer = this.#answers.get(JSON.stringify(spec), () => this.#ask(spec), ttlOf);
    return answer instanceof Promise
      ? answer.then(decisionOf, (error: unknown) => this.#failed(error))
      : decisionOf(answer);
  }

  rulesFor(): ResolvedRules {
    return UNLISTED_RULES;
  }

  #ask(spec: Parameters<typeof reviewText>[1]): Promise<Answer> {
    const { name, timeoutMs: limitMs, version } = this.#options;
    const json = reviewText(version, spec);
    return withDeadline({ what: `asking authorization webhook ${name}`, limitMs }, async (signal) => {
      let backoffMs = FIRST_BACKOFF_MS;
      for (let attempt = 1; ; attempt++) {
        try {
          const answer = await this.#attempt(json, signal);
          this.#outage.ended({ webhook: name }, 'authorization webhook answers again');
          return answer;
        } catch (error) {
          if (attempt === ATTEMPTS || signal.aborted || !isRetried(error)) throw error;
        }
        await delay(backoffMs, undefined, { signal });
        backoffMs *= BACKOFF_FACTOR;
      }
    });
  }

  async #attempt(json: string, signal: AbortSignal): Promise<Answer> {
    const { name, webhook, timeoutMs, version, metrics } = this.#options;
    const startedAt = performance.now();
    let result: WebhookResult = 'error';
    try {
      const answer = readAnswer(version, await webhook.post(json, timeoutMs, signal));
      result = 'success';
      return answer;
    } catch (error) {
      if (isTimeout(error)) result = 'timeout';
      throw error;
    } finally {
      metrics.webhookCalled(name, result, (performance.now() - startedAt) / 1000);
    }
  }

  #failed(error: unknown): Decision {
    const { name, deniesOnFailure, metrics } = this.#options;
    this.#outage.failed(error, { webhook: name }, 'authorization webhook does not answer');
    if (!deniesOnFailure) metrics.webhookFailedOpen(name, isTimeout(error) ? 'timeout' : 'error');
    // Where it is, and what it has said, is for the log.
    return this.#failure(isTimeout(error) ? 'has not answered in time' : 'has not answered as it should');
  }

  #failure(why: string): Decision {
    const { name, deniesOnFailure } = this.#options;
    const error = `authorization webhook ${JSON.stringify(name)} ${why}`;
    return { allowed: false, ...(deniesOnFailure && { denied: true }), reason: '', error };
  }
}

function decisionOf({ allowed, denied, reason }: Answer): Decision {
  if (!denied) return { allowed, reason };
  if (!allowed) return { allowed: false, denied: true, reason };
  return {
    allowed: false,
    denied: true,
    reason,
    error: 'webhook subject access review returned both allow and deny response',
  };
}

const isTimeout = (error: unknown): boolean =>
  error instanceof DeadlineError || (error instanceof WebhookStatusError && error.code === GATEWAY_TIMEOUT);

function isRetried(error: unknown): boolean {
  if (error instanceof WebhookStatusError) return RETRIED_STATUSES.has(error.code);
  return error instanceof Error && 'code' in error && RETRIED_CODES.has(String(error.code));
}
