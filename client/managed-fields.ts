import type { KubeObject } from '../api/machinery/kind.ts';

/**
 * What a cache keeps of an object whose owners of fields nobody reads: they are often half of it, and an update without them leaves
 * them as they are. Changes and returns the object.
 */
export function withoutManagedFields<T extends KubeObject>(object: T): T {
  delete object.metadata?.managedFields;
  return object;
}
