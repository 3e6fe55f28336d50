/**
 * Signs X.509 certificates. Importing this module costs 12 MB of resident memory, so everything except the certificate
 * controller's worker, which signs often, loads it on demand: `await import()`.
 */
import 'reflect-metadata';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  Extension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  PublicKey,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
  type JsonGeneralName,
} from '@peculiar/x509';
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';
import { isIP } from 'node:net';
import { CertificateRequestError, type CertificateRequest } from '../../api/kinds/certificates/certificate-request.ts';
import type { KeyPair } from './pem-files.ts';

const SECOND_MS = 1000;
const DAY_MS = 24 * 3600 * SECOND_MS;
/** Tolerates peers whose clock is behind; upstream's signer backdates as much. */
const BACKDATED_MS = 5 * 60 * SECOND_MS;
const AUTHORITY_LIFETIME_MS = 10 * 365 * DAY_MS;
/** The longest lifetime of a signed request: upstream's --cluster-signing-duration. */
export const MAX_SIGNED_SECONDS = (365 * DAY_MS) / SECOND_MS;

export interface CertificateSubject {
  readonly commonName: string;
  readonly organizations?: readonly string[];
}

export interface CertificateTemplate extends CertificateSubject {
  /** DNS names and IP addresses. */
  readonly names?: readonly string[];
  /** As in a CertificateSigningRequest: `client auth`, `server auth`, ... */
  readonly usages: readonly string[];
  readonly lifetimeMs: number;
  readonly now: number;
}

const KEY_USAGES: ReadonlyMap<string, KeyUsageFlags> = new Map([
  ['signing', KeyUsageFlags.digitalSignature],
  ['digital signature', KeyUsageFlags.digitalSignature],
  ['content commitment', KeyUsageFlags.nonRepudiation],
  ['key encipherment', KeyUsageFlags.keyEncipherment],
  ['data encipherment', KeyUsageFlags.dataEncipherment],
  ['key agreement', KeyUsageFlags.keyAgreement],
  ['encipher only', KeyUsageFlags.encipherOnly],
  ['decipher only', KeyUsageFlags.decipherOnly],
]);

const EXTENDED_KEY_USAGES: ReadonlyMap<string, string> = new Map([
  ['server auth', ExtendedKeyUsage.serverAuth],
  ['client auth', ExtendedKeyUsage.clientAuth],
  ['code signing', ExtendedKeyUsage.codeSigning],
  ['email protection', ExtendedKeyUsage.emailProtection],
  ['s/mime', ExtendedKeyUsage.emailProtection],
  ['timestamping', ExtendedKeyUsage.timeStamping],
  ['ocsp signing', ExtendedKeyUsage.ocspSigning],
]);

function usageExtensions(usages: readonly string[]): Extension[] {
  let flags = 0;
  const extended = new Set<string>();
  for (const usage of usages) {
    const flag = KEY_USAGES.get(usage);
    const purpose = EXTENDED_KEY_USAGES.get(usage);
    if (flag !== undefined) flags |= flag;
    else if (purpose !== undefined) extended.add(purpose);
    else throw new CertificateRequestError(`usage ${JSON.stringify(usage)} is not supported by this cluster's signers`);
  }
  return [
    ...(flags ? [new KeyUsagesExtension(flags, true)] : []),
    ...(extended.size ? [new ExtendedKeyUsageExtension([...extended])] : []),
  ];
}

const generalName = (name: string): JsonGeneralName =>
  isIP(name) ? { type: 'ip', value: name } : { type: 'dns', value: name };

/** O before CN, each in an RDN of its own, in the order of upstream's tools. */
const distinguishedName = ({ commonName, organizations = [] }: CertificateSubject): Name =>
  new Name([...organizations.map((organization) => ({ O: [organization] })), { CN: [commonName] }]);

const CURVES: ReadonlyMap<string, { namedCurve: string; hash: string }> = new Map([
  ['prime256v1', { namedCurve: 'P-256', hash: 'SHA-256' }],
  ['secp384r1', { namedCurve: 'P-384', hash: 'SHA-384' }],
  ['secp521r1', { namedCurve: 'P-521', hash: 'SHA-512' }],
]);

/** The Web Crypto algorithm of a CA's key. An operator's own CA may be RSA. */
function algorithmOf(key: KeyObject): { name: string; hash: string; namedCurve?: string } {
  if (key.asymmetricKeyType === 'rsa') return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
  const curve = CURVES.get(key.asymmetricKeyDetails?.namedCurve ?? '');
  if (key.asymmetricKeyType === 'ec' && curve) return { name: 'ECDSA', ...curve };
  throw new Error(`a certificate authority's key must be RSA or ECDSA, not ${key.asymmetricKeyType}`);
}

