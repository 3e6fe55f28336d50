/**
 * Expressions are evaluated at once, and an authorizer may have to ask somebody. Then the evaluation is given up, and repeated with what has
 * been answered: expressions have no effects, and what is decided once about a request stays so.
 */
import type { Decision } from '../../access/authorization/authorizer.ts';

/** Thrown out of an evaluation that cannot go on before there is an answer. */
class PendingDecision extends Error {
  override readonly name = 'PendingDecision';
  readonly answered: Promise<unknown>;
  constructor(answered: Promise<unknown>) {
    super('a decision is pending');
    this.answered = answered;
  }
}

/** A check costs so much that the expressions of a policy cannot make as many. */
const MAX_ROUNDS = 1000;

/** What has been decided about one request, by what was asked. */
export class Decisions {
  readonly #answers = new Map<string, Decision>();

  /** The decision of `ask`, or the one that was given before. Throws PendingDecision. @param asked unambiguously */
  of(asked: () => string, ask: () => Decision | Promise<Decision>): Decision {
    const known = this.#answers.size > 0 ? this.#answers.get(asked()) : undefined;
    if (known) return known;
    const decision = ask();
    if (!(decision instanceof Promise)) return decision;
    const key = asked();
    throw new PendingDecision(decision.then((answer) => this.#answers.set(key, answer)));
  }
}

/** Evaluates until nothing is pending. @param evaluate begins anew each time: with its budget and variables, too */
export async function evaluateDecided<T>(evaluate: () => T | Promise<T>): Promise<T> {
  for (let round = 1; ; round++) {
    try {
      return await evaluate();
    } catch (error) {
      if (!(error instanceof PendingDecision) || round === MAX_ROUNDS) throw error;
      await error.answered;
    }
  }
}
