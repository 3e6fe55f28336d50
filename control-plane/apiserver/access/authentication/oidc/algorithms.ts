/** The signing algorithms of ID tokens (RFC 7518, section 3.1): all but those with a secret that both sides know. */
import { constants, verify, type KeyObject } from 'node:crypto';

interface Algorithm {
  readonly keyType: 'rsa' | 'ec';
  readonly hash: string;
  /** Of an EC key, as OpenSSL calls it. */
  readonly curve?: string;
  readonly isPss?: boolean;
}

const ALGORITHMS: ReadonlyMap<string, Algorithm> = new Map([
  ['RS256', { keyType: 'rsa', hash: 'sha256' }],
  ['RS384', { keyType: 'rsa', hash: 'sha384' }],
  ['RS512', { keyType: 'rsa', hash: 'sha512' }],
  ['PS256', { keyType: 'rsa', hash: 'sha256', isPss: true }],
  ['PS384', { keyType: 'rsa', hash: 'sha384', isPss: true }],
  ['PS512', { keyType: 'rsa', hash: 'sha512', isPss: true }],
  ['ES256', { keyType: 'ec', hash: 'sha256', curve: 'prime256v1' }],
  ['ES384', { keyType: 'ec', hash: 'sha384', curve: 'secp384r1' }],
  ['ES512', { keyType: 'ec', hash: 'sha512', curve: 'secp521r1' }],
]);

export const SIGNING_ALGORITHMS: readonly string[] = [...ALGORITHMS.keys()];

/** Whether the signature is one of the key by the algorithm; false for a key of another type. Synchronous, as `jws.ts` says why. */
export function isSigned(signed: Buffer, signature: Buffer, name: string, key: KeyObject): boolean {
  const algorithm = ALGORITHMS.get(name);
  if (!algorithm || key.asymmetricKeyType !== algorithm.keyType) return false;
  const { hash, curve, isPss } = algorithm;
  if (curve !== undefined) {
    // JOSE has r and s one after the other: RFC 7518 section 3.4.
    return (
      key.asymmetricKeyDetails?.namedCurve === curve &&
      verify(hash, signed, { key, dsaEncoding: 'ieee-p1363' }, signature)
    );
  }
  if (!isPss) return verify(hash, signed, { key, padding: constants.RSA_PKCS1_PADDING }, signature);
  const saltLength = constants.RSA_PSS_SALTLEN_DIGEST;
  return verify(hash, signed, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }, signature);
}
