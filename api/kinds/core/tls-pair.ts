/** Whether a certificate and a private key belong together, with the errors of Go's `tls.X509KeyPair`: upstream shows them as warnings. */
import { createPrivateKey, createPublicKey, X509Certificate, type KeyObject } from 'node:crypto';

interface PemBlock {
  readonly type: string;
  readonly bytes: Buffer;
}

const BEGIN = '-----BEGIN ';
const END = '\n-----END ';
const DASHES = '-----';
const PRIVATE_KEY = 'PRIVATE KEY';
const KEY_TYPES: ReadonlySet<string | undefined> = new Set(['rsa', 'ec', 'ed25519']);
/** A block's header lines, such as `DEK-Info: ...`, end with an empty one. */
const HEADERS = /^[^\n]*:[^]*?\r?\n\r?\n/;

/** What is wrong with a pair, in PEM; undefined when nothing is. */
export function tlsPairProblem(certificate: string, key: string): string | undefined {
  const certificates = pemBlocks(certificate);
  const leaf = certificates.find(({ type }) => type === 'CERTIFICATE');
  if (!leaf) return noCertificate(typesOf(certificates));
  const keys = pemBlocks(key);
  const privateKey = keys.find(({ type }) => type === PRIVATE_KEY || type.endsWith(` ${PRIVATE_KEY}`));
  if (!privateKey) return noKey(typesOf(keys));
  return mismatch(leaf.bytes, privateKey.bytes);
}

const typesOf = (blocks: readonly PemBlock[]): readonly string[] => blocks.map(({ type }) => type);

function noCertificate(types: readonly string[]): string {
  if (types.length === 0) return 'tls: failed to find any PEM data in certificate input';
  if (types.length === 1 && types[0]?.endsWith(PRIVATE_KEY))
    return 'tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched';
  return `tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following types: [${types.join(' ')}]`;
}

function noKey(types: readonly string[]): string {
  if (types.length === 0) return 'tls: failed to find any PEM data in key input';
  if (types.length === 1 && types[0] === 'CERTIFICATE')
    return 'tls: found a certificate rather than a key in the PEM for the private key';
  return `tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of the following types: [${types.join(' ')}]`;
}

function mismatch(certificate: Buffer, key: Buffer): string | undefined {
  const publicKey = attempt(() => new X509Certificate(certificate).publicKey);
  if (!publicKey) return 'x509: malformed certificate';
  const privateKey = (['pkcs1', 'pkcs8', 'sec1'] as const)
    .map((type) => attempt(() => createPrivateKey({ key, format: 'der', type })))
    .find((parsed) => parsed !== undefined);
  if (!privateKey) return 'tls: failed to parse private key';
  if (!KEY_TYPES.has(privateKey.asymmetricKeyType)) return 'tls: found unknown private key type in PKCS#8 wrapping';
  if (!KEY_TYPES.has(publicKey.asymmetricKeyType)) return 'tls: unknown public key algorithm';
  if (publicKey.asymmetricKeyType !== privateKey.asymmetricKeyType)
    return 'tls: private key type does not match public key type';
  return createPublicKey(privateKey).equals(publicKey) ? undefined : 'tls: private key does not match public key';
}

/** Undefined for what OpenSSL cannot read. */
function attempt(read: () => KeyObject): KeyObject | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** The blocks of a text; what is around them, and what is none, is skipped. Linear in the length of the text. */
function pemBlocks(text: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  let end = -1;
  for (let begin = text.indexOf(BEGIN); begin >= 0; begin = text.indexOf(BEGIN, begin + 1)) {
    if (begin > 0 && text[begin - 1] !== '\n') continue;
    const lineEnd = text.indexOf('\n', begin);
    if (lineEnd < 0) break;
    const line = text.slice(begin + BEGIN.length, lineEnd).trimEnd();
    if (!line.endsWith(DASHES)) continue;
    const type = line.slice(0, -DASHES.length);
    // The same end is found again by all that begin before it.
    if (end < lineEnd) end = text.indexOf(END, lineEnd);
    if (end < 0) break;
    if (!text.startsWith(type + DASHES, end + END.length)) continue;
    const bytes = decoded(text.slice(lineEnd + 1, end + 1));
    if (bytes) blocks.push({ type, bytes });
    begin = end;
  }
  return blocks;
}

function decoded(body: string): Buffer | undefined {
  const base64 = body.replace(HEADERS, '').replaceAll(/\s/g, '');
  return /^[A-Za-z0-9+/]*={0,2}$/.test(base64) && base64.length % 4 === 0 ? Buffer.from(base64, 'base64') : undefined;
}
