/** Who may do what: authentication, authorization, and the words of upstream's 403. */
import type { IncomingMessage } from 'node:http';
import { forbiddenRequest, unauthorized } from '../../../api/machinery/status-error.ts';
import type { Authenticator } from './authentication/authenticator.ts';
import type { Attributes, Authorizer } from './authorization/authorizer.ts';
import { impersonatedUser } from './impersonation.ts';
import type { Credentials, RequestInfo, User } from '../http/request.ts';

export interface Gate {
  /** Asked in order; the first that knows the credentials has the say. */
  readonly authenticators: readonly Authenticator[];
  readonly authorizer: Authorizer;
}

const ANONYMOUS: User = { name: 'system:anonymous', groups: ['system:unauthenticated'] };

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

const ENTITIES: ReadonlyMap<string, string> = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
]);
/** A browser that shows what it was told must not take it for a page. */
const withoutMarkup = (text: string): string => text.replace(/[&<>]/g, (letter) => ENTITIES.get(letter) ?? '');

export function refusal(user: User, attributes: Attributes, reason: string) {
  const who = `User ${JSON.stringify(user.name)} cannot`;
  const why = reason ? `: ${reason}` : '';
  if (!attributes.isResource) {
    const asked = withoutMarkup(`${who} ${attributes.verb} path ${JSON.stringify(attributes.path)}`);
    return forbiddenRequest(`forbidden: ${asked}${why}`);
  }
  const { group, resource, subresource, namespace, name, verb } = attributes;
  const qualified = group ? `${resource}.${group}` : resource;
  const subject = name ? `${qualified} ${JSON.stringify(name)}` : qualified;
  const what = JSON.stringify(subresource ? `${resource}/${subresource}` : resource);
  const where = namespace ? `in the namespace ${JSON.stringify(namespace)}` : 'at the cluster scope';
  const asked = withoutMarkup(`${who} ${verb} resource ${what} in API group ${JSON.stringify(group)} ${where}`);
  return forbiddenRequest(`${subject} is forbidden: ${asked}${why}`, {
    ...(name && { name }),
    ...(group && { group }),
    kind: resource,
  });
}
