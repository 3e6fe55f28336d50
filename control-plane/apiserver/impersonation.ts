/** `Impersonate-*` headers: acting as somebody else, for whoever may. */
import type { IncomingHttpHeaders } from 'node:http';
import { badRequest } from '../../api/machinery/status-error.ts';
import type { Attributes, Authorizer } from './authorization/authorizer.ts';
import { refusal } from './gate.ts';
import type { User } from './request.ts';

const SERVICE_ACCOUNT = /^system:serviceaccount:([^:]+):([^:]+)$/;
const EXTRA_PREFIX = 'impersonate-extra-';

/** The user that the headers name, or the user itself without them. Throws a 403 StatusError. */
export function impersonatedUser(authorizer: Authorizer, user: User, headers: IncomingHttpHeaders): User {
  const name = headers['impersonate-user'];
  const groups = valuesOf(headers['impersonate-group']);
  const uid = headers['impersonate-uid'];
  if (name === undefined && groups.length === 0 && uid === undefined) return user;
  if (typeof name !== 'string' || !name) throw badRequest('requested impersonation without impersonating a user');

  const account = SERVICE_ACCOUNT.exec(name);
  if (account) allow(authorizer, user, { resource: 'serviceaccounts', namespace: account[1], name: account[2] });
  else allow(authorizer, user, { resource: 'users', name });
  for (const group of groups) allow(authorizer, user, { resource: 'groups', name: group });
  if (typeof uid === 'string') allow(authorizer, user, { group: 'authentication.k8s.io', resource: 'uids', name: uid });
  const extra: Record<string, readonly string[]> = {};
  for (const [header, value] of Object.entries(headers)) {
    if (!header.startsWith(EXTRA_PREFIX)) continue;
    const key = decodeURIComponent(header.slice(EXTRA_PREFIX.length));
    extra[key] = valuesOf(value);
    for (const one of extra[key]) {
      allow(authorizer, user, { group: 'authentication.k8s.io', resource: 'userextras', subresource: key, name: one });
    }
  }
  return { name, groups: impliedGroups(name, groups, account?.[1]), ...(typeof uid === 'string' && { uid }), extra };
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

const valuesOf = (header: string | string[] | undefined): string[] =>
  header === undefined ? [] : (Array.isArray(header) ? header : header.split(',')).map((value) => value.trim());

function allow(authorizer: Authorizer, user: User, asked: Partial<Omit<Attributes, 'verb'>>): void {
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
  const { allowed, reason } = authorizer.authorize(user, attributes);
  if (!allowed) throw refusal(user, attributes, reason);
}
