/** Authentication and authorization of a request. */
import { internalError, unauthorized } from '../../../api/machinery/status-error.ts';
import type { Authenticator } from './authentication/authenticator.ts';
import type { Attributes, Authorizer, Decision } from './authorization/authorizer.ts';
import { forbiddenError } from './forbidden-error.ts';
import type { RequestAudit } from '../http/request-audit.ts';
import { ANONYMOUS, type Credentials, type User } from '../http/user.ts';

export interface Gate {
  /** In order; the first that knows the credentials decides. */
  readonly authenticators: readonly Authenticator[];
  readonly authorizer: Authorizer;
}

/** Throws a 401 StatusError for credentials that no authenticator accepts; without any, the user is anonymous. */
export function authenticate({ authenticators }: Gate, credentials: Credentials): User | Promise<User> {
  for (let index = 0; index < authenticators.length; index++) {
    const user = authenticators[index]?.authenticate(credentials);
    if (user instanceof Promise) return authenticateSlowly(user, authenticators.slice(index + 1), credentials);
    if (user) return user;
  }
  return whenUnknown(credentials);
}

async function authenticateSlowly(
  first: Promise<User | undefined>,
  rest: readonly Authenticator[],
  credentials: Credentials,
): Promise<User> {
  const user = await first;
  if (user) return user;
  for (const authenticator of rest) {
    const known = await authenticator.authenticate(credentials);
    if (known) return known;
  }
  return whenUnknown(credentials);
}

function whenUnknown({ headers }: Credentials): User {
  if (headers.authorization) throw unauthorized();
  return ANONYMOUS;
}

/**
 * Throws a 403 StatusError unless the user is allowed to, or rejects with it where an authorizer has to ask somebody.
 * @param audit to be told the decision
 */
export function authorize(
  { authorizer }: Gate,
  user: User,
  attributes: Attributes,
  audit?: RequestAudit,
): void | Promise<void> {
  const decision = authorizer.authorize(user, attributes);
  if (decision instanceof Promise) return decision.then((decided) => enforce(decided, user, attributes, audit));
  enforce(decision, user, attributes, audit);
}

function enforce({ allowed, reason, error }: Decision, user: User, attributes: Attributes, audit?: RequestAudit): void {
  audit?.authorized(allowed, reason);
  if (allowed) return;
  // As upstream: whether the user may is not known. Who has failed, and how, is in the log.
  if (error !== undefined) throw internalError('the request could not be authorized: an authorizer has failed');
  throw forbiddenError(user, attributes, reason);
}
