import { X509Certificate, createHash } from 'node:crypto';

/**
 * `sha256:` and the hex digest of a certificate's SubjectPublicKeyInfo, by which a joining node pins the cluster's CA: the same
 * value as kubeadm's --discovery-token-ca-cert-hash.
 */
export function publicKeyHash(certificatePem: string): string {
  const spki = new X509Certificate(certificatePem).publicKey.export({ type: 'spki', format: 'der' });
  return `sha256:${createHash('sha256').update(spki).digest('hex')}`;
}
