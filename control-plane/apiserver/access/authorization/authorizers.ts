import { PRIVILEGED_GROUP, type User } from '../../http/user.ts';
import { ALLOWED, type Attributes, type Authorizer, type Decision } from './authorizer.ts';

/** system:masters may do everything, all others what one of the authorizers allows. */
export class Authorizers implements Authorizer {
  readonly #authorizers: readonly Authorizer[];

  constructor(authorizers: readonly Authorizer[]) {
    this.#authorizers = authorizers;
  }

  authorize(user: User, attributes: Attributes): Decision {
    if (user.groups.includes(PRIVILEGED_GROUP)) return ALLOWED;
    let reason = '';
    for (const authorizer of this.#authorizers) {
      const decision = authorizer.authorize(user, attributes);
      if (decision.allowed) return decision;
      if (decision.reason) reason = reason ? `${reason}\n${decision.reason}` : decision.reason;
    }
    return { allowed: false, reason };
  }
}
