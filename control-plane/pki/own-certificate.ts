import os from 'node:os';
import { createAuthority, issueCertificate } from './signing.ts';

/** It lives as long as the process. */
const LIFETIME_MS = 10 * 365 * 24 * 3600 * 1000;

/**
 * A serving certificate in PEM for a process away from the api-server, where no CA is at hand that its clients could trust: they skip the
 * verification, as with upstream's.
 */
export async function ownCertificate(commonName: string): Promise<{ readonly cert: string; readonly key: string }> {
  const now = Date.now();
  const { certificate, key } = await issueCertificate(await createAuthority(`${commonName}-ca`, now), {
    ...{ commonName, names: ['localhost', '127.0.0.1', os.hostname()], usages: ['server auth'] },
    ...{ lifetimeMs: LIFETIME_MS, now },
  });
  return { cert: certificate, key };
}
