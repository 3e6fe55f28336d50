import { PRIVILEGED_GROUP, type User } from './user.ts';

/**
 * Limit for the bodies of all requests in flight, in bytes. A body counts until its request has been answered, since the parsed
 * body, several times its size, lives as long.
 */
const MAX_BYTES = 64 * 2 ** 20;
/** What one user may take of it: a client that sends bodies slowly must not keep all others from writing. */
const MAX_USER_BYTES = MAX_BYTES / 2;

/** Accounts for the memory of request bodies. */
export class BodyMemory {
  #bytes = 0;
  /** By user name; only users with bodies in flight. */
  readonly #ofUsers = new Map<string, number>();

  /** Returns false when the limit or the user's share would be exceeded. */
  take(user: User, bytes: number): boolean {
    const own = (this.#ofUsers.get(user.name) ?? 0) + bytes;
    if (this.#bytes + bytes > MAX_BYTES) return false;
    if (own > MAX_USER_BYTES && !user.groups.includes(PRIVILEGED_GROUP)) return false;
    this.#bytes += bytes;
    this.#ofUsers.set(user.name, own);
    return true;
  }

  release(user: User, bytes: number): void {
    this.#bytes -= bytes;
    const left = (this.#ofUsers.get(user.name) ?? 0) - bytes;
    if (left > 0) this.#ofUsers.set(user.name, left);
    else this.#ofUsers.delete(user.name);
  }
}
