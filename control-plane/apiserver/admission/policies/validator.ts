/** What a ValidatingAdmissionPolicy says about a request: upstream's `validator.Validate`. Decides; the plugin enforces. */
import { PolicyCompiler, type Compiled } from '../../../../api/kinds/admissionregistration/expressions.ts';
import { CostBudget } from '../../../../api/machinery/cel/meter.ts';
import type {
  AuditAnnotation,
  ValidatingAdmissionPolicy,
  Validation,
} from '../../../../api/types/admissionregistration/v1.gen.ts';
import { Activation, OutOfBudgetError, type ComposedVariables, type Inputs, type Result } from './evaluation.ts';
import { compileConditions, evaluateConditions, type CompiledConditions } from './match-conditions.ts';
import type { MatchConditionMetrics } from '../metrics.ts';
import { evaluateDecided } from './pending-decision.ts';
import type { Turn } from './turn.ts';

const MAX_MESSAGE_BYTES = 5 * 1024;

/** What is wrong, and how long its expression has taken. */
export interface Timed {
  readonly message: string;
  readonly seconds: number;
}

export interface Decision extends Timed {
  /** The place of the expression in `spec.validations`; 0 for what concerns all. */
  readonly index: number;
  /** A failure that the policy ignores is admitted. */
  readonly denied: boolean;
  readonly reason: string | undefined;
}

export interface Verdict {
  /** Not of validations that are met. */
  readonly decisions: readonly Decision[];
  /** Key and value. */
  readonly annotations: readonly (readonly [string, string])[];
  /** Of audit annotations: they deny the request, whatever the binding's actions are. */
  readonly annotationErrors: readonly Timed[];
}

interface CompiledValidation {
  readonly validation: Validation;
  readonly expression: Compiled;
  readonly message: Compiled | undefined;
}

interface CompiledAnnotation {
  readonly annotation: AuditAnnotation;
  readonly value: Compiled;
}

export interface CompiledValidatingPolicy {
  readonly ignoresFailures: boolean;
  readonly variables: ComposedVariables;
  readonly conditions: CompiledConditions;
  readonly validations: readonly CompiledValidation[];
  readonly annotations: readonly CompiledAnnotation[];
}

export function compileValidatingPolicy({ spec = {} }: ValidatingAdmissionPolicy): CompiledValidatingPolicy {
  const { failurePolicy, paramKind, variables = [], validations = [], auditAnnotations = [] } = spec;
  const params = paramKind !== undefined;
  const compiler = new PolicyCompiler({ params, composes: true });
  return {
    ignoresFailures: failurePolicy === 'Ignore',
    variables: new Map(variables.map(({ name, expression }) => [name, compiler.variable(name, expression)])),
    conditions: compileConditions(spec.matchConditions ?? [], params),
    validations: validations.map((validation) => ({
      validation,
      expression: compiler.validation(validation.expression),
      message: validation.messageExpression ? compiler.message(validation.messageExpression) : undefined,
    })),
    annotations: auditAnnotations.map((annotation) => ({
      annotation,
      value: compiler.annotation(annotation.valueExpression),
    })),
  };
}

const NOTHING: Verdict = { decisions: [], annotations: [], annotationErrors: [] };

/** @param inputs with the authorizer */
export const evaluatePolicy = (
  name: string,
  policy: CompiledValidatingPolicy,
  inputs: Inputs,
  turn: Turn,
  metrics: MatchConditionMetrics,
): Promise<Verdict> => evaluateDecided(() => verdictOf(name, policy, inputs, turn, metrics));

