/** Who may do what: authentication, then authorization. */
import type { IncomingMessage } from 'node:http';
import { unauthorized } from '../../../api/machinery/status-error.ts';
import type { Authenticator } from './authentication/authenticator.ts';
import type { Attributes, Authorizer } from './authorization/authorizer.ts';
import { impersonatedUser } from './impersonation.ts';
import { refusal } from './refusal.ts';
import { ANONYMOUS, type Credentials, type User } from '../http/user.ts';
import type { RequestInfo } from '../http/request-info.ts';

export interface Gate {
  /** Asked in order; the first that knows the credentials has the say. */
  readonly authenticators: readonly Authenticator[];
  readonly authorizer: Authorizer;
}

/** Throws a 401 StatusError for credentials that nobody accepts; without any, the user is anonymous. */
export function authenticate({ authenticators }: Gate, credentials: Credentials): User | Promise<User> {
  for (let index = 0; index < authenticators.length; index++) {
    const user = authenticators[index]?.authenticate(credentials);
    if (user instanceof Promise) return authenticateSlowly(user, authenticators.slice(index + 1), credentials);
    if (user) return user;
  }
  return whenNobodyKnows(credentials);
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
  return whenNobodyKnows(credentials);
}

function whenNobodyKnows({ headers }: Credentials): User {
  if (headers.authorization) throw unauthorized();
  return ANONYMOUS;
}

/** Answers the user in whose name the request goes on. Throws a 403 StatusError. */
export function authorize(
  gate: Gate,
  user: User,
  info: RequestInfo,
  request: Pick<IncomingMessage, 'headers' | 'rawHeaders'>,
): User {
  const acting = impersonatedUser(gate.authorizer, user, request);
  authorizeAs(gate, acting, info);
  return acting;
}

/** Throws a 403 StatusError unless this very user may. */
export function authorizeAs({ authorizer }: Gate, user: User, attributes: Attributes): void {
  const { allowed, reason } = authorizer.authorize(user, attributes);
  if (!allowed) throw refusal(user, attributes, reason);
}
