/** How a joining node pins the cluster's CA: the value of kubeadm's --discovery-token-ca-cert-hash. */
import { createHash, X509Certificate } from 'node:crypto';

export const PUBLIC_KEY_HASH = /^sha256:[0-9a-f]{64}$/;

/** `sha256:` and the hex digest of the certificate's SubjectPublicKeyInfo (RFC 7469, section 2.4). Takes PEM, too. */
export function publicKeyHash(certificate: string | X509Certificate): string {
  const { publicKey } = typeof certificate === 'string' ? new X509Certificate(certificate) : certificate;
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  return `sha256:${createHash('sha256').update(spki).digest('hex')}`;
}
