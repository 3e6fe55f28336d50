import { own } from '../../../api/machinery/own.ts';
import { publishConfigMap, type PublishApi } from './published-config-map.ts';

const NAMESPACE = 'kube-system';
export const CLIENT_CA_CONFIG_MAP = 'extension-apiserver-authentication';
const CLIENT_CA = 'client-ca-file';

/**
 * Publishes the CA of client certificates for servers that authenticate as this one does (metrics-server, webhooks): upstream's
 * ConfigMap, which the Role extension-apiserver-authentication-reader lets them read. CAs that somebody else has put there
 * stay. There are no `requestheader-*` keys, since this server stands in front of no other one.
 */
export async function publishClientCa(api: PublishApi, clientCa: string): Promise<void> {
  await publishConfigMap(api, NAMESPACE, CLIENT_CA_CONFIG_MAP, (present) => {
    const bundle = own(present, CLIENT_CA) ?? '';
    const isThere = bundle.includes(clientCa.trim());
    const whole = bundle === '' ? clientCa : `${bundle.trimEnd()}\n${clientCa}`;
    return { [CLIENT_CA]: isThere ? bundle : whole };
  });
}
