/** Evaluates the expressions of a policy or webhook for a request: upstream's `plugin/cel/activation.go`. */
import {
  AuthorizerValue,
  resourceCheck,
  type Authorize,
} from '../../../../api/kinds/admissionregistration/authorizer-library.ts';
import type { Compiled } from '../../../../api/kinds/admissionregistration/expressions.ts';
import { CelRuntimeError } from '../../../../api/machinery/cel/errors.ts';
import type { CostBudget } from '../../../../api/machinery/cel/meter.ts';
import { Failure, type CelValue } from '../../../../api/machinery/cel/values.ts';
import type { KubeObject } from '../../../../api/machinery/kind.ts';
import { setOwn } from '../../../../api/machinery/own.ts';
import type { Authorizer } from '../../access/authorization/authorizer.ts';
import { serviceAccountGroups, serviceAccountUserName, type User } from '../../http/user.ts';
import type { VersionedRequest } from '../mutated-object.ts';
import type { AdmissionRequest } from '../plugin.ts';
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

/** The variables of one evaluation, or of several: what composes is evaluated at its first use. */
export class Activation {
  readonly #values: Record<string, unknown>;
  readonly #composed: ComposedVariables;
  readonly #known = new Map<string, CelValue>();
  #budget: CostBudget | undefined;

  constructor(inputs: Inputs, composed: ComposedVariables) {
    this.#composed = composed;
    this.#values = { ...valuesOf(inputs), variables: this.#variables() };
    for (const name of composed.keys()) setOwn(this.#values, `variables.${name}`, () => this.#variable(name));
  }

  /** Throws OutOfBudgetError. */
  evaluate({ expression, program, problem }: Compiled, budget: CostBudget): Result {
    if (!program) return { error: `compilation error: ${problem}` };
    this.#budget = budget;
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

  /** For expressions that ask whether there is a variable. */
  #variables(): object {
    const variables = {};
    for (const name of this.#composed.keys())
      Object.defineProperty(variables, name, { enumerable: true, get: () => this.#variable(name) });
    return variables;
  }

  #variable(name: string): CelValue {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const value = this.#compose(name);
    this.#known.set(name, value);
    return value;
  }

  #compose(name: string): CelValue {
    const compiled = this.#composed.get(name);
    const failed = (how: string, why: string): Failure =>
      new Failure(`composited variable ${JSON.stringify(name)} fails to ${how}: ${why}`);
    if (!compiled?.program) return failed('compile', compiled?.problem ?? 'it is not known');
    if ((this.#budget?.remaining ?? 0) < 0) return failed('evaluate', 'out of budget');
    try {
      return compiled.program.evaluate(this.#values, this.#budget).value;
    } catch (error) {
      if (!(error instanceof CelRuntimeError)) throw error;
      return failed('evaluate', error.message);
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

/** What the user of a request may do, and service accounts. */
export const authorizeFor =
  (authorizer: Authorizer, user: User): Authorize =>
  ({ verb, path, ...resource }, account) => {
    const asker: User = account
      ? {
          name: serviceAccountUserName(account.namespace, account.name),
          groups: serviceAccountGroups(account.namespace),
        }
      : user;
    return authorizer.authorize(asker, {
      ...{ group: '', resource: '', subresource: '', namespace: '', name: '', version: '*', ...resource },
      ...{ isResource: path === undefined, path: path ?? '', verb },
    });
  };
