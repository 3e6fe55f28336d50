/** The conditions under which a webhook or policy is for a request: upstream's `webhook/matchconditions`. */
import { PolicyCompiler, type Compiled } from '../../../../api/kinds/admissionregistration/expressions.ts';
import { CostBudget, MATCH_CONDITIONS_BUDGET } from '../../../../api/machinery/cel/meter.ts';
import { forbidden } from '../../../../api/machinery/status-error.ts';
import type { MatchCondition } from '../../../../api/types/admissionregistration/v1.gen.ts';
import type { Authorizer } from '../../access/authorization/authorizer.ts';
import type { MatchConditions } from '../webhooks/dispatcher.ts';
import { Activation, authorizeFor, OutOfBudgetError, type Inputs } from './evaluation.ts';

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

export function evaluateConditions(conditions: CompiledConditions, inputs: Inputs): Match {
  if (conditions.length === 0) return { matches: true };
  const activation = new Activation({ ...inputs, namespace: undefined }, NO_VARIABLES);
  const budget = new CostBudget(MATCH_CONDITIONS_BUDGET);
  const errors = new Set<string>();
  try {
    // All of them are evaluated: running out of budget counts more than a condition that is not met.
    const results = conditions.map((condition) => activation.evaluate(condition, budget));
    for (const { value, error } of results) {
      if (error !== undefined) errors.add(error);
      else if (value === false) return { matches: false };
    }
  } catch (error) {
    if (!(error instanceof OutOfBudgetError)) throw error;
    return { matches: false, error: error.message };
  }
  if (errors.size === 0) return { matches: true };
  const told = [...errors].join(', ');
  return { matches: false, error: errors.size === 1 ? told : `[${told}]` };
}

/** Evaluates the conditions of webhooks. Compiled ones are kept as long as their configuration is not replaced. */
export function webhookConditions(authorizer: Authorizer): MatchConditions {
  const compiled = new WeakMap<readonly MatchCondition[], CompiledConditions>();
  return (conditions, failurePolicy, request, asked) => {
    const known = compiled.get(conditions) ?? compileConditions(conditions, false);
    compiled.set(conditions, known);
    const { matches, error } = evaluateConditions(known, {
      request,
      asked,
      params: undefined,
      namespace: undefined,
      authorizer: authorizeFor(authorizer, request.user),
    });
    if (error !== undefined && failurePolicy !== 'Ignore') throw forbidden(request.kind, request.name, error);
    return matches;
  };
}
