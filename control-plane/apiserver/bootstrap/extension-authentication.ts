import { own } from '../../../api/machinery/own.ts';
import { FRONT_PROXY_CLIENT } from '../../pki/cluster-pki.ts';
import { publishConfigMap, type PublishApi } from './published-config-map.ts';

const NAMESPACE = 'kube-system';
export const CLIENT_CA_CONFIG_MAP = 'extension-apiserver-authentication';
export const CLIENT_CA = 'client-ca-file';

/**
 * Publishes how aggregated API servers know this one, and the user for whom it speaks: upstream's `requestheader-*` keys.
 * https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/
 */
export const publishFrontProxyCa = (api: PublishApi, frontProxyCa: string): Promise<void> =>
  publishConfigMap(api, NAMESPACE, CLIENT_CA_CONFIG_MAP, () => ({
    'requestheader-allowed-names': JSON.stringify([FRONT_PROXY_CLIENT]),
    'requestheader-client-ca-file': frontProxyCa,
    'requestheader-extra-headers-prefix': JSON.stringify(['X-Remote-Extra-']),
    'requestheader-group-headers': JSON.stringify(['X-Remote-Group']),
    'requestheader-uid-headers': JSON.stringify(['X-Remote-Uid']),
    'requestheader-username-headers': JSON.stringify(['X-Remote-User']),
  }));

/**
 * Publishes the CA of client certificates for servers that authenticate as this one does (metrics-server, webhooks): upstream's
 * ConfigMap, which the Role extension-apiserver-authentication-reader lets them read. CAs that somebody else has put there
 * stay.
 */
export async function publishClientCa(api: PublishApi, clientCa: string): Promise<void> {
  await publishConfigMap(api, NAMESPACE, CLIENT_CA_CONFIG_MAP, (present) => {
    const bundle = own(present, CLIENT_CA) ?? '';
    const isThere = bundle.includes(clientCa.trim());
    const whole = bundle === '' ? clientCa : `${bundle.trimEnd()}\n${clientCa}`;
    return { [CLIENT_CA]: isThere ? bundle : whole };
  });
}