async function verdictOf(
  name: string,
  policy: CompiledValidatingPolicy,
  inputs: Inputs,
  turn: Turn,
  metrics: MatchConditionMetrics,
): Promise<Verdict> {
  const failed = (message: string): Verdict => ({ ...NOTHING, decisions: [failure(policy, { message, seconds: 0 })] });
  const { matches, error } = evaluateConditions(
    policy.conditions,
    inputs,
    { name, kind: 'policy', type: 'validate' },
    metrics,
  );
  if (error !== undefined) return policy.ignoresFailures ? NOTHING : failed(error);
  if (!matches) return NOTHING;
  try {
    const decisions = await decisionsOf(policy, inputs, turn);
    return { decisions, ...(await annotationsOf(policy, inputs, turn)) };
  } catch (error) {
    if (error instanceof OutOfBudgetError) return failed(error.message);
    throw error;
  }
}

const failure = ({ ignoresFailures }: CompiledValidatingPolicy, what: Timed, index = 0): Decision => ({
  ...what,
  index,
  denied: !ignoresFailures,
  reason: undefined,
});

/** As upstream has it, messages and annotations do not know the authorizer. */
const withoutAuthorizer = (inputs: Inputs): Inputs => ({ ...inputs, authorizer: undefined });

async function decisionsOf(policy: CompiledValidatingPolicy, inputs: Inputs, turn: Turn): Promise<Decision[]> {
  const budget = new CostBudget();
  const activation = new Activation(inputs, policy.variables);
  const results: (Result & Pick<Timed, 'seconds'>)[] = [];
  for (const { expression } of policy.validations) {
    if (turn.isOver) await turn.next();
    results.push(timed(() => activation.evaluate(expression, budget)));
  }
  let forMessages: Activation | undefined;
  const decisions: Decision[] = [];
  for (const [index, { value, error, seconds }] of results.entries()) {
    const compiled = policy.validations[index];
    if (!compiled || value === true) continue;
    if (error !== undefined) {
      decisions.push(failure(policy, { message: error, seconds }, index));
      continue;
    }
    const { validation, message } = compiled;
    if (turn.isOver) await turn.next();
    if (message) forMessages ??= new Activation(withoutAuthorizer(inputs), policy.variables);
    try {
      const told = message && forMessages ? evaluatedMessage(forMessages.evaluate(message, budget)) : '';
      decisions.push({
        ...{ index, denied: true, seconds, reason: validation.reason ?? 'Invalid' },
        message: told || validation.message?.trim() || `failed expression: ${validation.expression.trim()}`,
      });
    } catch (error) {
      if (!(error instanceof OutOfBudgetError)) throw error;
      decisions.push(failure(policy, { message: `failed messageExpression: ${error.message}`, seconds }, index));
    }
  }
  return decisions;
}

function timed(evaluate: () => Result): Result & Pick<Timed, 'seconds'> {
  const startedAt = performance.now();
  const result = evaluate();
  return { ...result, seconds: (performance.now() - startedAt) / 1000 };
}

/** '' for a message that cannot be shown: the fixed one takes its place. */
function evaluatedMessage({ value }: Result): string {
  const message = typeof value === 'string' ? value.trim() : '';
  return message.includes('\n') || Buffer.byteLength(message) > MAX_MESSAGE_BYTES ? '' : message;
}

async function annotationsOf(
  policy: CompiledValidatingPolicy,
  inputs: Inputs,
  turn: Turn,
): Promise<Omit<Verdict, 'decisions'>> {
  const annotations: [string, string][] = [];
  const annotationErrors: Timed[] = [];
  if (policy.annotations.length === 0) return { annotations, annotationErrors };
  const budget = new CostBudget();
  const activation = new Activation(withoutAuthorizer(inputs), policy.variables);
  for (const { annotation, value: expression } of policy.annotations) {
    if (turn.isOver) await turn.next();
    const { value, error, seconds } = timed(() => activation.evaluate(expression, budget));
    if (error !== undefined) {
      if (!policy.ignoresFailures) annotationErrors.push({ message: error, seconds });
    } else if (typeof value === 'string' && value.trim() !== '') annotations.push([annotation.key, value.trim()]);
  }
  return { annotations, annotationErrors };
}
