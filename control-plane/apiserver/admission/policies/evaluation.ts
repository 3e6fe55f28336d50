/** Evaluates the expressions of a policy or webhook for a request: upstream's `plugin/cel/activation.go`. */
import {
  AuthorizerValue,
  resourceCheck,
  type Authorize,
} from '../../../../api/kinds/admissionregistration/authorizer-library.ts';
import type { Compiled } from '../../../../api/kinds/admissionregistration/expressions.ts';
import { CelRuntimeError } from '../../../../api/machinery/cel/errors.ts';
import type { CostBudget } from '../../../../api/machinery/cel/meter.ts';
import type { Program } from '../../../../api/machinery/cel/program.ts';
import { CelMap, Failure, type CelValue } from '../../../../api/machinery/cel/values.ts';
import type { KubeObject } from '../../../../api/machinery/kind.ts';
import type { Authorizer } from '../../access/authorization/authorizer.ts';
import { serviceAccountGroups, serviceAccountUserName, type User } from '../../http/user.ts';
import type { VersionedRequest } from '../mutated-object.ts';
import type { AdmissionRequest } from '../plugin.ts';
import { Decisions } from './pending-decision.ts';
import { namespaceOf } from '../webhooks/matching.ts';
import { requestAttributes, typedObject } from '../webhooks/review.ts';

/** What expressions can see. */
export interface Inputs {
  readonly request: AdmissionRequest;
  readonly asked: VersionedRequest;
  readonly params: KubeObject | undefined;
  readonly namespace: KubeObject | undefined;
  /** Undefined where expressions have none. */
  readonly authorizer: Authorize | undefined;
}

/** The variables of a policy, by name; each may refer to those before it. */
export type ComposedVariables = ReadonlyMap<string, Compiled>;

/** The expressions have cost more than they may together. */
export class OutOfBudgetError extends Error {
  override readonly name = 'OutOfBudgetError';
  constructor() {
    super('validation failed due to running out of cost budget, no further validation rules will be run');
  }
}

/** What an expression has come to, or why it has come to nothing. */
export type Result =
  { readonly value: CelValue; readonly error?: undefined } | { readonly value?: undefined; readonly error: string };

/** What expressions refer to, in one evaluation or in several. */
export class Activation {
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #variables: VariablesMap;

  constructor(inputs: Inputs, composed: ComposedVariables) {
    this.#variables = new VariablesMap(composed, (program, budget) => program.evaluate(this.#values, budget).value);
    this.#values = { ...valuesOf(inputs), variables: this.#variables };
  }

  /** Throws OutOfBudgetError. */
  evaluate({ expression, program, problem }: Compiled, budget: CostBudget): Result {
    if (!program) return { error: `compilation error: ${problem}` };
    this.#variables.budget = budget;
    try {
      const { value } = program.evaluate(this.#values, budget);
      if (budget.remaining < 0) throw new OutOfBudgetError();
      return { value };
    } catch (error) {
      if (budget.remaining < 0) throw new OutOfBudgetError();
      // Variables of variables of variables may not fit on the stack.
      if (!(error instanceof CelRuntimeError || error instanceof RangeError)) throw error;
      return { error: `expression '${expression}' resulted in error: ${error.message}` };
    }
  }
}

/** `variables`: each is evaluated at its first use, at the cost of the expression that uses it. */
class VariablesMap extends CelMap {
  readonly #composed: ComposedVariables;
  readonly #evaluate: (program: Program, budget: CostBudget) => CelValue;
  readonly #known = new Map<string, CelValue>();
  budget: CostBudget | undefined;

  constructor(composed: ComposedVariables, evaluate: (program: Program, budget: CostBudget) => CelValue) {
    super();
    this.#composed = composed;
    this.#evaluate = evaluate;
  }

  get size(): number {
    return this.#composed.size;
  }

  keys(): Iterable<string> {
    return this.#composed.keys();
  }

  find(name: CelValue): CelValue | undefined {
    const compiled = typeof name === 'string' ? this.#composed.get(name) : undefined;
    if (typeof name !== 'string' || !compiled) return undefined;
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const variable = `composited variable ${JSON.stringify(name)}`;
    // A name that stands twice could refer to itself.
    this.#known.set(name, new Failure(`${variable} refers to itself`));
    const value = this.#compose(compiled, variable);
    this.#known.set(name, value);
    return value;
  }

  #compose({ program, problem }: Compiled, variable: string): CelValue {
    const { budget } = this;
    if (!program) return new Failure(`${variable} fails to compile: ${problem}`);
    if (!budget || budget.remaining < 0) return new Failure(`${variable} fails to evaluate: out of budget`);
    try {
      return this.#evaluate(program, budget);
    } catch (error) {
      if (!(error instanceof CelRuntimeError)) throw error;
      return new Failure(`${variable} fails to evaluate: ${error.message}`);
    }
  }
}

function valuesOf({ request, asked, params, namespace, authorizer }: Inputs): Record<string, unknown> {
  const { kind, subresource, name } = request;
  const user = authorizer && new AuthorizerValue(authorizer);
  const check = { group: kind.group, resource: kind.plural, subresource, namespace: namespaceOf(request), name };
  return {
    object: typedObject(asked.object, asked.objectKind) ?? null,
    oldObject: typedObject(asked.old, asked.objectKind) ?? null,
    params: params ?? null,
    request: () => requestAttributes(asked, request),
    namespaceObject: () => (namespace ? shownNamespace(namespace) : null),
    ...(user && { authorizer: user, 'authorizer.requestResource': () => resourceCheck(user, check) }),
  };
}

/** Without what changes all the time: upstream's `CreateNamespaceObject`. */
function shownNamespace({ metadata, ...more }: KubeObject): object {
  return { ...more, metadata: { ...metadata, managedFields: undefined, ownerReferences: undefined } };
}

/** What the user of a request may do, and service accounts. For evaluations within `evaluateDecided`. */
export function authorizeFor(authorizer: Authorizer, user: User): Authorize {
  const decisions = new Decisions();
  return (check, account) => {
    const { verb, path, ...resource } = check;
    const asker: User = account
      ? {
          name: serviceAccountUserName(account.namespace, account.name),
          groups: serviceAccountGroups(account.namespace),
        }
      : user;
    const attributes = {
      ...{ group: '', resource: '', subresource: '', namespace: '', name: '', version: '*', ...resource },
      ...{ isResource: path === undefined, path: path ?? '', verb },
    };
    return decisions.of(
      () => JSON.stringify([asker.name, attributes]),
      () => authorizer.authorize(asker, attributes),
    );
  };
}
