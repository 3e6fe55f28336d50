/**
 * The certificate request (PKCS #10, RFC 2986) that a CertificateSigningRequest carries. Validation, admission,
 * approval and signing all use what is parsed here, and the certificate is built from it: if two parsers understood the same bytes
 * differently, one could approve what the other does not sign.
 */
import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { SocketAddress } from 'node:net';
import {
  ascii,
  bitString,
  DerError,
  directoryString,
  expectTag,
  objectIdentifier,
  partsOf,
  readElement,
  TAG,
  type DerElement,
} from './der.ts';

export interface CertificateRequest {
  /** Empty when it has none. */
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly dnsNames: readonly string[];
  /** In their canonical form. */
  readonly ipAddresses: readonly string[];
  /** The number of alternative names of other kinds: mail addresses, URIs. */
  readonly otherNames: number;
  /** The subject (a Name), in DER. */
  readonly subject: Buffer;
  /** The SubjectPublicKeyInfo, in DER. */
  readonly publicKey: Buffer;
  /** The value of the subjectAltName extension, in DER. */
  readonly alternativeNames: Buffer | undefined;
}

/** The request must be neither approved nor signed, for the reason in the message. */
export class CertificateRequestError extends Error {
  override readonly name = 'CertificateRequestError';
}

const OID = {
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  subjectAltName: '2.5.29.17',
  extensionRequest: '1.2.840.113549.1.9.14',
} as const;

/** Kinds of names in a subjectAltName (context-specific tags). */
const NAME_TAG = { dns: 0x82, ip: 0x87 } as const;
/** The attributes of a request: [0], constructed. */
const ATTRIBUTES_TAG = 0xa0;

interface SignatureAlgorithm {
  readonly key: KeyObject['asymmetricKeyType'];
  readonly digest: string | undefined;
}

const SIGNATURE_ALGORITHMS: ReadonlyMap<string, SignatureAlgorithm> = new Map([
  ['1.2.840.113549.1.1.11', { key: 'rsa', digest: 'sha256' }],
  ['1.2.840.113549.1.1.12', { key: 'rsa', digest: 'sha384' }],
  ['1.2.840.113549.1.1.13', { key: 'rsa', digest: 'sha512' }],
  ['1.2.840.10045.4.3.2', { key: 'ec', digest: 'sha256' }],
  ['1.2.840.10045.4.3.3', { key: 'ec', digest: 'sha384' }],
  ['1.2.840.10045.4.3.4', { key: 'ec', digest: 'sha512' }],
  ['1.3.101.112', { key: 'ed25519', digest: undefined }],
]);

/** One block from the first character to the last, but for the line ends that close a file. */
const ONE_BLOCK =
  /^-----BEGIN CERTIFICATE REQUEST-----\r?\n((?:[A-Za-z0-9+/=]+\r?\n)+)-----END CERTIFICATE REQUEST-----[\r\n]*$/;
// eslint-disable-next-line no-control-regex -- they could make a name look like another where it is printed
const CONTROL_CHARACTER = /[\u0000-\u001f\u007f]/;

/** Parses `spec.request` (PEM in base64). Throws CertificateRequestError unless it is one request, signed by its own key. */
export function parseCertificateRequest(request: string): CertificateRequest {
  const der = readPem(Buffer.from(request, 'base64').toString('latin1'));
  try {
    return readRequest(der);
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    throw new CertificateRequestError(`the certificate request is malformed: ${error.message}`, { cause: error });
  }
}

function readPem(pem: string): Buffer {
  const [, text] = ONE_BLOCK.exec(pem) ?? [];
  if (text === undefined) {
    throw new CertificateRequestError(
      pem.startsWith('-----BEGIN CERTIFICATE REQUEST-----')
        ? 'must be a single PEM block without headers, and nothing around it'
        : 'PEM block type must be CERTIFICATE REQUEST',
    );
  }
  const base64 = text.replaceAll(/[\r\n]/g, '');
  const der = Buffer.from(base64, 'base64');
  if (der.toString('base64') !== base64) throw new CertificateRequestError('the PEM block is not base64');
  return der;
}

