/**
 * JSON Web Signatures (RFC 7515, compact form) with ES256 only. Synchronous, since verification is on the path of requests and
 * must not queue in the thread pool behind Web Crypto.
 */
import { createHash, createPublicKey, sign, verify, type KeyObject } from 'node:crypto';

const ALGORITHM = 'ES256';
/** JOSE encodes an ECDSA signature as r and s concatenated, not as DER: RFC 7518 section 3.4. */
const ENCODING = 'ieee-p1363';

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** The key id as upstream derives it: the SHA-256 of the public key. */
export function keyId(key: KeyObject): string {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url');
}

export function signJws(payload: object, key: KeyObject, kid: string): string {
  const signed = `${encode({ alg: ALGORITHM, kid })}.${encode(payload)}`;
  const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: ENCODING });
  return `${signed}.${signature.toString('base64url')}`;
}

function parse(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString());
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** The payload, not verified; undefined when the token is not a JWS with a JSON payload. */
export function peekJws(token: string): Record<string, unknown> | undefined {
  const parts = token.split('.');
  return parts.length === 3 && parts[1] ? parse(parts[1]) : undefined;
}

/** Whether the token is signed by one of the keys (by id). */
export function verifyJws(token: string, keys: ReadonlyMap<string, KeyObject>): boolean {
  const end = token.lastIndexOf('.');
  const header = parse(token.slice(0, token.indexOf('.')));
  const key = typeof header?.['kid'] === 'string' ? keys.get(header['kid']) : undefined;
  if (!key || header?.['alg'] !== ALGORITHM) return false;
  const signature = Buffer.from(token.slice(end + 1), 'base64url');
  return verify('sha256', Buffer.from(token.slice(0, end)), { key, dsaEncoding: ENCODING }, signature);
}
