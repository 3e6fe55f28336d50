/** Users by the ID tokens of OpenID Connect: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#openid-connect-tokens */
import { isJsonObject } from '../../../../../api/machinery/own.ts';
import { authenticated, type User } from '../../../http/user.ts';
import { peekJws } from '../jws.ts';
import { RecentAnswers } from '../../recent-answers.ts';
import { InvalidTokenError, type TokenAnswer, type TokenAuthenticator } from '../token-authenticator.ts';
import type { Claims, ClaimMapper } from './claim-mapper.ts';
import type { KeySet } from './key-set.ts';

const SECOND_MS = 1000;
/** How far in the future `nbf` may be: go-oidc's leeway. */
const NOT_BEFORE_LEEWAY_MS = 5 * 60 * SECOND_MS;
/** Upstream caches answers about tokens for as long: a key that an issuer has withdrawn is good no longer than that. */
const CACHE_MS = 10 * SECOND_MS;
/** What Google's tokens had as their issuer once: OpenID Connect Core 1.0, 3.1.3.7. */
const LEGACY_ISSUERS: ReadonlyMap<unknown, string> = new Map([['accounts.google.com', 'https://accounts.google.com']]);

export interface OidcOptions {
  readonly issuer: string;
  /** One of them has to be among those of the token. */
  readonly audiences: readonly string[];
  readonly algorithms: readonly string[];
  /** Those of the server: tokens are good for each of them. */
  readonly apiAudiences: readonly string[];
  readonly keys: Pick<KeySet, 'verify' | 'problem'>;
  readonly mapper: ClaimMapper;
  readonly now?: () => number;
}

interface Verified {
  readonly user: User;
  readonly expiresAt: number;
}

export class OidcAuthenticator implements TokenAuthenticator {
  readonly #options: OidcOptions;
  readonly #now: () => number;
  readonly #verified: RecentAnswers<Verified>;

  constructor(options: OidcOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#verified = new RecentAnswers(CACHE_MS, this.#now);
  }

  /** Why no token can be verified; undefined when they can. */
  get problem(): string | undefined {
    return this.#options.keys.problem;
  }

  authenticateToken(token: string, audiences: readonly string[]): TokenAnswer | Promise<TokenAnswer> {
    const claims = peekJws(token);
    if (!claims || issuerOf(claims) !== this.#options.issuer) return undefined;
    const good = audiences.filter((audience) => this.#options.apiAudiences.includes(audience));
    if (audiences.length > 0 && good.length === 0) return undefined;
    const verified = this.#verified.get(
      token,
      () => this.#verify(token, claims),
      ({ expiresAt }) => expiresAt,
    );
    const answer = ({ user }: Verified): TokenAnswer => ({ user, audiences: good });
    return verified instanceof Promise ? verified.then(answer) : answer(verified);
  }

  #verify(token: string, claims: Claims): Verified | Promise<Verified> {
    const { algorithms, keys } = this.#options;
    const [header = '', payload = '', signature = ''] = token.split('.');
    const { alg, kid, crit } = headerOf(header);
    if (typeof alg !== 'string' || !algorithms.includes(alg))
      throw new InvalidTokenError(`oidc: verify token: id token signed with unsupported algorithm`);
    // An extension that has to be understood: RFC 7515 section 4.1.11.
    if (crit !== undefined) throw new InvalidTokenError('oidc: verify token: unsupported crit header');
    const checked = keys.verify({
      algorithm: alg,
      keyId: typeof kid === 'string' && kid !== '' ? kid : undefined,
      signed: Buffer.from(`${header}.${payload}`),
      signature: Buffer.from(signature, 'base64url'),
    });
    return checked ? checked.then(() => this.#read(claims)) : this.#read(claims);
  }

  #read(claims: Claims): Verified {
    const { audiences, mapper } = this.#options;
    const { exp, nbf, aud } = claims;
    const now = this.#now();
    const expiresAt = typeof exp === 'number' ? exp * SECOND_MS : 0;
    if (expiresAt <= now) throw new InvalidTokenError('oidc: verify token: token is expired');
    // A time that cannot be read is not one that has come.
    if (nbf !== undefined && nbf !== null && typeof nbf !== 'number')
      throw new InvalidTokenError('oidc: verify token: malformed nbf (not before) time');
    if (typeof nbf === 'number' && nbf * SECOND_MS > now + NOT_BEFORE_LEEWAY_MS)
      throw new InvalidTokenError('oidc: verify token: current time before the nbf (not before) time');
    const named: unknown[] = Array.isArray(aud) ? aud : [aud];
    if (!audiences.some((audience) => named.includes(audience)))
      throw new InvalidTokenError(`oidc: expected audience in ${JSON.stringify(audiences)}`);
    return { user: authenticated(mapper.userOf(claims)), expiresAt };
  }
}

const issuerOf = ({ iss }: Claims): unknown => LEGACY_ISSUERS.get(iss) ?? iss;

function headerOf(part: string): Record<string, unknown> {
  try {
    const header: unknown = JSON.parse(Buffer.from(part, 'base64url').toString());
    if (isJsonObject(header)) return header;
  } catch (error) {
    throw new InvalidTokenError('oidc: malformed token', { cause: error });
  }
  throw new InvalidTokenError('oidc: malformed token');
}