/** A positive 128-bit number without a leading zero byte: RFC 5280 section 4.1.2.2. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes.writeUInt8((bytes.readUInt8(0) & 0x7f) | 0x40, 0);
  return bytes.toString('hex');
}

const pkcs8 = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();
const pem = (certificate: X509Certificate): string => `${certificate.toString('pem').trim()}\n`;

interface Signed {
  readonly subject: Name;
  readonly publicKey: PublicKey;
  readonly extensions: readonly Extension[];
  readonly notBefore: number;
  readonly notAfter: number;
}

async function sign(authority: KeyPair, signed: Signed): Promise<string> {
  const issuer = new X509Certificate(authority.certificate);
  const key = createPrivateKey(authority.key);
  const algorithm = algorithmOf(key);
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: signed.subject,
    issuer: issuer.subjectName,
    notBefore: new Date(signed.notBefore),
    // A certificate that outlives its CA cannot be verified.
    notAfter: new Date(Math.min(signed.notAfter, issuer.notAfter.getTime())),
    publicKey: signed.publicKey,
    signingKey: key.toCryptoKey(algorithm, false, ['sign']),
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      await SubjectKeyIdentifierExtension.create(signed.publicKey),
      await AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      ...signed.extensions,
    ],
  });
  return pem(certificate);
}

const newKey = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;

/** Creates a self-signed CA, valid for ten years, with the given private key (PEM) or a new one (ECDSA P-256). */
export async function createAuthority(commonName: string, now: number, keyPem?: string): Promise<KeyPair> {
  const key = keyPem === undefined ? newKey() : createPrivateKey(keyPem);
  const algorithm = algorithmOf(key);
  const publicKey = createPublicKey(key).toCryptoKey(algorithm, true, ['verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: distinguishedName({ commonName }),
    notBefore: new Date(now - BACKDATED_MS),
    notAfter: new Date(now + AUTHORITY_LIFETIME_MS),
    keys: { privateKey: key.toCryptoKey(algorithm, false, ['sign']), publicKey },
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(
        KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment | KeyUsageFlags.keyCertSign,
        true,
      ),
      await SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
  return { certificate: pem(certificate), key: pkcs8(key) };
}

/**
 * The subject and key of a CA, signed by another one: who trusts that one only verifies by it what the CA signs. Valid for as long as both.
 * @param certificate PEM of the CA
 */
export async function crossSign(certificate: string, by: KeyPair, now: number): Promise<string> {
  const [own, issuer] = [new X509Certificate(certificate), new X509Certificate(by.certificate)];
  const key = createPrivateKey(by.key);
  const algorithm = algorithmOf(key);
  const made = await X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: own.subjectName,
    issuer: issuer.subjectName,
    notBefore: new Date(now - BACKDATED_MS),
    notAfter: new Date(Math.min(own.notAfter.getTime(), issuer.notAfter.getTime())),
    publicKey: own.publicKey,
    signingKey: key.toCryptoKey(algorithm, false, ['sign']),
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyCertSign, true),
      await SubjectKeyIdentifierExtension.create(own.publicKey),
      await AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  return pem(made);
}

/** Issues a certificate of the CA for a new key (ECDSA P-256). */
export async function issueCertificate(authority: KeyPair, template: CertificateTemplate): Promise<KeyPair> {
  const key = newKey();
  const names = (template.names ?? []).map(generalName);
  const certificate = await sign(authority, {
    subject: distinguishedName(template),
    publicKey: new PublicKey(createPublicKey(key).export({ type: 'spki', format: 'der' })),
    extensions: [
      ...usageExtensions(template.usages),
      ...(names.length ? [new SubjectAlternativeNameExtension(names)] : []),
    ],
    notBefore: template.now - BACKDATED_MS,
    notAfter: template.now + template.lifetimeMs,
  });
  return { certificate, key: pkcs8(key) };
}

export interface SigningOptions {
  readonly ca: KeyPair;
  /** As in the CertificateSigningRequest's spec. */
  readonly usages: readonly string[];
  /** The requested lifetime; default and maximum: MAX_SIGNED_SECONDS. */
  readonly durationSeconds?: number;
  readonly now?: number;
}

const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17';

/**
 * Signs a request and returns the certificate (PEM) with its subject, key and alternative names; the caller has checked that
 * these are allowed. Throws CertificateRequestError for unsupported usages.
 */
export async function signCertificateRequest(request: CertificateRequest, options: SigningOptions): Promise<string> {
  const now = options.now ?? Date.now();
  const { subject, publicKey, alternativeNames, commonName, organizations } = request;
  const seconds = Math.min(options.durationSeconds ?? MAX_SIGNED_SECONDS, MAX_SIGNED_SECONDS);
  // RFC 5280 section 4.2.1.6: critical when the subject is empty.
  const critical = commonName === '' && organizations.length === 0;
  return sign(options.ca, {
    subject: new Name(subject),
    publicKey: new PublicKey(publicKey),
    extensions: [
      ...usageExtensions(options.usages),
      ...(alternativeNames ? [new Extension(SUBJECT_ALTERNATIVE_NAME, critical, alternativeNames)] : []),
    ],
    notBefore: now - BACKDATED_MS,
    notAfter: now + seconds * SECOND_MS,
  });
}
