import type { KeyObject } from 'node:crypto';
import { isJsonObject } from '../../../../api/machinery/own.ts';
import { authenticated, serviceAccountGroups, serviceAccountUserName, type User } from '../../http/user.ts';
import type { BoundObjects } from './bound-objects.ts';
import type { ObjectLifetime } from './object-lifetime.ts';
import type { KubernetesClaims, ObjectIdentity } from './service-account-issuer.ts';
import { InvalidTokenError, type AuthenticatedToken, type TokenAuthenticator } from './token-authenticator.ts';
import { VerifiedTokens } from './verified-tokens.ts';

const SECOND_MS = 1000;
/** Tolerated clock skew between servers: go-jose's leeway, which upstream uses. */
const CLOCK_LEEWAY_MS = 60 * SECOND_MS;
/** How long a token stays valid after its object's deletionTimestamp, so that pods can shut down in order: upstream's 60 s. */
const DELETION_LEEWAY_MS = 60 * SECOND_MS;

interface VerifiedToken {
  readonly user: User;
  readonly audiences: readonly string[];
  readonly notBefore: number;
  readonly expiresAt: number;
  readonly bound: KubernetesClaims;
}

function readIdentity(value: unknown): ObjectIdentity | undefined {
  if (!isJsonObject(value) || typeof value['name'] !== 'string' || typeof value['uid'] !== 'string') return undefined;
  return { name: value['name'], uid: value['uid'] };
}

function readBinding(value: unknown): KubernetesClaims | undefined {
  const serviceaccount = isJsonObject(value) ? readIdentity(value['serviceaccount']) : undefined;
  if (!isJsonObject(value) || typeof value['namespace'] !== 'string' || !serviceaccount) return undefined;
  return {
    namespace: value['namespace'],
    serviceaccount,
    pod: readIdentity(value['pod']),
    secret: readIdentity(value['secret']),
    node: readIdentity(value['node']),
  };
}

function userOf({ namespace, serviceaccount, pod, node }: KubernetesClaims, tokenId: string): User {
  const prefix = 'authentication.kubernetes.io/';
  return authenticated({
    name: serviceAccountUserName(namespace, serviceaccount.name),
    uid: serviceaccount.uid,
    groups: serviceAccountGroups(namespace),
    extra: {
      ...(tokenId && { [`${prefix}credential-id`]: [`JTI=${tokenId}`] }),
      ...(node && { [`${prefix}node-name`]: [node.name], [`${prefix}node-uid`]: [node.uid] }),
      ...(pod && { [`${prefix}pod-name`]: [pod.name], [`${prefix}pod-uid`]: [pod.uid] }),
    },
  });
}

function readToken(claims: Record<string, unknown>): VerifiedToken {
  const bound = readBinding(claims['kubernetes.io']);
  const { exp, nbf, aud, sub, jti } = claims;
  const audiences = (Array.isArray(aud) ? aud : [aud]).filter((audience) => typeof audience === 'string');
  if (!bound || typeof exp !== 'number' || sub !== serviceAccountUserName(bound.namespace, bound.serviceaccount.name)) {
    throw new InvalidTokenError('token has no service account claims');
  }
  return {
    user: userOf(bound, typeof jti === 'string' ? jti : ''),
    audiences,
    notBefore: typeof nbf === 'number' ? nbf * SECOND_MS : 0,
    expiresAt: exp * SECOND_MS,
    bound,
  };
}

export interface ServiceAccountTokenOptions {
  readonly issuer: string;
  readonly publicKeys: ReadonlyMap<string, KeyObject>;
  readonly objects: BoundObjects;
  readonly now?: () => number;
}

/**
 * Verifies service account tokens. A token's signature is verified once; its validity period, and that its service account and
 * the object it is bound to still exist unchanged, are checked with every request.
 */
export class ServiceAccountTokenAuthenticator implements TokenAuthenticator {
  readonly #options: ServiceAccountTokenOptions;
  readonly #now: () => number;
  readonly #verified: VerifiedTokens<VerifiedToken>;

  constructor(options: ServiceAccountTokenOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    const { issuer, publicKeys } = options;
    this.#verified = new VerifiedTokens({ issuer, publicKeys, read: readToken });
  }

  authenticateToken(token: string, audiences: readonly string[]): AuthenticatedToken | undefined {
    const verified = this.#verified.get(token);
    if (!verified) return undefined;
    const now = this.#now();
    if (verified.expiresAt <= now) throw new InvalidTokenError('service account token has expired');
    if (verified.notBefore > now + CLOCK_LEEWAY_MS)
      throw new InvalidTokenError('service account token is not valid yet');
    const matching = audiences.filter((audience) => verified.audiences.includes(audience));
    if (matching.length === 0) {
      throw new InvalidTokenError(
        `token audiences ${JSON.stringify(verified.audiences)} is invalid for the target audiences ${JSON.stringify(audiences)}`,
      );
    }
    this.#checkBinding(verified.bound, now);
    return { user: verified.user, audiences: matching };
  }

  #checkBinding({ namespace, serviceaccount, pod, secret, node }: KubernetesClaims, now: number): void {
    const { objects } = this.#options;
    const check = (identity: ObjectIdentity, life: ObjectLifetime | undefined): void => {
      const ended = life?.endsAt !== undefined && life.endsAt + DELETION_LEEWAY_MS < now;
      if (life?.uid !== identity.uid || ended)
        throw new InvalidTokenError('service account token has been invalidated');
    };
    check(serviceaccount, objects.serviceAccount(namespace, serviceaccount.name));
    if (pod) check(pod, objects.pod(namespace, pod.name));
    else if (secret) check(secret, objects.secret(namespace, secret.name));
    else if (node) check(node, objects.node(node.name));
  }
}
