import type { KeyObject } from 'node:crypto';
import { secrets } from '../../../../api/kinds/core/secret.ts';
import type { LocalApi } from '../../catalogue/local-api.ts';
import { authenticated, serviceAccountGroups, serviceAccountUserName } from '../../http/user.ts';
import { LEGACY_ISSUER, readLegacySubject, type LegacySubject } from './legacy-token.ts';
import type { LegacyTokenUses } from './legacy-token-uses.ts';
import type { ServiceAccountIndex } from './service-account-index.ts';
import { InvalidTokenError, type AuthenticatedToken, type TokenAuthenticator } from './token-authenticator.ts';
import { TOKEN_INVALID_SINCE } from '../../../../api/domain/service-accounts.ts';
import { VerifiedTokens } from './verified-tokens.ts';

export interface LegacyTokenOptions {
  readonly publicKeys: ReadonlyMap<string, KeyObject>;
  /** The server's own audiences: these tokens, which name none, are valid for them. */
  readonly audiences: readonly string[];
  readonly api: Pick<LocalApi, 'get'>;
  readonly accounts: Pick<ServiceAccountIndex, 'get'>;
  readonly uses: Pick<LegacyTokenUses, 'note'>;
}

/** Verifies tokens of Secrets: a token is valid while its Secret holds it and its service account exists. */
export class LegacyTokenAuthenticator implements TokenAuthenticator {
  readonly #options: LegacyTokenOptions;
  readonly #verified: VerifiedTokens<LegacyToken>;

  constructor(options: LegacyTokenOptions) {
    this.#options = options;
    this.#verified = new VerifiedTokens({ issuer: LEGACY_ISSUER, publicKeys: options.publicKeys, read });
  }

  authenticateToken(token: string, audiences: readonly string[]): AuthenticatedToken | undefined {
    const verified = this.#verified.get(token);
    if (!verified) return undefined;
    const matching = audiences.filter((audience) => this.#options.audiences.includes(audience));
    if (matching.length === 0) {
      throw new InvalidTokenError(
        `token audiences ${JSON.stringify(this.#options.audiences)} is invalid for the target audiences ${JSON.stringify(audiences)}`,
      );
    }
    const fault = this.#fault(token, verified.subject);
    if (fault !== undefined) throw new InvalidTokenError(fault);
    return { user: verified.user, audiences: matching };
  }

  /** Why the token is invalid at this time; undefined when it is valid. */
  #fault(token: string, { namespace, account, accountUid, secret: name }: LegacySubject): string | undefined {
    const { api, accounts, uses } = this.#options;
    const secret = api.get(secrets, namespace, name);
    if (!secret || secret.metadata?.deletionTimestamp) return 'service account token has been invalidated';
    if (Buffer.from(secret.data?.['token'] ?? '', 'base64').toString() !== token)
      return "service account token does not match server's copy";
    const life = accounts.get(namespace, account);
    if (life?.uid !== accountUid || life.endsAt !== undefined) return 'service account token has been invalidated';
    uses.note(secret);
    if (secret.metadata?.labels?.[TOKEN_INVALID_SINCE])
      return `the token in secret ${namespace}/${name} for service account ${namespace}/${account} has been marked invalid`;
    return undefined;
  }
}

interface LegacyToken extends Pick<AuthenticatedToken, 'user'> {
  readonly subject: LegacySubject;
}

function read(claims: Record<string, unknown>): LegacyToken {
  const subject = readLegacySubject(claims);
  if (!subject) throw new InvalidTokenError('token has no service account claims');
  const name = serviceAccountUserName(subject.namespace, subject.account);
  const groups = serviceAccountGroups(subject.namespace);
  return { subject, user: authenticated({ name, uid: subject.accountUid, groups }) };
}
