import type { User } from '../../http/user.ts';
import type { RequestInfo } from '../../http/request-info.ts';

/** What a user wants to do: upstream's `authorizer.Attributes`. */
export type Attributes = Pick<
  RequestInfo,
  'path' | 'isResource' | 'group' | 'version' | 'resource' | 'subresource' | 'namespace' | 'name'
> & {
  /** Access reviews also use verbs that are not derived from HTTP: `bind`, `impersonate`, ... */
  readonly verb: string;
  /** The selectors of a list or watch. */
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
};

export interface Decision {
  readonly allowed: boolean;
  /** For the message of a 403 and for access reviews. */
  readonly reason: string;
}

export const ALLOWED: Decision = { allowed: true, reason: '' };

/** Synchronous: decides from an index of the RBAC objects. */
export interface Authorizer {
  authorize(user: User, attributes: Attributes): Decision;
}
