/** When the server's certificates expire, in Prometheus' text format. */
import { X509Certificate } from 'node:crypto';
import { Exposition } from '../../daemon/metrics/exposition.ts';
import type { ClusterPki } from './cluster-pki.ts';

const NAME = 'kedge_certificate_expiration_timestamp_seconds';

/** Upstream has no such metric of a server's own certificates. */
export function certificateMetrics(pki: ClusterPki): string {
  const to = new Exposition();
  to.family(NAME, 'gauge', 'When a certificate of the control plane expires, in seconds since the epoch.');
  const { ca, frontProxyCa, serving, kubeletClient, frontProxyClient, admin, controllerManager, scheduler } = pki;
  for (const [name, { certificate }] of Object.entries({
    ...{ ca, 'front-proxy-ca': frontProxyCa, apiserver: serving, 'apiserver-kubelet-client': kubeletClient },
    ...{ 'front-proxy-client': frontProxyClient, admin, 'controller-manager': controllerManager, scheduler },
  }))
    to.sample(NAME, { name }, new X509Certificate(certificate).validToDate.getTime() / 1000);
  return to.toString();
}
