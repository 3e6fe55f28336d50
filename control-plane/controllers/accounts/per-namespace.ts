/** Objects that every namespace has: when they may be created, and that one is there already. */
import { isAlreadyExists } from '../../../api/machinery/status-error.ts';
import { unlessTerminating } from '../framework/outcomes.ts';
import type { Namespace } from '../../../api/types/core/v1.gen.ts';

/** Whether objects may still be created in the namespace. */
export const isActiveNamespace = (namespace: Namespace | undefined): boolean =>
  namespace !== undefined && !namespace.metadata?.deletionTimestamp && namespace.status?.phase !== 'Terminating';

/** Resolves as well when the object exists already, and when the namespace is being deleted meanwhile. */
export async function ensureCreated(creating: Promise<unknown>): Promise<void> {
  try {
    await unlessTerminating(creating);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}
