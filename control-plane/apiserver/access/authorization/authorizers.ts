import { PRIVILEGED_GROUP, type User } from '../../http/user.ts';
import {
  ALLOWED,
  type Attributes,
  type Authorizer,
  type Decision,
  type ResolvedRules,
  type RuleResolver,
} from './authorizer.ts';
import type { DecisionCounts } from './metrics.ts';

/** An authorizer of the chain. */
export interface Link {
  readonly authorizer: Authorizer & RuleResolver;
  /** Counts what it decides. */
  readonly counts: DecisionCounts;
}

/** What those have said that have no opinion. */
interface Said {
  readonly reason: string;
  readonly error: string | undefined;
}

const NOTHING: Said = { reason: '', error: undefined };

/**
 * system:masters may do everything. For all others the chain is asked in its order: the first that allows or denies decides, and where none
 * does, the request is not allowed. Upstream's `union`.
 */
export class Authorizers implements Authorizer, RuleResolver {
  #links: readonly Link[];

  constructor(links: readonly Link[]) {
    this.#links = links;
  }

  /** For what is asked from now on. */
  replace(links: readonly Link[]): void {
    this.#links = links;
  }

  authorize(user: User, attributes: Attributes): Decision | Promise<Decision> {
    if (user.groups.includes(PRIVILEGED_GROUP)) return ALLOWED;
    return ask(this.#links, 0, user, attributes, NOTHING);
  }

  rulesFor(user: User, namespace: string): ResolvedRules {
    const found = this.#links.map(({ authorizer }) => authorizer.rulesFor(user, namespace));
    return { rules: found.flatMap(({ rules }) => rules), errors: found.flatMap(({ errors }) => errors) };
  }
}

/** Asks the links from `start` on. Without a promise where nobody returns one: that is what gets are. */
function ask(
  links: readonly Link[],
  start: number,
  user: User,
  attributes: Attributes,
  said: Said,
): Decision | Promise<Decision> {
  let { reason, error } = said;
  for (let index = start; index < links.length; index++) {
    const link = links[index] as Link;
    const decision = link.authorizer.authorize(user, attributes);
    if (decision instanceof Promise) return askOn(decision, links, index, user, attributes, { reason, error });
    if (isDecided(decision, link)) return decision;
    ({ reason, error } = joined(reason, error, decision));
  }
  return error === undefined ? { allowed: false, reason } : { allowed: false, reason, error };
}

async function askOn(
  pending: Promise<Decision>,
  links: readonly Link[],
  index: number,
  user: User,
  attributes: Attributes,
  { reason, error }: Said,
): Promise<Decision> {
  const decision = await pending;
  if (isDecided(decision, links[index] as Link)) return decision;
  return ask(links, index + 1, user, attributes, joined(reason, error, decision));
}

function isDecided({ allowed, denied }: Decision, { counts }: Link): boolean {
  if (allowed) counts.allowed++;
  else if (denied) counts.denied++;
  return allowed || denied === true;
}

function joined(reason: string, error: string | undefined, decision: Decision): Said {
  if (!decision.reason && decision.error === undefined) return { reason, error };
  return {
    reason: reason && decision.reason ? `${reason}\n${decision.reason}` : reason || decision.reason,
    error: error && decision.error ? `${error}, ${decision.error}` : (error ?? decision.error),
  };
}
