/** What a MutatingAdmissionPolicy makes of an object: upstream's `policy/mutating/compilation.go` and `patch/`. */
import { PolicyCompiler, type Compiled } from '../../../../api/kinds/admissionregistration/expressions.ts';
import { ValueStruct } from '../../../../api/machinery/cel/collections.ts';
import { CelRuntimeError } from '../../../../api/machinery/cel/errors.ts';
import { JsonList, JsonMap } from '../../../../api/machinery/cel/from-json.ts';
import { CostBudget } from '../../../../api/machinery/cel/meter.ts';
import { plainValue } from '../../../../api/machinery/cel/program.ts';
import { CelList, CelMap, type CelValue } from '../../../../api/machinery/cel/values.ts';
import type { FieldType } from '../../../../api/machinery/fieldset/field-type.ts';
import { MAX_ERRORS, MAX_VALUES } from '../../../../api/machinery/limits.ts';
import { isJsonObject, own } from '../../../../api/machinery/own.ts';
import type { MutatingAdmissionPolicy } from '../../../../api/types/admissionregistration/v1.gen.ts';
import { typedObject } from '../webhooks/review.ts';
import { Activation, OutOfBudgetError, type ComposedVariables, type Inputs } from './evaluation.ts';
import { compileConditions, type CompiledConditions } from './match-conditions.ts';
import { applyConfiguration, applyOperations, MutationError } from './patches.ts';

/** As long as the longest body of a request. */
const MAX_RESULT_CHARS = 3 * 1024 * 1024;
const TOO_LARGE = 'the result of the expression is too large';
const OPERATION_TYPE = 'JSONPatch';

interface CompiledMutation {
  readonly type: 'configuration' | 'operations';
  readonly expression: Compiled;
}

export interface CompiledMutatingPolicy {
  readonly variables: ComposedVariables;
  readonly conditions: CompiledConditions;
  readonly mutations: readonly CompiledMutation[];
}

export function compileMutatingPolicy({ spec = {} }: MutatingAdmissionPolicy): CompiledMutatingPolicy {
  const { paramKind, variables = [], mutations = [] } = spec;
  const params = paramKind !== undefined;
  const compiler = new PolicyCompiler({ params, composes: true });
  return {
    variables: new Map(variables.map(({ name, expression }) => [name, compiler.variable(name, expression)])),
    conditions: compileConditions(spec.matchConditions ?? [], params),
    mutations: mutations.map(({ patchType, applyConfiguration, jsonPatch }) =>
      patchType === 'JSONPatch'
        ? { type: 'operations', expression: compiler.jsonPatch(jsonPatch?.expression ?? '') }
        : { type: 'configuration', expression: compiler.configuration(applyConfiguration?.expression ?? '') },
    ),
  };
}

/**
 * The object after a mutation, as plain values; it may share parts with the object before it. Undefined when a test of a JSON patch
 * fails: the object stays as it is. Throws MutationError.
 * @param type of the object
 */
export function mutate(
  policy: CompiledMutatingPolicy,
  { type: patchType, expression }: CompiledMutation,
  type: FieldType,
  inputs: Inputs,
): Record<string, unknown> | undefined {
  const { asked } = inputs;
  if (!expression.program) throw new MutationError(expression.problem);
  const value = evaluated(policy, expression, inputs);
  const object = (typedObject(asked.object, asked.objectKind) ?? {}) as Record<string, unknown>;
  if (patchType === 'operations') return applyOperations(object, operationsOf(value));
  checkTypeNames(value);
  return applyConfiguration(type, object, plain(value) as Record<string, unknown>);
}

function evaluated(policy: CompiledMutatingPolicy, expression: Compiled, inputs: Inputs): CelValue {
  try {
    const { value, error } = new Activation(inputs, policy.variables).evaluate(expression, new CostBudget());
    if (error !== undefined) throw new MutationError(error);
    return value;
  } catch (error) {
    if (error instanceof OutOfBudgetError) throw new MutationError(error.message);
    throw error;
  }
}

/** The operations of a patch: a list of `JSONPatch`. */
function operationsOf(list: CelValue): Record<string, unknown>[] {
  checkTypeNames(list);
  const operations: Record<string, unknown>[] = [];
  for (const operation of plain(list) as Record<string, unknown>[]) {
    const { from, ...more } = operation;
    operations.push({ op: '', path: '', ...more, ...(from !== '' && { from }) });
  }
  return operations;
}

function plain(value: CelValue): unknown {
  try {
    const result = plainValue(value);
    checkSize(result);
    return result;
  } catch (error) {
    if (error instanceof CelRuntimeError) throw new MutationError(error.message);
    throw error;
  }
}

/** An expression can name a part of the object many times. */
function checkSize(value: unknown): void {
  let left = MAX_RESULT_CHARS;
  const count = (one: unknown): void => {
    left -= typeof one === 'string' ? one.length + 1 : 1;
    if (left < 0) throw new MutationError(TOO_LARGE);
    if (Array.isArray(one)) for (const item of one) count(item);
    else if (isJsonObject(one))
      for (const key in one) {
        left -= key.length;
        count(own(one, key));
      }
  };
  count(value);
}

/**
 * Whether the types of objects within objects are named as the fields that they are values of, from the root's type on: upstream's
 * `CheckTypeNamesMatchFieldPathNames`. Throws MutationError.
 */
function checkTypeNames(value: CelValue): void {
  const problems: string[] = [];
  let left = MAX_VALUES;
  const visit = (one: CelValue, expected: string | undefined): void => {
    if (--left < 0) throw new MutationError(TOO_LARGE);
    if (one instanceof ValueStruct) {
      const { name } = one.celType;
      if (expected !== undefined && name !== expected && problems.length < MAX_ERRORS)
        problems.push(
          `unexpected type name ${JSON.stringify(name)}, expected ${JSON.stringify(expected)}, which matches field name path from root Object type`,
        );
      // The value of an operation is a root of its own.
      const isRoot = name === OPERATION_TYPE;
      for (const [field, inner] of one.fields) visit(inner, isRoot ? undefined : `${expected ?? name}.${field}`);
      return;
    }
    // Parts of objects of the request have no types.
    if (one instanceof JsonList || one instanceof JsonMap) return;
    if (one instanceof CelList) for (const item of one) visit(item, expected);
    else if (one instanceof CelMap) for (const key of one.keys()) visit(one.find(key) ?? null, expected);
  };
  visit(value, undefined);
  if (problems.length > 0) throw new MutationError(`type mismatch: ${problems.join('\n')}`);
}
