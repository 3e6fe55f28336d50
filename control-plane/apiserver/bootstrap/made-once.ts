/**
 * Objects that a cluster starts with and that its operators may replace: each is made once in the life of a cluster, so that one that
 * was deleted stays away.
 */
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { own } from '../../../api/machinery/own.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../../api/machinery/status-error.ts';
import type { LocalApi } from '../catalogue/local-api.ts';

/** The namespace that says by its annotations what has been made: it is there as long as the cluster is. */
const NAMESPACE = 'kube-system';

/**
 * @param annotation says that it has been made
 * @param make creates it; where it is there already, nothing more is made
 * @throws StatusError
 */
export async function makeOnce(
  api: Pick<LocalApi, 'get' | 'update'>,
  annotation: string,
  make: () => Promise<unknown>,
): Promise<void> {
  const system = api.get(namespaces, '', NAMESPACE);
  if (!system || own(system.metadata?.annotations, annotation) !== undefined) return;
  try {
    await make();
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
  const annotations = { ...system.metadata?.annotations, [annotation]: 'created' };
  try {
    await api.update(namespaces, { ...system, metadata: { ...system.metadata, annotations } });
  } catch (error) {
    // Somebody has changed the namespace meanwhile: it is looked at again soon.
    if (!isConflict(error) && !isNotFound(error)) throw error;
  }
}
