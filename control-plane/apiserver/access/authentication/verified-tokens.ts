import { hash, type KeyObject } from 'node:crypto';
import { peekJws, verifyJws } from './jws.ts';
import { InvalidTokenError } from './token-authenticator.ts';

/** Some 600 bytes per token. A cluster has about as many live tokens as pods. */
const MAX_TOKENS = 8192;
/** Clients choose the audiences of their tokens, up to megabytes of them. Such a token is verified each time it comes. */
const MAX_CACHED_TOKEN_CHARS = 4096;

export interface VerifiedTokensOptions<T> {
  readonly issuer: string;
  readonly publicKeys: ReadonlyMap<string, KeyObject>;
  /** Converts a token's claims to the cached value; throws InvalidTokenError. */
  readonly read: (claims: Record<string, unknown>) => T;
}

/** A cache of the tokens of one issuer, so that each signature is verified once. */
export class VerifiedTokens<T> {
  readonly #options: VerifiedTokensOptions<T>;
  /** Keyed by the token's hash, oldest first. */
  readonly #tokens = new Map<string, T>();

  constructor(options: VerifiedTokensOptions<T>) {
    this.#options = options;
  }

  /** Returns undefined for a token of another issuer; throws InvalidTokenError for an invalid one. */
  get(token: string): T | undefined {
    if (token.length > MAX_CACHED_TOKEN_CHARS) return this.#verify(token);
    const key = hash('sha256', token, 'base64');
    const known = this.#tokens.get(key);
    if (known) return known;
    const verified = this.#verify(token);
    if (!verified) return undefined;
    if (this.#tokens.size >= MAX_TOKENS) {
      for (const oldest of this.#tokens.keys()) {
        this.#tokens.delete(oldest);
        break;
      }
    }
    this.#tokens.set(key, verified);
    return verified;
  }

  #verify(token: string): T | undefined {
    const { issuer, publicKeys, read } = this.#options;
    const claims = peekJws(token);
    if (claims?.['iss'] !== issuer) return undefined;
    if (!verifyJws(token, publicKeys)) throw new InvalidTokenError('invalid signature');
    return read(claims);
  }
}
