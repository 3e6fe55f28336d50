/** The user of a request, the credentials that authentication reads, and upstream's names of users and groups. */
import type { IncomingHttpHeaders } from 'node:http';
import { NODES_GROUP, NODE_USER_PREFIX } from '../../../api/domain/node-identity.ts';

/** The user of a request: upstream's `user.Info`. */
export interface User {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

export interface PresentedCertificate {
  readonly subject: string;
  readonly raw: Buffer;
}

/** The input of authentication. */
export interface Credentials {
  readonly headers: IncomingHttpHeaders;
  /** Decoded, without the query: some paths may be for everybody. */
  readonly path: string;
  /** The client certificate in DER, when TLS has verified it against the client CA. */
  readonly clientCertificate?: PresentedCertificate;
  /** Likewise, verified against the CA of proxies in front; and the headers as they came, in which it names its users. */
  readonly proxy?: { readonly certificate: PresentedCertificate; readonly rawHeaders: readonly string[] };
}

export const AUTHENTICATED_GROUP = 'system:authenticated';
export const UNAUTHENTICATED_GROUP = 'system:unauthenticated';
export const PRIVILEGED_GROUP = 'system:masters';
export const MONITORING_GROUP = 'system:monitoring';
export const BOOTSTRAPPERS_GROUP = 'system:bootstrappers';
export const SERVICE_ACCOUNTS_GROUP = 'system:serviceaccounts';

const SERVICE_ACCOUNT_PREFIX = 'system:serviceaccount:';

export const ANONYMOUS: User = { name: 'system:anonymous', groups: [UNAUTHENTICATED_GROUP] };

export const serviceAccountUserName = (namespace: string, name: string): string =>
  `${SERVICE_ACCOUNT_PREFIX}${namespace}:${name}`;

export const serviceAccountGroups = (namespace: string): string[] => [
  SERVICE_ACCOUNTS_GROUP,
  `${SERVICE_ACCOUNTS_GROUP}:${namespace}`,
];

/** Adds the group system:authenticated. */
export function authenticated(user: User): User {
  return user.groups.includes(AUTHENTICATED_GROUP) ? user : { ...user, groups: [...user.groups, AUTHENTICATED_GROUP] };
}

/** The node that a user is: its name; '' for a member of system:nodes without a node's user name; undefined for other users. */
export function nodeNameOf(user: User): string | undefined {
  if (!user.name.startsWith(NODE_USER_PREFIX) || !user.groups.includes(NODES_GROUP)) return undefined;
  return user.name.slice(NODE_USER_PREFIX.length);
}
