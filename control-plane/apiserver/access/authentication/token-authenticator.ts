import type { User } from '../../http/user.ts';

export interface AuthenticatedToken {
  readonly user: User;
  /** Which of the requested audiences the token is valid for. */
  readonly audiences: readonly string[];
}

/** Authenticates bearer tokens. Synchronous: it is on the path of every request. */
export interface TokenAuthenticator {
  /**
   * Returns undefined for a token that is not of its kind or unknown; throws InvalidTokenError for an invalid one of its kind.
   * `audiences` are those of the server that asks.
   */
  authenticateToken(token: string, audiences: readonly string[]): AuthenticatedToken | undefined;
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

  authenticateToken(token: string, audiences: readonly string[]): AuthenticatedToken | undefined {
    let invalid: InvalidTokenError | undefined;
    for (const authenticator of this.#authenticators) {
      try {
        const answer = authenticator.authenticateToken(token, audiences);
        if (answer) return answer;
      } catch (error) {
        if (!(error instanceof InvalidTokenError)) throw error;
        invalid ??= error;
      }
    }
    if (invalid) throw invalid;
    return undefined;
  }
}
