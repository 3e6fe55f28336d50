/**
 * The api-server's client certificate for the kubelet API, and the CA of the kubelets: by default from the cluster's own
 * PKI.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { ServerConfig } from '../config.ts';
import type { ClusterPki } from './cluster-pki.ts';
import { PkiError, readIfThere } from './pem-files.ts';

/** PEM texts. */
export interface KubeletIdentity {
  /** The api-server's client certificate and its key. */
  readonly cert: string;
  readonly key: string;
  /** The CA of the kubelets' serving certificates; undefined: they are not verified. */
  readonly ca: string | undefined;
}

export type KubeletSettings = Pick<
  ServerConfig,
  'kubeletClientCertificate' | 'kubeletClientKey' | 'kubeletCertificateAuthority' | 'kubeletVerifyServingCertificates'
>;

/** Throws PkiError when the settings contradict each other or a file is invalid. */
export async function readKubeletIdentity(
  settings: KubeletSettings,
  pki: Pick<ClusterPki, 'bundle' | 'kubeletClient'>,
): Promise<KubeletIdentity> {
  const {
    kubeletClientCertificate: certificatePath,
    kubeletClientKey: keyPath,
    kubeletCertificateAuthority: caPath,
    kubeletVerifyServingCertificates: verify,
  } = settings;
  if (Boolean(certificatePath) !== Boolean(keyPath))
    throw new PkiError('kubelet-client-certificate and kubelet-client-key must be set together');
  if (caPath && !verify)
    throw new PkiError(
      'kubelet-certificate-authority has no effect when kubelet-verify-serving-certificates is false: remove one of them',
    );
  const cert = certificatePath ? await readCertificate(certificatePath) : pki.kubeletClient.certificate;
  const key = keyPath ? await readPem(keyPath) : pki.kubeletClient.key;
  if (keyPath) checkPair(certificatePath, cert, keyPath, key);
  const ca = caPath ? await readCertificate(caPath) : pki.bundle;
  return { cert, key, ca: verify ? ca : undefined };
}

async function readPem(path: string): Promise<string> {
  const text = await readIfThere(path);
  if (text === undefined) throw new PkiError(`${path} does not exist`);
  return text;
}

async function readCertificate(path: string): Promise<string> {
  const text = await readPem(path);
  try {
    new X509Certificate(text);
  } catch (error) {
    throw new PkiError(`${path} has no valid certificate`, { cause: error });
  }
  return text;
}

function checkPair(certificatePath: string, cert: string, keyPath: string, key: string): void {
  let matches: boolean;
  try {
    matches = new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch (error) {
    throw new PkiError(`${keyPath} has no valid private key`, { cause: error });
  }
  if (!matches) throw new PkiError(`the key in ${keyPath} does not match the certificate in ${certificatePath}`);
}
