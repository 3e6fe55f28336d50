import type { User } from '../../http/user.ts';

export interface AuthenticatedToken {
  readonly user: User;
  /** Which of the requested audiences the token is valid for. */
  readonly audiences: readonly string[];
}

export type TokenAnswer = AuthenticatedToken | undefined;

/** Authenticates bearer tokens. Synchronous where it can be: it is on the path of every request. */
export interface TokenAuthenticator {
  /**
   * Returns undefined for a token that is not of its kind or unknown; throws or rejects with InvalidTokenError for an invalid one of its
   * kind. `audiences` are those of the server that asks.
   */
  authenticateToken(token: string, audiences: readonly string[]): TokenAnswer | Promise<TokenAnswer>;
}

/** Says why a token is invalid, for the status of a TokenReview; never part of a 401. */
export class InvalidTokenError extends Error {
  override readonly name = 'InvalidTokenError';
}

/** Tries several authenticators in order. */
export class TokenAuthenticators implements TokenAuthenticator {
  readonly #authenticators: readonly TokenAuthenticator[];

  constructor(authenticators: readonly TokenAuthenticator[]) {
    this.#authenticators = authenticators;
  }

  authenticateToken(token: string, audiences: readonly string[]): TokenAnswer | Promise<TokenAnswer> {
    return this.#ask(0, token, audiences, undefined);
  }

  /** @param invalid what an authenticator before the one at `from` has said */
  #ask(
    from: number,
    token: string,
    audiences: readonly string[],
    invalid: InvalidTokenError | undefined,
  ): TokenAnswer | Promise<TokenAnswer> {
    let first = invalid;
    for (let index = from; index < this.#authenticators.length; index++) {
      try {
        const answer = this.#authenticators[index]?.authenticateToken(token, audiences);
        if (answer instanceof Promise) return this.#askLater(index, answer, token, audiences, first);
        if (answer) return answer;
      } catch (error) {
        first ??= invalidToken(error);
      }
    }
    if (first) throw first;
    return undefined;
  }

  async #askLater(
    index: number,
    pending: Promise<TokenAnswer>,
    token: string,
    audiences: readonly string[],
    invalid: InvalidTokenError | undefined,
  ): Promise<TokenAnswer> {
    let first = invalid;
    try {
      const answer = await pending;
      if (answer) return answer;
    } catch (error) {
      first ??= invalidToken(error);
    }
    return this.#ask(index + 1, token, audiences, first);
  }
}

/** Throws what is not about the token. */
function invalidToken(error: unknown): InvalidTokenError {
  if (error instanceof InvalidTokenError) return error;
  throw error;
}
