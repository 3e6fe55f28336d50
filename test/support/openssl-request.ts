/** A certificate request created by openssl. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', '/dev/null'];

/** Takes options of `openssl req`; returns the request as in a CertificateSigningRequest: PEM in base64. */
export async function opensslRequest(...options: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('openssl', ['req', '-new', ...NEW_KEY, ...options]);
  return Buffer.from(stdout).toString('base64');
}
