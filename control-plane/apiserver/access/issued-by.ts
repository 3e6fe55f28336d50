/** Which of several CAs has issued a certificate that TLS has verified against all of them. */
import { X509Certificate } from 'node:crypto';

/** Certificates between a client's and its CA. */
const MAX_INTERMEDIATES = 4;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The certificates of a PEM bundle. Throws an Error when there are none, or one that cannot be read. */
export function readBundle(pem: string): X509Certificate[] {
  const certificates = (pem.match(CERTIFICATE) ?? []).map((text) => new X509Certificate(text));
  if (certificates.length === 0) throw new Error('it has no certificates');
  return certificates;
}

/** Whether one of the CAs has signed it, or an intermediate CA that came with it. */
export function isIssuedBy(certificate: X509Certificate, authorities: readonly X509Certificate[]): boolean {
  let current: X509Certificate = certificate;
  for (let depth = 0; depth <= MAX_INTERMEDIATES; depth++) {
    for (const authority of authorities) if (isSignedBy(current, authority)) return true;
    const next = current.issuerCertificate;
    if (!next?.ca || !isSignedBy(current, next)) return false;
    current = next;
  }
  return false;
}

const isSignedBy = (certificate: X509Certificate, issuer: X509Certificate): boolean =>
  certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