function readRequest(der: Buffer): CertificateRequest {
  const [info, algorithm, signature, ...more] = partsOf(readElement(der, TAG.sequence), TAG.sequence);
  const [version, subject, publicKey, attributes, ...others] = partsOf(info, TAG.sequence);
  if (more.length > 0 || others.length > 0) throw new DerError('trailing data');
  // PKCS #10 knows one version, 0.
  if (!expectTag(version, TAG.integer).content.equals(Buffer.of(0))) throw new DerError('unknown version');
  const spki = expectTag(publicKey, TAG.sequence).bytes;
  verifySignature(expectTag(info, TAG.sequence).bytes, algorithm, bitString(signature), spki);
  const alternativeNames = attributes && findAlternativeNames(attributes);
  return {
    ...readSubject(expectTag(subject, TAG.sequence)),
    ...readAlternativeNames(alternativeNames),
    subject: expectTag(subject, TAG.sequence).bytes,
    publicKey: spki,
    alternativeNames,
  };
}

/** Proof of possession: the requestor has the private key. */
function verifySignature(info: Buffer, algorithm: DerElement | undefined, signature: Buffer, spki: Buffer): void {
  const oid = objectIdentifier(partsOf(algorithm, TAG.sequence)[0]);
  const known = SIGNATURE_ALGORITHMS.get(oid);
  if (!known) throw new CertificateRequestError(`signature algorithm ${oid} is not supported`);
  let valid: boolean;
  try {
    const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
    valid = key.asymmetricKeyType === known.key && verify(known.digest, info, key, signature);
  } catch (error) {
    throw new CertificateRequestError('the public key of the certificate request cannot be used', { cause: error });
  }
  if (!valid) throw new CertificateRequestError('the certificate request is not signed by the key that it carries');
}

function readSubject(subject: DerElement): Pick<CertificateRequest, 'commonName' | 'organizations'> {
  const commonNames: string[] = [];
  const organizations: string[] = [];
  for (const set of partsOf(subject, TAG.sequence)) {
    for (const attribute of partsOf(set, TAG.set)) {
      const [type, value, ...more] = partsOf(attribute, TAG.sequence);
      if (!value || more.length > 0) throw new DerError('unexpected element');
      const oid = objectIdentifier(type);
      if (oid === OID.commonName) commonNames.push(printable(value));
      else if (oid === OID.organization) organizations.push(printable(value));
    }
  }
  // Which of several is the user depends on the reader.
  if (commonNames.length > 1) throw new CertificateRequestError('the subject may have one common name only');
  return { commonName: commonNames[0] ?? '', organizations };
}

function printable(value: DerElement): string {
  const text = directoryString(value);
  if (CONTROL_CHARACTER.test(text)) throw new DerError('control character in the subject');
  return text;
}

/** Returns the subjectAltName. Other extensions are up to the signer, and ignored. */
function findAlternativeNames(attributes: DerElement): Buffer | undefined {
  const requested = partsOf(attributes, ATTRIBUTES_TAG).flatMap((attribute) => {
    const [type, values] = partsOf(attribute, TAG.sequence);
    return objectIdentifier(type) === OID.extensionRequest ? partsOf(values, TAG.set) : [];
  });
  if (requested.length > 1) throw new CertificateRequestError('the extensions are requested more than once');
  const found = new Map<string, Buffer>();
  for (const extension of requested[0] ? partsOf(requested[0], TAG.sequence) : []) {
    const [type, ...rest] = partsOf(extension, TAG.sequence);
    const value = rest[0]?.tag === TAG.boolean ? rest[1] : rest[0];
    const oid = objectIdentifier(type);
    if (found.has(oid)) throw new CertificateRequestError(`extension ${oid} is requested more than once`);
    found.set(oid, expectTag(value, TAG.octetString).content);
  }
  return found.get(OID.subjectAltName);
}

function readAlternativeNames(
  value: Buffer | undefined,
): Pick<CertificateRequest, 'dnsNames' | 'ipAddresses' | 'otherNames'> {
  const names = value ? partsOf(readElement(value, TAG.sequence), TAG.sequence) : [];
  const ofTag = (tag: number): Buffer[] => names.filter((name) => name.tag === tag).map(({ content }) => content);
  const dnsNames = ofTag(NAME_TAG.dns).map(ascii);
  const ipAddresses = ofTag(NAME_TAG.ip).map(ipAddress);
  if (dnsNames.some((name) => CONTROL_CHARACTER.test(name))) throw new DerError('control character in a DNS name');
  return { dnsNames, ipAddresses, otherNames: names.length - dnsNames.length - ipAddresses.length };
}

function ipAddress(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) throw new DerError('an IP address has 4 or 16 bytes');
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
}
