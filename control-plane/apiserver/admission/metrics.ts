/** What `/metrics` says of admission, with upstream's names and buckets (`apiserver/pkg/admission/metrics`). */
import type { Exposition } from '../../../daemon/metrics/exposition.ts';
import { Counter, Histogram } from '../../../daemon/metrics/series.ts';
import type { AdmissionPlugin, AdmissionRequest, AdmissionStep, AdmissionTimings } from './plugin.ts';
import { MutatingPolicyMetrics, ValidatingPolicyMetrics } from './policies/metrics.ts';
import { WebhookMetrics } from './webhooks/metrics.ts';

const PREFIX = 'apiserver_admission';
const BUCKETS_SECONDS = [0.005, 0.025, 0.1, 0.5, 1, 2.5];
const CONDITION_BUCKETS_SECONDS = [0.001, 0.005, 0.01, 0.025, 0.1, 0.2, 0.25];
const CONDITION_LABELS = ['name', 'kind', 'type', 'operation'] as const;
const TYPES: Readonly<Record<AdmissionStep, string>> = { mutate: 'admit', validate: 'validate' };

/** Whose match conditions they are: its name, its kind (`webhook`, `policy`), and upstream's type (`admit`, `validating`, `validate`). */
export interface ConditionsOwner {
  readonly name: string;
  readonly kind: 'webhook' | 'policy';
  readonly type: 'admit' | 'validating' | 'validate';
}

export class MatchConditionMetrics {
  readonly #errors = new Counter(
    `${PREFIX}_match_condition_evaluation_errors_total`,
    'Match conditions that could not be evaluated.',
    CONDITION_LABELS,
  );
  readonly #exclusions = new Counter(
    `${PREFIX}_match_condition_exclusions_total`,
    'Requests that webhooks were not called for because of their match conditions.',
    CONDITION_LABELS,
  );
  readonly #durations = new Histogram(
    `${PREFIX}_match_condition_evaluation_seconds`,
    'How long match conditions that excluded a request or failed took to evaluate, in seconds.',
    CONDITION_BUCKETS_SECONDS,
    CONDITION_LABELS,
  );

  /** Of conditions that are not all met. @param errors how many of them could not be evaluated */
  evaluated({ name, kind, type }: ConditionsOwner, operation: string, seconds: number, errors: number): void {
    this.#durations.observe(seconds, name, kind, type, operation);
    for (let each = 0; each < errors; each++) this.#errors.increase(name, kind, type, operation);
  }

  excluded({ name, kind, type }: ConditionsOwner, operation: string): void {
    this.#exclusions.increase(name, kind, type, operation);
  }

  readonly write = (to: Exposition): void => {
    this.#errors.write(to);
    this.#exclusions.write(to);
    this.#durations.write(to);
  };
}

type Observe = (seconds: number) => void;
/** By operation. */
type Series = Map<string, Observe>;

export class AdmissionMetrics implements AdmissionTimings {
  readonly webhooks = new WebhookMetrics();
  readonly conditions = new MatchConditionMetrics();
  readonly validatingPolicies = new ValidatingPolicyMetrics();
  readonly mutatingPolicies = new MutatingPolicyMetrics();
  readonly #steps = new Histogram(
    `${PREFIX}_step_admission_duration_seconds`,
    'Latency of all admission plugins together in seconds.',
    BUCKETS_SECONDS,
    ['type', 'operation', 'rejected'],
  );
  readonly #controllers = new Histogram(
    `${PREFIX}_controller_admission_duration_seconds`,
    'Latency of admission plugins in seconds.',
    BUCKETS_SECONDS,
    ['name', 'type', 'operation', 'rejected'],
  );
  /** Of requests that were not rejected: every write passes all plugins. */
  readonly #passed: Readonly<Record<AdmissionStep, Map<AdmissionPlugin, Series>>> = {
    mutate: new Map(),
    validate: new Map(),
  };

  step(step: AdmissionStep, { operation }: AdmissionRequest, seconds: number, rejected: boolean): void {
    this.#steps.observe(seconds, TYPES[step], operation, String(rejected));
  }

  plugin(
    plugin: AdmissionPlugin,
    step: AdmissionStep,
    { operation }: AdmissionRequest,
    seconds: number,
    rejected: boolean,
  ): void {
    if (rejected) this.#controllers.observe(seconds, plugin.name, TYPES[step], operation, 'true');
    else this.#passedSeries(plugin, step, operation)(seconds);
  }

  #passedSeries(plugin: AdmissionPlugin, step: AdmissionStep, operation: string): Observe {
    let ofPlugin = this.#passed[step].get(plugin);
    if (!ofPlugin) this.#passed[step].set(plugin, (ofPlugin = new Map<string, Observe>()));
    let observe = ofPlugin.get(operation);
    if (!observe) {
      observe = this.#controllers.series(plugin.name, TYPES[step], operation, 'false');
      ofPlugin.set(operation, observe);
    }
    return observe;
  }

  readonly write = (to: Exposition): void => {
    this.#steps.write(to);
    this.#controllers.write(to);
    this.webhooks.write(to);
    this.conditions.write(to);
    this.validatingPolicies.write(to);
    this.mutatingPolicies.write(to);
  };
}
