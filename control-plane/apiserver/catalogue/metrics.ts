/**
 * What `/metrics` says of custom resources, with upstream's names and buckets: the rules in CEL (`apiserver/pkg/cel/metrics`) and conversion
 * by webhooks (`apiextensions-apiserver/pkg/apiserver/conversion/metrics.go`).
 */
import type { RuleTimings } from '../../../api/machinery/cel/schema-rules.ts';
import type { Exposition } from '../../../daemon/metrics/exposition.ts';
import { Counter, Histogram } from '../../../daemon/metrics/series.ts';

/** Those of Prometheus' clients. */
const DEFAULT_BUCKETS_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const CONVERSION_BUCKETS_SECONDS = Array.from({ length: 15 }, (_, exponent) => 0.001 * 2 ** exponent);
const CALL_BUCKETS_SECONDS = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 45, 60];
const CALL_LABELS = ['result', 'failure_type'] as const;

export type ConversionFailure =
  | 'conversion_webhook_call_failure'
  | 'conversion_webhook_malformed_response_failure'
  | 'conversion_webhook_partial_response_failure'
  | 'conversion_webhook_invalid_converted_object_failure';

export class CustomResourceMetrics implements RuleTimings {
  readonly #compilations = new Histogram(
    'apiserver_cel_compilation_duration_seconds',
    'Compilation of the rules of a schema in seconds.',
    DEFAULT_BUCKETS_SECONDS,
  );
  readonly #evaluations = new Histogram(
    'apiserver_cel_evaluation_duration_seconds',
    'Evaluation of all rules for an object in seconds.',
    DEFAULT_BUCKETS_SECONDS,
  );
  readonly #conversions = new Histogram(
    'apiserver_crd_conversion_webhook_duration_seconds',
    'Conversion of custom resources by webhooks in seconds.',
    CONVERSION_BUCKETS_SECONDS,
    ['crd_name', 'from_version', 'to_version', 'succeeded'],
  );
  readonly #calls = new Counter(
    'apiserver_conversion_webhook_request_total',
    'Requests to conversion webhooks.',
    CALL_LABELS,
  );
  readonly #callDurations = new Histogram(
    'apiserver_conversion_webhook_duration_seconds',
    'Latency of conversion webhooks in seconds.',
    CALL_BUCKETS_SECONDS,
    CALL_LABELS,
  );

  compiled(seconds: number): void {
    this.#compilations.observe(seconds);
  }

  evaluated(seconds: number): void {
    this.#evaluations.observe(seconds);
  }

  converted(definition: string, from: string, to: string, succeeded: boolean, seconds: number): void {
    this.#conversions.observe(seconds, definition, from, to, String(succeeded));
  }

  /** @param failure undefined when the webhook has converted what it was asked to */
  called(failure: ConversionFailure | undefined, seconds: number): void {
    const labels = [failure ? 'failure' : 'success', failure ?? ''];
    this.#calls.increase(...labels);
    this.#callDurations.observe(seconds, ...labels);
  }

  readonly write = (to: Exposition): void => {
    this.#compilations.write(to);
    this.#evaluations.write(to);
    this.#conversions.write(to);
    this.#calls.write(to);
    this.#callDurations.write(to);
  };
}
