/** The conditions under which a webhook is asked, in CEL over the review: upstream's `authorization/cel`. */
import { CelCompileError, CelRuntimeError } from '../../../../../api/machinery/cel/errors.ts';
import { baseEnvironment } from '../../../../../api/machinery/cel/library/base.ts';
import { CostBudget, MATCH_CONDITIONS_BUDGET } from '../../../../../api/machinery/cel/meter.ts';
import { compile, type Program } from '../../../../../api/machinery/cel/program.ts';
import { BOOL, listOf, mapOf, STRING, struct, type CelType } from '../../../../../api/machinery/cel/types.ts';
import type { SubjectAccessReviewSpec } from '../../../../../api/types/authorization/v1.gen.ts';

const STRINGS = listOf(STRING);

const typeWith = (name: string, fields: Readonly<Record<string, CelType>>): CelType => {
  const known = new Map(Object.entries(fields));
  return struct(`kubernetes.${name}`, (field) => known.get(field));
};
const REQUIREMENT = typeWith('SelectorRequirement', { key: STRING, operator: STRING, values: STRINGS });
const selector = (name: string): CelType => typeWith(name, { rawSelector: STRING, requirements: listOf(REQUIREMENT) });
const REVIEW = typeWith('SubjectAccessReviewSpec', {
  resourceAttributes: typeWith('ResourceAttributes', {
    ...{ namespace: STRING, verb: STRING, group: STRING, version: STRING },
    ...{ resource: STRING, subresource: STRING, name: STRING },
    fieldSelector: selector('FieldSelectorAttributes'),
    labelSelector: selector('LabelSelectorAttributes'),
  }),
  nonResourceAttributes: typeWith('NonResourceAttributes', { path: STRING, verb: STRING }),
  user: STRING,
  groups: STRINGS,
  extra: mapOf(STRING, STRINGS),
  uid: STRING,
});

const compiled = (expression: string): Program =>
  compile(expression, baseEnvironment().extend({ variables: { request: REVIEW } }), [BOOL]);

/** What is wrong with an expression; undefined when nothing is. */
export function compileProblem(expression: string): string | undefined {
  try {
    compiled(expression);
    return undefined;
  } catch (error) {
    if (!(error instanceof CelCompileError)) throw error;
    return `compilation failed: ${error.message}`;
  }
}

/** `error`: no condition is unmet, but some cannot be evaluated. */
export type ConditionsMatch =
  { readonly matches: boolean; readonly error?: undefined } | { readonly matches: false; readonly error: string };

export class MatchConditions {
  readonly #programs: readonly (readonly [string, Program])[];

  /** @param expressions that compile */
  constructor(expressions: readonly string[]) {
    this.#programs = expressions.map((expression) => [expression, compiled(expression)]);
  }

  evaluate(spec: SubjectAccessReviewSpec): ConditionsMatch {
    const variables = { request: shown(spec) };
    // Users write a part of what conditions look at, and each request would cost as much.
    const budget = new CostBudget(MATCH_CONDITIONS_BUDGET);
    const errors: string[] = [];
    for (const [expression, program] of this.#programs) {
      try {
        if (budget.remaining < 0) throw new CelRuntimeError('out of cost budget', 'cost', 0);
        const { value } = program.evaluate(variables, budget);
        if (value !== true) return { matches: false };
      } catch (error) {
        // What is nested too deeply may not fit on the stack.
        if (!(error instanceof CelRuntimeError || error instanceof RangeError)) throw error;
        errors.push(`expression '${expression}' resulted in error: ${error.message}`);
      }
    }
    return errors.length === 0 ? { matches: true } : { matches: false, error: errors.join(', ') };
  }
}

/** With all of the fields that are strings, as upstream has it: expressions need not ask for them. */
function shown({
  user,
  uid,
  groups,
  extra,
  resourceAttributes,
  nonResourceAttributes,
}: SubjectAccessReviewSpec): object {
  return {
    ...{ user: user ?? '', uid: uid ?? '', groups: groups ?? [], extra: extra ?? {} },
    ...(resourceAttributes && {
      resourceAttributes: {
        ...{ namespace: '', verb: '', group: '', version: '', resource: '', subresource: '', name: '' },
        ...resourceAttributes,
      },
    }),
    ...(nonResourceAttributes && { nonResourceAttributes: { path: '', verb: '', ...nonResourceAttributes } }),
  };
}
