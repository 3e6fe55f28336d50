import { LOCAL_PATH_CLASS, LOCAL_PATH_PROVISIONER } from '../../../api/domain/local-path.ts';
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { isDefaultClass, storageClasses } from '../../../api/kinds/storage/storage-class.ts';
import { own } from '../../../api/machinery/own.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../../api/machinery/status-error.ts';
import type { LocalApi } from '../catalogue/local-api.ts';

/** The namespace that says by its annotation that the class has been made: it is there as long as the cluster is. */
const NAMESPACE = 'kube-system';
const MADE = 'kedge.io/local-path-class';

/**
 * Makes the storage class `local-path` once in the life of a cluster, so that a class that an operator has deleted stays away. It is the
 * default one unless there is another. Throws StatusError.
 */
export async function offerLocalPathClass(api: Pick<LocalApi, 'get' | 'list' | 'create' | 'update'>): Promise<void> {
  const system = api.get(namespaces, '', NAMESPACE);
  if (!system || own(system.metadata?.annotations, MADE) !== undefined) return;
  const hasDefault = api.list(storageClasses).some(isDefaultClass);
  try {
    await api.create(storageClasses, {
      metadata: {
        name: LOCAL_PATH_CLASS,
        annotations: { 'storageclass.kubernetes.io/is-default-class': String(!hasDefault) },
      },
      provisioner: LOCAL_PATH_PROVISIONER,
      reclaimPolicy: 'Delete',
      volumeBindingMode: 'WaitForFirstConsumer',
    });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
  const annotations = { ...system.metadata?.annotations, [MADE]: 'created' };
  try {
    await api.update(namespaces, { ...system, metadata: { ...system.metadata, annotations } });
  } catch (error) {
    // Somebody has changed the namespace meanwhile: it is looked at again soon.
    if (!isConflict(error) && !isNotFound(error)) throw error;
  }
}
