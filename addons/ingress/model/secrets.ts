/** What Secrets and ConfigMaps hold for Ingresses: certificates, passwords, headers. Pure; each throws ContentError. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { msUntil } from '../../../client/clock.ts';
import { own } from '../../../api/machinery/own.ts';
import { validateHttpHeaderName } from '../../../api/machinery/names.ts';
import type { ConfigMap, Secret } from '../../../api/types/core/v1.gen.ts';
import type { User } from './model.ts';

/** The message is a sentence about the object, without its content. */
export class ContentError extends Error {
  override readonly name = 'ContentError';
}

const MAX_PEM = 512 * 1024;
const CERTIFICATES = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

const textOf = ({ data }: Secret, key: string): string | undefined => {
  const encoded = own(data, key);
  return encoded === undefined ? undefined : Buffer.from(encoded, 'base64').toString('utf8');
};

function certificatesIn(text: string, what: string): X509Certificate[] {
  if (text.length > MAX_PEM) throw new ContentError(`${what} is longer than ${MAX_PEM} bytes`);
  const blocks = text.match(CERTIFICATES) ?? [];
  if (blocks.length === 0) throw new ContentError(`${what} has no certificate in PEM`);
  return blocks.map((block) => {
    try {
      return new X509Certificate(block);
    } catch (error) {
      throw new ContentError(`${what} has a certificate that cannot be read`, { cause: error });
    }
  });
}

const written = (certificates: readonly X509Certificate[]): string =>
  certificates.map((each) => each.toString()).join('');

/** What a version of an object has is parsed once, and what is wrong with it is found once: many may refer to it. */
function once<T extends object>(parse: (object: T) => string): (object: T) => string {
  const parsed = new WeakMap<T, string | ContentError>();
  return (object) => {
    let known = parsed.get(object);
    if (known === undefined) {
      try {
        known = parse(object);
      } catch (error) {
        if (!(error instanceof ContentError)) throw error;
        known = error;
      }
      parsed.set(object, known);
    }
    if (known instanceof ContentError) throw known;
    return known;
  };
}

/** The chain and key of a Secret of type kubernetes.io/tls, written anew: nothing else of it gets into a file. */
export const certificateOf = once(parseCertificate);

function parseCertificate(secret: Secret): string {
  const certificate = textOf(secret, 'tls.crt');
  const key = textOf(secret, 'tls.key');
  if (certificate === undefined || key === undefined) throw new ContentError('has no tls.crt and tls.key');
  const chain = certificatesIn(certificate, 'tls.crt');
  let privateKey;
  try {
    privateKey = createPrivateKey(key);
  } catch (error) {
    throw new ContentError('tls.key cannot be read', { cause: error });
  }
  if (!chain[0]?.checkPrivateKey(privateKey)) throw new ContentError('tls.key is not the key of tls.crt');
  if (msUntil(Date.parse(chain[0].validTo)) < 0) throw new ContentError(`tls.crt expired on ${chain[0].validTo}`);
  return written(chain) + privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function parseCa(text: string | undefined): string {
  if (text === undefined) throw new ContentError('has no ca.crt');
  return written(certificatesIn(text, 'ca.crt'));
}

/** The CA certificates under `ca.crt`. */
export const caOf = once((secret: Secret) => parseCa(textOf(secret, 'ca.crt')));

/** The CA certificates under `ca.crt`. */
export const caOfMap = once(({ data }: ConfigMap) => parseCa(own(data, 'ca.crt')));

export const hasCertificate = ({ data }: Secret): boolean => own(data, 'tls.crt') !== undefined;

const MAX_USERS = 10_000;
/** Hashes that crypt(3) knows: MD5, bcrypt, SHA-256, SHA-512, yescrypt. */
const HASH = /^\$(1|2[aby]|5|6|y)\$[A-Za-z0-9./$=,]{8,200}$/;
const USER_NAME = /^[A-Za-z0-9_.@+-]{1,128}$/;

export interface UserList {
  readonly users: readonly User[];
  /** How many were left out, as their names or hashes cannot be used. */
  readonly unusable: number;
}

/** Names and hashes of an `auth-secret`. */
export function usersOf(secret: Secret, type: 'auth-file' | 'auth-map'): UserList {
  const lines =
    type === 'auth-map'
      ? Object.keys(secret.data ?? {}).map((name) => `${name}:${(textOf(secret, name) ?? '').trim()}`)
      : (textOf(secret, 'auth') ?? '').split('\n');
  if (type === 'auth-file' && textOf(secret, 'auth') === undefined) throw new ContentError('has no key auth');
  const entries = lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));
  if (entries.length > MAX_USERS) throw new ContentError(`has more than ${MAX_USERS} users`);
  const users = new Map<string, string>();
  let unusable = 0;
  for (const entry of entries) {
    const [name = '', hash = ''] = entry.split(':', 2);
    if (USER_NAME.test(name) && HASH.test(hash)) users.set(name, hash);
    else unusable++;
  }
  return { users: [...users].map(([name, hash]) => ({ name, hash })), unusable };
}

/** Headers that frame a message, or that this proxy answers for. */
export const FRAMING_HEADERS: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'transfer-encoding',
  'upgrade',
  'keep-alive',
  'te',
  'trailer',
]);
const MAX_HEADERS = 64;

export function headersOf({ data }: ConfigMap): (readonly [string, string])[] {
  const headers = Object.entries(data ?? {});
  if (headers.length > MAX_HEADERS) throw new ContentError(`has more than ${MAX_HEADERS} headers`);
  for (const [name, value] of headers) {
    if (validateHttpHeaderName(name).length > 0 || /['"`%]/.test(name) || FRAMING_HEADERS.has(name.toLowerCase()))
      throw new ContentError(`has ${JSON.stringify(name)}, which is no name of a header that may be set`);
    if (!/^[ -~]{0,4096}$/.test(value)) throw new ContentError(`has a value of ${name} that is not printable ASCII`);
  }
  return headers;
}
