/** Bootstrap tokens: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/ */
import { timingSafeEqual } from 'node:crypto';
import {
  BOOTSTRAP_TOKEN,
  BOOTSTRAP_TOKEN_NAMESPACE,
  BOOTSTRAP_TOKEN_TYPE,
  BOOTSTRAP_USER_PREFIX,
  bootstrapSecretName,
} from '../../../../api/domain/bootstrap-token.ts';
import { secrets } from '../../../../api/kinds/core/secret.ts';
import type { LocalApi } from '../../catalogue/local-api.ts';
import { AUTHENTICATED_GROUP, BOOTSTRAPPERS_GROUP } from '../../http/user.ts';
import { InvalidTokenError, type AuthenticatedToken, type TokenAuthenticator } from './token-authenticator.ts';
import { own } from '../../../../api/machinery/own.ts';
import type { Secret } from '../../../../api/types/core/v1.gen.ts';

const EXTRA_GROUP = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;

const text = (secret: Secret, key: string): string => Buffer.from(own(secret.data, key) ?? '', 'base64').toString();

/** Whether this is the secret part of the token that the Secret is of. */
export function isSecretOf(secret: Secret, given: string): boolean {
  const [a, b] = [Buffer.from(text(secret, 'token-secret')), Buffer.from(given)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** The extra groups in a token's Secret; undefined when one of them lacks the prefix system:bootstrappers:. */
function extraGroups(secret: Secret): string[] | undefined {
  const groups = text(secret, 'auth-extra-groups')
    .split(',')
    .map((group) => group.trim())
    .filter((group) => group !== '');
  return groups.every((group) => EXTRA_GROUP.test(group)) ? groups : undefined;
}

/** Why the token cannot be used to authenticate at `now` (milliseconds since the epoch); undefined when it can. */
function fault(secret: Secret, id: string, now: number): string | undefined {
  if (secret.type !== BOOTSTRAP_TOKEN_TYPE || text(secret, 'token-id') !== id) return 'is not a bootstrap token';
  if (secret.metadata?.deletionTimestamp) return 'is being deleted';
  const expiration = text(secret, 'expiration');
  // An unparsable expiration counts as expired.
  if (expiration !== '' && !(Date.parse(expiration) > now)) return 'has expired';
  if (text(secret, 'usage-bootstrap-authentication') !== 'true') return 'is not for authentication';
  return undefined;
}

export class BootstrapTokenAuthenticator implements TokenAuthenticator {
  readonly #api: Pick<LocalApi, 'get'>;
  readonly #now: () => number;

  constructor(api: Pick<LocalApi, 'get'>, now: () => number = Date.now) {
    this.#api = api;
    this.#now = now;
  }

  authenticateToken(token: string, audiences: readonly string[]): AuthenticatedToken | undefined {
    const [, id, given] = BOOTSTRAP_TOKEN.exec(token) ?? [];
    if (id === undefined || given === undefined) return undefined;
    const secret = this.#api.get(secrets, BOOTSTRAP_TOKEN_NAMESPACE, bootstrapSecretName(id));
    if (!secret || !isSecretOf(secret, given)) return undefined;
    const wrong = fault(secret, id, this.#now());
    if (wrong) throw new InvalidTokenError(`bootstrap token ${id} ${wrong}`);
    const groups = extraGroups(secret);
    if (!groups) throw new InvalidTokenError(`bootstrap token ${id} has an extra group outside system:bootstrappers`);
    return {
      user: { name: `${BOOTSTRAP_USER_PREFIX}${id}`, groups: [BOOTSTRAPPERS_GROUP, ...groups, AUTHENTICATED_GROUP] },
      audiences,
    };
  }
}
