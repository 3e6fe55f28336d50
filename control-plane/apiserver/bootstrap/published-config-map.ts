/** ConfigMaps in which the server tells others about the cluster. */
import { configMaps } from '../../../api/kinds/core/config-map.ts';
import { isAlreadyExists, isConflict, isInvalid, isNotFound, isTooLarge } from '../../../api/machinery/status-error.ts';
import type { LocalApi } from '../catalogue/local-api.ts';

type Data = Readonly<Record<string, string>>;
export type PublishApi = Pick<LocalApi, 'get' | 'create' | 'update' | 'delete'>;

/**
 * Brings some keys of a ConfigMap up to date; those that others have added stay. One that cannot be updated, because somebody has
 * made it immutable or as large as one may be, is replaced, whatever finalizers it has: who may write it must not be able to keep
 * servers from starting. Upstream's `clusterauthenticationtrust` controller deletes it then, too. Throws StatusError.
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
  const create = (data: Data) => api.create(configMaps, { metadata: { namespace, name }, data });
  if (!present) {
    await unlessOvertaken(create(Object.fromEntries(keys)));
    return;
  }
  try {
    await unlessOvertaken(api.update(configMaps, { ...present, data: Object.fromEntries([...known, ...keys]) }));
  } catch (error) {
    if (!isInvalid(error) && !isTooLarge(error)) throw error;
    await unlessOvertaken(api.update(configMaps, { ...present, metadata: { ...present.metadata, finalizers: [] } }));
    await unlessOvertaken(api.delete(configMaps, namespace, name, { preconditions: { uid: present.metadata?.uid } }));
    await unlessOvertaken(create(keysOf({})));
  }
}

/** Another server that starts at the same time publishes the same. */
async function unlessOvertaken(write: Promise<unknown>): Promise<void> {
  try {
    await write;
  } catch (error) {
    if (!isAlreadyExists(error) && !isConflict(error) && !isNotFound(error)) throw error;
  }
}
