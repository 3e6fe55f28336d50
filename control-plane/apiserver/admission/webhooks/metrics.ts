/** What `/metrics` says of webhooks, with upstream's names and buckets (`apiserver/pkg/admission/metrics`). */
import type { Exposition } from '../../../../daemon/metrics/exposition.ts';
import { Counter, Histogram } from '../../../../daemon/metrics/series.ts';

const PREFIX = 'apiserver_admission_webhook';
const BUCKETS_SECONDS = [0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 25];
/** Upstream shows no others. */
const MAX_CODE = 600;

export type WebhookType = 'admit' | 'validating';

export class WebhookMetrics {
  readonly #durations = new Histogram(
    `${PREFIX}_admission_duration_seconds`,
    'Latency of admission webhooks in seconds.',
    BUCKETS_SECONDS,
    ['name', 'type', 'operation', 'rejected'],
  );
  readonly #requests = new Counter(`${PREFIX}_request_total`, 'Requests to admission webhooks.', [
    'name',
    'type',
    'operation',
    'code',
    'rejected',
  ]);
  readonly #rejections = new Counter(`${PREFIX}_rejection_count`, 'Requests rejected because of admission webhooks.', [
    'name',
    'type',
    'operation',
    'error_type',
    'rejection_code',
  ]);
  readonly #failedOpen = new Counter(`${PREFIX}_fail_open_count`, 'Failures of admission webhooks that were ignored.', [
    'name',
    'type',
  ]);

  called(name: string, type: WebhookType, operation: string, seconds: number, code: number, rejected: boolean): void {
    this.#durations.observe(seconds, name, type, operation, String(rejected));
    this.#requests.increase(name, type, operation, shown(code), String(rejected));
  }

  rejected(name: string, type: WebhookType, operation: string, errorType: RejectionType, code: number): void {
    this.#rejections.increase(name, type, operation, errorType, shown(code));
  }

  failedOpen(name: string, type: WebhookType): void {
    this.#failedOpen.increase(name, type);
  }

  readonly write = (to: Exposition): void => {
    this.#durations.write(to);
    this.#requests.write(to);
    this.#rejections.write(to);
    this.#failedOpen.write(to);
  };
}

export type RejectionType = 'calling_webhook_error' | 'apiserver_internal_error' | 'no_error';

const shown = (code: number): string => String(Math.min(code, MAX_CODE));
