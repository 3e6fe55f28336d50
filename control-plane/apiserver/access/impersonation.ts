/** `Impersonate-*` headers: acting as another user, for users that may `impersonate`. */
import type { IncomingMessage } from 'node:http';
import { badRequest } from '../../../api/machinery/status-error.ts';
import type { Attributes, Authorizer } from './authorization/authorizer.ts';
import { forbiddenError } from './forbidden-error.ts';
import type { User } from '../http/user.ts';
import { setOwn } from '../../../api/machinery/own.ts';

const SERVICE_ACCOUNT = /^system:serviceaccount:([^:]+):([^:]+)$/;
const HEADERS = new Set(['impersonate-user', 'impersonate-group', 'impersonate-uid']);
const EXTRA_PREFIX = 'impersonate-extra-';

const isImpersonation = (header: string): boolean => HEADERS.has(header) || header.startsWith(EXTRA_PREFIX);

/** Keys are percent-encoded. An invalid encoding is used verbatim, as upstream does. */
function extraKey(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The impersonated user, or the user itself without such headers. Rejects with a 400 or 403 StatusError. */
export function impersonatedUser(
  authorizer: Authorizer,
  user: User,
  { headers, rawHeaders }: Pick<IncomingMessage, 'headers' | 'rawHeaders'>,
): User | Promise<User> {
  return Object.keys(headers).some(isImpersonation) ? impersonated(authorizer, user, rawHeaders) : user;
}

async function impersonated(authorizer: Authorizer, user: User, rawHeaders: readonly string[]): Promise<User> {
  const asked = impersonationHeaders(rawHeaders);
  const [name] = asked.get('impersonate-user') ?? [];
  const groups = asked.get('impersonate-group') ?? [];
  const [uid] = asked.get('impersonate-uid') ?? [];
  if (!name) throw badRequest('requested impersonation without impersonating a user');

  const account = SERVICE_ACCOUNT.exec(name);
  if (account) await allow(authorizer, user, { resource: 'serviceaccounts', namespace: account[1], name: account[2] });
  else await allow(authorizer, user, { resource: 'users', name });
  for (const group of groups) await allow(authorizer, user, { resource: 'groups', name: group });
  if (uid) await allow(authorizer, user, { group: 'authentication.k8s.io', resource: 'uids', name: uid });
  const extra: Record<string, readonly string[]> = {};
  for (const [header, values] of asked) {
    if (!header.startsWith(EXTRA_PREFIX)) continue;
    const key = extraKey(header.slice(EXTRA_PREFIX.length));
    setOwn(extra, key, values);
    for (const one of values) {
      await allow(authorizer, user, {
        group: 'authentication.k8s.io',
        resource: 'userextras',
        subresource: key,
        name: one,
      });
    }
  }
  return { name, groups: impliedGroups(name, groups, account?.[1]), ...(uid && { uid }), extra };
}

/**
 * The values of the headers, by lower-case name, from the raw headers: Node.js joins repeated headers with commas, which
 * the name of a group may contain.
 */
function impersonationHeaders(rawHeaders: readonly string[]): Map<string, string[]> {
  const asked = new Map<string, string[]>();
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const header = rawHeaders[at]?.toLowerCase() ?? '';
    if (!isImpersonation(header)) continue;
    const value = rawHeaders[at + 1] ?? '';
    const values = asked.get(header);
    // Append: a header may be repeated thousands of times.
    if (values) values.push(value);
    else asked.set(header, [value]);
  }
  return asked;
}

function impliedGroups(name: string, groups: readonly string[], accountNamespace: string | undefined): string[] {
  const implied = [...groups];
  if (accountNamespace && implied.length === 0) {
    implied.push('system:serviceaccounts', `system:serviceaccounts:${accountNamespace}`);
  }
  const anonymous = name === 'system:anonymous';
  const everyone = anonymous ? 'system:unauthenticated' : 'system:authenticated';
  if (!implied.includes(everyone)) implied.push(everyone);
  return implied;
}

async function allow(authorizer: Authorizer, user: User, asked: Partial<Omit<Attributes, 'verb'>>): Promise<void> {
  const attributes = {
    verb: 'impersonate',
    path: '',
    isResource: true,
    group: '',
    version: '',
    resource: '',
    subresource: '',
    namespace: '',
    name: '',
    ...asked,
  };
  const { allowed, reason } = await authorizer.authorize(user, attributes);
  if (!allowed) throw forbiddenError(user, attributes, reason);
}
