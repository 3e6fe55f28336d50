/**
 * PKCS #10 certificate requests (RFC 2986) for ECDSA P-256 keys. Encoded here because it is the only ASN.1 that an agent
 * ever writes, and a certificate library would stay in its memory.
 */
import { sign, type KeyObject } from 'node:crypto';
import { IpAddress } from '../../api/domain/address.ts';

const TAG = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  sequence: 0x30,
  set: 0x31,
  /** Context-specific: the attributes of a request; the kinds of subjectAltName. */
  attributes: 0xa0,
  dnsName: 0x82,
  ipAddress: 0x87,
} as const;

const OID = {
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  subjectAltName: '2.5.29.17',
  extensionRequest: '1.2.840.113549.1.9.14',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
} as const;

/** A DER element: tag, length, content. */
function der(tag: number, ...content: readonly Buffer[]): Buffer {
  const body = Buffer.concat(content);
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body]);
  const length: number[] = [];
  for (let left = body.length; left > 0; left >>>= 8) length.unshift(left & 0xff);
  return Buffer.concat([Buffer.from([tag, 0x80 | length.length, ...length]), body]);
}

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const groups = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return der(TAG.objectIdentifier, Buffer.from(bytes));
}

const nameAttribute = (type: string, value: string): Buffer =>
  der(TAG.set, der(TAG.sequence, oid(type), der(TAG.utf8String, Buffer.from(value))));

export interface RequestedCertificate {
  readonly commonName: string;
  readonly organization: string;
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
}

/** 4 or 16, as RFC 5280 has them. */
function octets({ family, value }: IpAddress): Buffer {
  const digits = family === 'IPv4' ? 8 : 32;
  return Buffer.from(value.toString(16).padStart(digits, '0'), 'hex');
}

function alternativeNames({ dnsNames = [], ipAddresses = [] }: RequestedCertificate): Buffer[] {
  const names = [
    ...dnsNames.map((name) => der(TAG.dnsName, Buffer.from(name, 'ascii'))),
    ...ipAddresses.flatMap((text) => IpAddress.parse(text) ?? []).map((address) => der(TAG.ipAddress, octets(address))),
  ];
  if (names.length === 0) return [];
  const extension = der(TAG.sequence, oid(OID.subjectAltName), der(TAG.octetString, der(TAG.sequence, ...names)));
  return [der(TAG.sequence, oid(OID.extensionRequest), der(TAG.set, der(TAG.sequence, extension)))];
}

/** The request in PEM, signed with `privateKey` (ECDSA P-256), whose public key it carries. */
export function certificateRequest(wanted: RequestedCertificate, publicKey: KeyObject, privateKey: KeyObject): string {
  const info = der(
    TAG.sequence,
    der(TAG.integer, Buffer.from([0])),
    der(
      TAG.sequence,
      nameAttribute(OID.organization, wanted.organization),
      nameAttribute(OID.commonName, wanted.commonName),
    ),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(TAG.attributes, ...alternativeNames(wanted)),
  );
  const signature = sign('sha256', info, privateKey);
  const request = der(
    TAG.sequence,
    info,
    der(TAG.sequence, oid(OID.ecdsaWithSha256)),
    // The first byte says how many bits of the last one are unused.
    der(TAG.bitString, Buffer.from([0]), signature),
  );
  const lines = request.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE REQUEST-----', ...lines, '-----END CERTIFICATE REQUEST-----', ''].join('\n');
}
