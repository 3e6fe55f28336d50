import type { Credentials, User } from '../../http/user.ts';

/**
 * Authenticates a request. Returns undefined when the request carries no credentials of the kind it knows, and throws a 401
 * StatusError when it carries some that are wrong. Synchronous where it can be: it is on the path of every request.
 */
export interface Authenticator {
  authenticate(credentials: Credentials): User | undefined | Promise<User | undefined>;
}
