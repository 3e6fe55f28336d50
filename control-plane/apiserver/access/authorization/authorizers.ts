import { PRIVILEGED_GROUP, type User } from '../../http/user.ts';
import {
  ALLOWED,
  type Attributes,
  type Authorizer,
  type Decision,
  type ResolvedRules,
  type RuleResolver,
} from './authorizer.ts';

/** One of the chain, by its configured type and name. */
export interface ChainedAuthorizer extends Authorizer, RuleResolver {
  /** Told each allow and deny of this authorizer. */
  readonly decided?: (allowed: boolean) => void;
}

/**
 * system:masters may do everything. All others are asked for in order: the first that allows or denies decides, and where none does, the
 * request is not allowed. Upstream's `union`.
 */
export class Authorizers implements Authorizer, RuleResolver {
  readonly #authorizers: readonly ChainedAuthorizer[];

  constructor(authorizers: readonly ChainedAuthorizer[]) {
    this.#authorizers = authorizers;
  }

  authorize(user: User, attributes: Attributes): Decision | Promise<Decision> {
    if (user.groups.includes(PRIVILEGED_GROUP)) return ALLOWED;
    return this.#from(0, user, attributes, '', undefined);
  }

  rulesFor(user: User, namespace: string): ResolvedRules {
    const found = this.#authorizers.map((authorizer) => authorizer.rulesFor(user, namespace));
    return { rules: found.flatMap(({ rules }) => rules), errors: found.flatMap(({ errors }) => errors) };
  }

  /** Asks the authorizers from `start` on. What those before have said is `reason` and `error`. */
  #from(
    start: number,
    user: User,
    attributes: Attributes,
    reason: string,
    error: string | undefined,
  ): Decision | Promise<Decision> {
    const authorizers = this.#authorizers;
    for (let index = start; index < authorizers.length; index++) {
      const authorizer = authorizers[index] as ChainedAuthorizer;
      const decision = authorizer.authorize(user, attributes);
      if (decision instanceof Promise) return this.#after(decision, index, user, attributes, reason, error);
      if (decision.allowed || decision.denied) {
        authorizer.decided?.(decision.allowed);
        return decision;
      }
      if (decision.reason) reason = reason ? `${reason}\n${decision.reason}` : decision.reason;
      if (decision.error) error = error ? `${error}, ${decision.error}` : decision.error;
    }
    return error === undefined ? { allowed: false, reason } : { allowed: false, reason, error };
  }

  async #after(
    pending: Promise<Decision>,
    index: number,
    user: User,
    attributes: Attributes,
    reason: string,
    error: string | undefined,
  ): Promise<Decision> {
    const decision = await pending;
    if (decision.allowed || decision.denied) {
      this.#authorizers[index]?.decided?.(decision.allowed);
      return decision;
    }
    const reasons = [reason, decision.reason].filter(Boolean).join('\n');
    const errors = [error, decision.error].filter(Boolean).join(', ');
    return this.#from(index + 1, user, attributes, reasons, errors || undefined);
  }
}
