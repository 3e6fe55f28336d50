import type { User } from '../../http/user.ts';
import type { RequestInfo } from '../../http/request-info.ts';

/** What a user wants to do: upstream's `authorizer.Attributes`. */
export type Attributes = Pick<
  RequestInfo,
  'path' | 'isResource' | 'group' | 'version' | 'resource' | 'subresource' | 'namespace' | 'name'
> & {
  /** Verbs beyond those of HTTP (`bind`, `impersonate`, ...) come from access reviews. */
  readonly verb: string;
  /** Narrows a list or watch. */
  readonly fieldSelector?: string;
};

export interface Decision {
  readonly allowed: boolean;
  /** Says why, for the message of a 403 and for access reviews. */
  readonly reason: string;
}

/** Synchronous: it works on an index that follows the RBAC objects. */
export interface Authorizer {
  authorize(user: User, attributes: Attributes): Decision;
}
