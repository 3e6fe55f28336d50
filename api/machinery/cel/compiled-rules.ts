/** The `x-kubernetes-validations` of one schema, compiled. Upstream's `apiextensions-apiserver/pkg/apiserver/schema/cel/compilation.go`. */
import type { ValidationRule } from '../../types/apiextensions/v1.gen.ts';
import type { Structural } from '../structural/structural.ts';
import type { DeclType } from './decl-type.ts';
import { CelCompileError } from './errors.ts';
import { estimateCost } from './estimate.ts';
import { baseEnvironment } from './library/base.ts';
import { compile, type Program } from './program.ts';
import { ruleFieldPath } from './rule-field-path.ts';
import { MAX_REQUEST_BYTES } from './schema-type.ts';
import { optionalOf } from './types.ts';

export interface CompiledRule {
  readonly rule: ValidationRule;
  /** Undefined when the rule does not compile. */
  readonly program: Program | undefined;
  /** Why the rule does not compile. */
  readonly error: string | undefined;
  /** Whether it is a transition rule. */
  readonly usesOldSelf: boolean;
  /** The most that one evaluation can cost. */
  readonly maxCost: number;
  /** How often the rule can be evaluated for one object, if nothing but the size of requests bounds it. */
  readonly maxCardinality: number;
  readonly message: Program | undefined;
  readonly messageError: string | undefined;
  readonly messageMaxCost: number;
  /** Below the path of the schema. */
  readonly fieldPath: string | undefined;
}

export function compileRules(schema: Structural, type: DeclType): CompiledRule[] {
  const rules = schema.props['x-kubernetes-validations'] ?? [];
  return rules.map((rule) => compileRule(rule, schema, type));
}

function compileRule(rule: ValidationRule, schema: Structural, type: DeclType): CompiledRule {
  const oldSelf = rule.optionalOldSelf ? optionalOf(type.type) : type.type;
  const environment = baseEnvironment().extend({ variables: { self: type.type, oldSelf } });
  const attempt = (
    expression: string,
    kind: 'bool' | 'string',
    [compiling, instantiating, mistyped]: readonly [string, string, string],
  ) => {
    try {
      const program = compile(expression, environment);
      if (program.type.kind !== kind) return { error: mistyped };
      return { program, cost: estimateCost(program.tree, type).max };
    } catch (error) {
      if (!(error instanceof CelCompileError)) throw error;
      const what = error.stage === 'compilation' ? compiling : instantiating;
      return { error: `${what} failed: ${error.message}` };
    }
  };
  const { program, error, cost } = attempt(rule.rule, 'bool', [
    'compilation',
    'program instantiation',
    'cel expression must evaluate to a bool',
  ]);
  const message =
    program && rule.messageExpression
      ? attempt(rule.messageExpression, 'string', [
          'messageExpression compilation',
          'messageExpression instantiation',
          'messageExpression must evaluate to a string',
        ])
      : undefined;
  return {
    rule,
    program,
    error,
    usesOldSelf: program?.uses('oldSelf') ?? false,
    maxCost: cost ?? 0,
    // With a comma between the values.
    maxCardinality: Math.floor(MAX_REQUEST_BYTES / (type.minSize + 1)),
    message: message?.program,
    messageError: message?.error,
    messageMaxCost: message?.cost ?? 0,
    fieldPath: rule.fieldPath ? ruleFieldPath(rule.fieldPath, schema.props) : undefined,
  };
}
