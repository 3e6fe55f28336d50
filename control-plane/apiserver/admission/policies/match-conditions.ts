/** The conditions under which a webhook or policy is for a request: upstream's `webhook/matchconditions`. */
import { PolicyCompiler, type Compiled } from '../../../../api/kinds/admissionregistration/expressions.ts';
import { CostBudget, MATCH_CONDITIONS_BUDGET } from '../../../../api/machinery/cel/meter.ts';
import { forbidden } from '../../../../api/machinery/status-error.ts';
import type { MatchCondition } from '../../../../api/types/admissionregistration/v1.gen.ts';
import type { Authorizer } from '../../access/authorization/authorizer.ts';
import type { ConditionsOwner, MatchConditionMetrics } from '../metrics.ts';
import type { MatchConditions } from '../webhooks/dispatcher.ts';
import { Activation, authorizeFor, OutOfBudgetError, type Inputs } from './evaluation.ts';
import { evaluateDecided } from './pending-decision.ts';

export type CompiledConditions = readonly Compiled[];

/** @param params whether they may refer to `params` */
export function compileConditions(conditions: readonly MatchCondition[], params: boolean): CompiledConditions {
  if (conditions.length === 0) return [];
  const compiler = new PolicyCompiler({ params, composes: false });
  return conditions.map(({ expression }) => compiler.condition(expression));
}

/** `error`: no condition is unmet, but some cannot be evaluated. */
export type Match =
  { readonly matches: boolean; readonly error?: undefined } | { readonly matches: false; readonly error: string };

const NO_VARIABLES = new Map<string, Compiled>();

/** @param owner whose conditions they are, for the metrics */
export function evaluateConditions(
  conditions: CompiledConditions,
  inputs: Inputs,
  owner: ConditionsOwner,
  metrics: MatchConditionMetrics,
): Match {
  if (conditions.length === 0) return { matches: true };
  const startedAt = performance.now();
  const { match, failures } = evaluated(conditions, inputs);
  const seconds = (performance.now() - startedAt) / 1000;
  if (!match.matches) metrics.evaluated(owner, inputs.request.operation, seconds, failures);
  return match;
}

/** `failures`: how many conditions could not be evaluated. */
function evaluated(
  conditions: CompiledConditions,
  inputs: Inputs,
): { readonly match: Match; readonly failures: number } {
  const activation = new Activation({ ...inputs, namespace: undefined }, NO_VARIABLES);
  const budget = new CostBudget(MATCH_CONDITIONS_BUDGET);
  const errors = new Set<string>();
  let failures = 0;
  try {
    // All of them are evaluated: running out of budget counts more than a condition that is not met.
    const results = conditions.map((condition) => activation.evaluate(condition, budget));
    for (const { value, error } of results) {
      if (error !== undefined) {
        errors.add(error);
        failures++;
      } else if (value === false) return { match: { matches: false }, failures };
    }
  } catch (error) {
    if (!(error instanceof OutOfBudgetError)) throw error;
    return { match: { matches: false, error: error.message }, failures: 0 };
  }
  if (errors.size === 0) return { match: { matches: true }, failures };
  const told = [...errors].join(', ');
  return { match: { matches: false, error: errors.size === 1 ? told : `[${told}]` }, failures };
}

/** Evaluates the conditions of webhooks. Compiled ones are kept as long as their configuration is not replaced. */
export function webhookConditions(authorizer: Authorizer, metrics: MatchConditionMetrics): MatchConditions {
  const compiled = new WeakMap<readonly MatchCondition[], CompiledConditions>();
  return async ({ webhook, conditions, type }, request, asked) => {
    const known = compiled.get(conditions) ?? compileConditions(conditions, false);
    compiled.set(conditions, known);
    const inputs = {
      request,
      asked,
      params: undefined,
      namespace: undefined,
      authorizer: authorizeFor(authorizer, request.user),
    };
    const owner: ConditionsOwner = { name: webhook.name, kind: 'webhook', type };
    const { matches, error } = await evaluateDecided(() => evaluateConditions(known, inputs, owner, metrics));
    if (error !== undefined && webhook.failurePolicy !== 'Ignore') throw forbidden(request.kind, request.name, error);
    if (!matches) metrics.excluded(owner, request.operation);
    return matches;
  };
}
