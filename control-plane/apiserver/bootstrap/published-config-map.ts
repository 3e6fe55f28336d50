/** ConfigMaps in which the server tells others about the cluster. */
import { configMaps } from '../../../api/kinds/core/config-map.ts';
import { isAlreadyExists, isConflict, isInvalid, isTooLarge } from '../../../api/machinery/status-error.ts';
import type { LocalApi } from '../catalogue/local-api.ts';

type Data = Readonly<Record<string, string>>;
export type PublishApi = Pick<LocalApi, 'get' | 'create' | 'update' | 'delete'>;

/**
 * Brings some keys of a ConfigMap up to date; those that others have added stay. One that cannot be updated, because somebody has
 * made it immutable or as large as one may be, is replaced, as upstream's `clusterauthenticationtrust` controller does: who may
 * write it must not be able to keep servers from starting. Throws StatusError.
 * @param keysOf the wanted keys, given those that are there.
 */
export async function publishConfigMap(
  api: PublishApi,
  namespace: string,
  name: string,
  keysOf: (present: Data) => Data,
): Promise<void> {
  const present = api.get(configMaps, namespace, name);
  const before = present?.data ?? {};
  const keys = new Map(Object.entries(keysOf(before)));
  const known = new Map(Object.entries(before));
  if ([...keys].every(([key, value]) => known.get(key) === value)) return;
  try {
    if (present) await api.update(configMaps, { ...present, data: Object.fromEntries([...known, ...keys]) });
    else await api.create(configMaps, { metadata: { namespace, name }, data: Object.fromEntries(keys) });
  } catch (error) {
    // Another server that starts at the same time publishes the same.
    if (isAlreadyExists(error) || isConflict(error)) return;
    if (!present || !(isInvalid(error) || isTooLarge(error))) throw error;
    await api.delete(configMaps, namespace, name, { preconditions: { uid: present.metadata?.uid } });
    await publishConfigMap(api, namespace, name, () => keysOf({}));
  }
}
