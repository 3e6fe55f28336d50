import { configMaps } from '../../../api/kinds/core/config-map.ts';
import { isAlreadyExists } from '../../../api/machinery/status-error.ts';
import type { LocalApi } from '../catalogue/local-api.ts';

const NAMESPACE = 'kube-system';
const NAME = 'extension-apiserver-authentication';
const CLIENT_CA = 'client-ca-file';

/**
 * Publishes the CA of client certificates for servers that authenticate as this one does (metrics-server, webhooks): upstream's
 * ConfigMap, which the Role extension-apiserver-authentication-reader lets them read. CAs that somebody else has put there
 * stay. There are no `requestheader-*` keys, since this server stands in front of no other one.
 */
export async function publishClientCa(
  api: Pick<LocalApi, 'get' | 'create' | 'update'>,
  clientCa: string,
): Promise<void> {
  const present = api.get(configMaps, NAMESPACE, NAME);
  const bundle = present?.data?.[CLIENT_CA] ?? '';
  if (bundle.includes(clientCa.trim())) return;
  const data = { ...present?.data, [CLIENT_CA]: bundle === '' ? clientCa : `${bundle.trimEnd()}\n${clientCa}` };
  if (present) {
    await api.update(configMaps, { ...present, data });
    return;
  }
  await api.create(configMaps, { metadata: { namespace: NAMESPACE, name: NAME }, data }).catch((error: unknown) => {
    if (!isAlreadyExists(error)) throw error;
  });
}
