import type { User } from '../../http/user.ts';
import type { RequestInfo } from '../../http/request-info.ts';
import type { PolicyRule } from '../../../../api/types/rbac/v1.gen.ts';

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

/** Allow, deny or no opinion, which is neither. */
export interface Decision {
  readonly allowed: boolean;
  /** Deny: no further authorizer is asked. */
  readonly denied?: boolean;
  /** For the message of a 403 and for access reviews. */
  readonly reason: string;
  /** Why an authorizer could not decide, for access reviews and the CEL library; it is not told to the user. */
  readonly error?: string;
}

export const ALLOWED: Decision = { allowed: true, reason: '' };
export const NO_OPINION: Decision = { allowed: false, reason: '' };

/** Decides at once where it can: a promise is returned by those that ask somebody else. It does not reject. */
export interface Authorizer {
  authorize(user: User, attributes: Attributes): Decision | Promise<Decision>;
}

/** The rules that say what a user may do, as far as there are such. */
export interface RuleResolver {
  rulesFor(user: User, namespace: string): ResolvedRules;
}

export interface ResolvedRules {
  readonly rules: readonly PolicyRule[];
  /** Why there may be more: missing roles of bindings, authorizers without rules; in upstream's wording. */
  readonly errors: readonly string[];
}
