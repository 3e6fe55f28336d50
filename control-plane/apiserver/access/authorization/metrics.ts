/** Upstream's metrics of authorization, under its names. */
import { hash } from 'node:crypto';
import { hostname } from 'node:os';
import type { Exposition } from '../../../../daemon/metrics/exposition.ts';
import { Counter, Histogram } from '../../../../daemon/metrics/series.ts';

export type WebhookResult = 'success' | 'timeout' | 'error';

/** How often one authorizer has decided. Plain numbers, since each request counts. */
export interface DecisionCounts {
  allowed: number;
  denied: number;
}

const PREFIX = 'apiserver_authorization';
const RELOADS = 'apiserver_authorization_config_controller';
const WEBHOOK_LABELS = ['name', 'result'];
const CONDITION_LABELS = ['type', 'name'];
const WEBHOOK = 'Webhook';
const DURATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const CONDITION_BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.1, 0.2, 0.25];

const hashed = (text: string): string => `sha256:${hash('sha256', text)}`;

export class AuthorizationMetrics {
  readonly #decisions = new Map<string, { type: string; name: string; counts: DecisionCounts }>();
  readonly #evaluations = new Counter(
    `${PREFIX}_webhook_evaluations_total`,
    'Round-trips to authorization webhooks.',
    WEBHOOK_LABELS,
  );
  readonly #durations = new Histogram(
    `${PREFIX}_webhook_duration_seconds`,
    'Request latency in seconds.',
    DURATION_BUCKETS,
    WEBHOOK_LABELS,
  );
  readonly #failedOpen = new Counter(
    `${PREFIX}_webhook_evaluations_fail_open_total`,
    'NoOpinion results due to webhook timeout or error.',
    WEBHOOK_LABELS,
  );
  readonly #conditionErrors = new Counter(
    `${PREFIX}_match_condition_evaluation_errors_total`,
    'Total number of errors when an authorization webhook encounters a match condition error split by authorizer type and name.',
    CONDITION_LABELS,
  );
  readonly #exclusions = new Counter(
    `${PREFIX}_match_condition_exclusions_total`,
    'Total number of exclusions when an authorization webhook is skipped because match conditions exclude it.',
    CONDITION_LABELS,
  );
  readonly #conditionSeconds = new Histogram(
    `${PREFIX}_match_condition_evaluation_seconds`,
    'Authorization match condition evaluation time in seconds, split by authorizer type and name.',
    CONDITION_BUCKETS,
    CONDITION_LABELS,
  );
  readonly #reloads = new Counter(
    `${RELOADS}_automatic_reloads_total`,
    'Total number of automatic reloads of authorization configuration split by status and apiserver identity.',
    ['status', 'apiserver_id_hash'],
  );
  readonly #server = hashed(hostname());
  readonly #reloadedAt = new Map<string, number>();
  #configuration: string | undefined;

  /** Those of an authorizer, which go on counting after a reload. */
  countsOf(type: string, name: string): DecisionCounts {
    const key = JSON.stringify([type, name]);
    const known = this.#decisions.get(key);
    if (known) return known.counts;
    const counts = { allowed: 0, denied: 0 };
    this.#decisions.set(key, { type, name, counts });
    return counts;
  }

  webhookCalled(name: string, result: WebhookResult, seconds: number): void {
    this.#evaluations.increase(name, result);
    this.#durations.observe(seconds, name, result);
  }

  webhookFailedOpen(name: string, result: WebhookResult): void {
    this.#failedOpen.increase(name, result);
  }

  conditionsEvaluated(name: string, seconds: number, hasFailed: boolean): void {
    this.#conditionSeconds.observe(seconds, WEBHOOK, name);
    if (hasFailed) this.#conditionErrors.increase(WEBHOOK, name);
  }

  conditionsExcluded(name: string): void {
    this.#exclusions.increase(WEBHOOK, name);
  }

  /** @param text of the configuration that is in use from now on */
  configured(text: string): void {
    this.#configuration = hashed(text);
  }

  reloaded(status: 'success' | 'failure'): void {
    this.#reloads.increase(status, this.#server);
    this.#reloadedAt.set(status, Date.now() / 1000);
  }

  readonly write = (to: Exposition): void => {
    const decisions = `${PREFIX}_decisions_total`;
    to.family(
      decisions,
      'counter',
      'Total number of terminal decisions made by an authorizer split by authorizer type, name, and decision.',
    );
    for (const { type, name, counts } of this.#decisions.values()) {
      to.sample(decisions, { type, name, decision: 'allowed' }, counts.allowed);
      to.sample(decisions, { type, name, decision: 'denied' }, counts.denied);
    }
    this.#evaluations.write(to);
    this.#durations.write(to);
    this.#failedOpen.write(to);
    this.#conditionErrors.write(to);
    this.#exclusions.write(to);
    this.#conditionSeconds.write(to);
    this.#reloads.write(to);
    this.#writeReloads(to);
  };

  #writeReloads(to: Exposition): void {
    const at = `${RELOADS}_automatic_reload_last_timestamp_seconds`;
    to.family(
      at,
      'gauge',
      'Timestamp of the last automatic reload of authorization configuration split by status and apiserver identity.',
    );
    for (const [status, seconds] of this.#reloadedAt)
      to.sample(at, { status, apiserver_id_hash: this.#server }, seconds);
    if (this.#configuration === undefined) return;
    const info = `${RELOADS}_last_config_info`;
    to.family(info, 'gauge', 'Information about the last applied authorization configuration with hash as label.');
    to.sample(info, { apiserver_id_hash: this.#server, hash: this.#configuration }, 1);
  }
}
