/** Codes of Node.js and OpenSSL for a certificate that no given CA has signed. */
const UNKNOWN_AUTHORITY = /SELF_SIGNED|UNABLE_TO_(VERIFY_LEAF|GET_ISSUER)|CERT_SIGNATURE_FAILURE/;
const OTHER = /CERT|ISSUER|SIGNATURE|ALTNAME/;

/** What is wrong with the certificate of a server, as Go says it, which users search for; undefined for any other failure. */
export function certificateProblem(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (UNKNOWN_AUTHORITY.test(code))
    return 'tls: failed to verify certificate: x509: certificate signed by unknown authority';
  return OTHER.test(code) ? `tls: failed to verify certificate: x509: ${(error as Error).message}` : undefined;
}
