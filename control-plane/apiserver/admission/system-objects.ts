import { namespaces } from '../../../api/core/namespace.ts';
import type { Kind, KubeObject } from '../../../api/machinery/kind.ts';
import { isAlreadyExists } from '../../../api/machinery/status-error.ts';
import { priorityClasses } from '../../../api/scheduling/priority-class.ts';
import type { LocalApi } from '../local-api.ts';
import { systemPriorityClasses } from './priority.ts';

const SYSTEM_NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

/** Makes what admission relies on and every cluster has: the system's namespaces and priority classes. */
export async function createSystemObjects(api: Pick<LocalApi, 'get' | 'create'>): Promise<void> {
  const ensure = async <T extends KubeObject>(kind: Kind<T>, object: T): Promise<void> => {
    if (api.get(kind, '', object.metadata?.name ?? '')) return;
    try {
      await api.create(kind, object);
    } catch (error) {
      // Another server was faster.
      if (!isAlreadyExists(error)) throw error;
    }
  };
  await Promise.all([
    ...SYSTEM_NAMESPACES.map((name) => ensure(namespaces, { metadata: { name } })),
    ...systemPriorityClasses().map((priorityClass) => ensure(priorityClasses, priorityClass)),
  ]);
}
