/** Issues service account tokens: https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/ */
import { createPrivateKey, createPublicKey, randomUUID, type KeyObject } from 'node:crypto';
import { keyId, signJws } from './jws.ts';
import { serviceAccountUserName } from '../../http/user.ts';

/**
 * The lifetime that every pod's projected volume requests. As upstream's by default, such tokens are valid for a year, for
 * programs that never reread the file; they become invalid anyway once the pod they are bound to is deleted.
 */
export const POD_TOKEN_SECONDS = 3607;

export interface ObjectIdentity {
  readonly name: string;
  readonly uid: string;
}

/** The claim `kubernetes.io`: what a token is bound to. */
export interface KubernetesClaims {
  readonly namespace: string;
  readonly serviceaccount: ObjectIdentity;
  readonly pod?: ObjectIdentity;
  readonly secret?: ObjectIdentity;
  readonly node?: ObjectIdentity;
  /** Seconds since the epoch: when a token with an extended lifetime should have been refreshed. */
  readonly warnafter?: number;
}

export interface ServiceAccountClaims {
  readonly iss: string;
  readonly sub: string;
  readonly aud: readonly string[];
  readonly iat: number;
  readonly nbf: number;
  readonly exp: number;
  readonly jti: string;
  readonly 'kubernetes.io': KubernetesClaims;
}

export interface TokenOptions {
  readonly subject: KubernetesClaims;
  readonly audiences: readonly string[];
  readonly lifetimeSeconds: number;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

const SECOND_MS = 1000;

/** The issuer of a cluster's tokens, which is their audience, too. @param clusterDomain `cluster.local` */
export const serviceAccountIssuerUrl = (clusterDomain: string): string =>
  `https://kubernetes.default.svc.${clusterDomain}`;

export class ServiceAccountTokenIssuer {
  readonly issuer: string;
  /** Verification keys by id. */
  readonly publicKeys: ReadonlyMap<string, KeyObject>;
  readonly #key: KeyObject;
  readonly #keyId: string;

  /**
   * @param privateKeyPem an ECDSA P-256 key: `serviceAccountKey` of the PKI
   * @param otherKeys PEM of public keys whose tokens are valid, too: `otherServiceAccountKeys`
   */
  constructor(issuer: string, privateKeyPem: string, otherKeys: readonly string[] = []) {
    this.issuer = issuer;
    this.#key = createPrivateKey(privateKeyPem);
    this.#keyId = keyId(this.#key);
    this.publicKeys = new Map(
      [createPublicKey(this.#key), ...otherKeys.map((pem) => createPublicKey(pem))].map((key) => [keyId(key), key]),
    );
  }

  issue({ subject, audiences, lifetimeSeconds, now }: TokenOptions): string {
    const issuedAt = Math.floor(now / SECOND_MS);
    const claims: ServiceAccountClaims = {
      aud: audiences,
      exp: issuedAt + lifetimeSeconds,
      iat: issuedAt,
      iss: this.issuer,
      jti: randomUUID(),
      'kubernetes.io': subject,
      nbf: issuedAt,
      sub: serviceAccountUserName(subject.namespace, subject.serviceaccount.name),
    };
    return signJws(claims, this.#key, this.#keyId);
  }

  /** The OpenID Connect discovery document at `/.well-known/openid-configuration`. */
  discoveryDocument(): object {
    return {
      issuer: this.issuer,
      jwks_uri: `${this.issuer}/openid/v1/jwks`,
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['ES256'],
    };
  }

  /** The JSON Web Key Set (RFC 7517) at `/openid/v1/jwks`. */
  keySet(): object {
    return {
      keys: [...this.publicKeys].map(([kid, key]) => ({
        use: 'sig',
        kid,
        alg: 'ES256',
        ...key.export({ format: 'jwk' }),
      })),
    };
  }
}
