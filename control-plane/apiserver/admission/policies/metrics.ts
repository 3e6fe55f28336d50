/** What `/metrics` says of admission policies, with upstream's names and buckets (`policy/validating/metrics` and `policy/mutating/metrics`). */
import type { Exposition } from '../../../../daemon/metrics/exposition.ts';
import { Counter, Histogram } from '../../../../daemon/metrics/series.ts';

const BUCKETS_SECONDS = [0.0000005, 0.001, 0.01, 0.1, 1];
const LABELS = ['policy', 'policy_binding', 'error_type'] as const;

export type ErrorType = 'compile_error' | 'invalid_error' | 'out_of_budget' | 'no_error';

/** As upstream, by how the message begins: what is denied without an error is an `invalid_error`. */
export function errorTypeOf(message: string): ErrorType {
  if (message.startsWith('compilation')) return 'compile_error';
  if (message.startsWith('validation failed due to running out of cost budget')) return 'out_of_budget';
  return 'invalid_error';
}

/** `audit` and `warn` do not decide. */
export type Enforcement = 'allow' | 'deny' | 'audit' | 'warn';

export class ValidatingPolicyMetrics {
  readonly #checks = new Counter(
    'apiserver_validating_admission_policy_check_total',
    'Violations of validating policies, and failures that they ignore.',
    [...LABELS, 'enforcement_action'],
  );
  readonly #durations = new Histogram(
    'apiserver_validating_admission_policy_check_duration_seconds',
    'Latency of the violated expressions of validating policies in seconds.',
    BUCKETS_SECONDS,
    [...LABELS, 'enforcement_action'],
  );

  checked(policy: string, binding: string, message: string, action: Enforcement, seconds: number): void {
    const labels = [policy, binding, errorTypeOf(message), action];
    this.#checks.increase(...labels);
    this.#durations.observe(seconds, ...labels);
  }

  readonly write = (to: Exposition): void => {
    this.#checks.write(to);
    this.#durations.write(to);
  };
}

export class MutatingPolicyMetrics {
  readonly #checks = new Counter(
    'apiserver_mutating_admission_policy_check_total',
    'Mutations of mutating policies.',
    LABELS,
  );
  readonly #durations = new Histogram(
    'apiserver_mutating_admission_policy_check_duration_seconds',
    'Latency of the mutations of mutating policies in seconds.',
    BUCKETS_SECONDS,
    LABELS,
  );

  /** @param message why it has failed; undefined when it has not */
  mutated(policy: string, binding: string, message: string | undefined, seconds: number): void {
    const labels = [policy, binding, message === undefined ? 'no_error' : errorTypeOf(message)];
    this.#checks.increase(...labels);
    this.#durations.observe(seconds, ...labels);
  }

  readonly write = (to: Exposition): void => {
    this.#checks.write(to);
    this.#durations.write(to);
  };
}
