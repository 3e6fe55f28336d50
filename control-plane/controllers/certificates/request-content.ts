/**
 * Reads what a PKCS#10 request asks for. It loads the X.509 library, which costs memory that most servers need at joins
 * only: import it at the moment of need.
 */
import 'reflect-metadata';
import { Pkcs10CertificateRequest, SubjectAlternativeNameExtension } from '@peculiar/x509';

export interface RequestContent {
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  /** Alternative names of other kinds (mail addresses, URIs) that it carries. */
  readonly otherNames: number;
}

const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17';

/** `request` is the spec's: PEM in base64. Undefined when it cannot be read. */
export function readRequest(request: string): RequestContent | undefined {
  let parsed: Pkcs10CertificateRequest;
  try {
    parsed = new Pkcs10CertificateRequest(Buffer.from(request, 'base64').toString('utf8'));
  } catch {
    return undefined;
  }
  const alternatives = parsed.getExtension(SUBJECT_ALTERNATIVE_NAME);
  const names = alternatives instanceof SubjectAlternativeNameExtension ? alternatives.names.items : [];
  const ofType = (type: string): string[] => names.filter((name) => name.type === type).map(({ value }) => value);
  const dnsNames = ofType('dns');
  const ipAddresses = ofType('ip');
  return {
    commonName: parsed.subjectName.getField('CN')[0] ?? '',
    organizations: parsed.subjectName.getField('O'),
    dnsNames,
    ipAddresses,
    otherNames: names.length - dnsNames.length - ipAddresses.length,
  };
}
