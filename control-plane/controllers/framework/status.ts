/** Writing the status of an object: only when it has changed, and guarded by the version that it was computed from. */
import { isJsonObject } from '../../../api/machinery/own.ts';
import { semanticallyEqual } from '../../../api/machinery/deep-equal.ts';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import { own, setOwn } from '../../../api/machinery/own.ts';
import { isConflict, isNotFound } from '../../../api/machinery/status-error.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import type { Resource } from '../../../client/resource.ts';
import { unlessNotFound } from './outcomes.ts';

type JsonObject = Readonly<Record<string, unknown>>;

/** client-go's `retry.DefaultRetry`. */
const ATTEMPTS = 5;

export interface StatusOptions {
  readonly client: Pick<ApiClient, 'get' | 'patch'>;
  readonly signal: AbortSignal;
}

/**
 * Gives an object the status that was computed from it. When it has been modified since, but neither its spec nor its status
 * (a label, say), that status still holds and is written to the new version; otherwise the Conflict is thrown, and the status has
 * to be computed anew. Returns the object as it was written, or undefined when no write was needed: an object that is gone needs none.
 */
export async function writeStatus<T extends KubeObject & { status?: object }>(
  resource: Resource<T>,
  object: T,
  status: NonNullable<T['status']>,
  { client, signal }: StatusOptions,
): Promise<T | undefined> {
  if (isSameStatus(object.status, status)) return undefined;
  const { namespace = '', name = '', uid, generation } = object.metadata ?? {};
  const change = replacing(object.status as JsonObject | undefined, status as JsonObject);
  let current = object;
  for (let attempt = 1; ; attempt++) {
    const { resourceVersion } = current.metadata ?? {};
    const patch = { metadata: { uid, resourceVersion }, status: change };
    try {
      return await client.patch(resource, namespace, name, patch, { subresource: 'status', signal });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      if (!isConflict(error) || attempt === ATTEMPTS) throw error;
      const fresh = await unlessNotFound(client.get(resource, namespace, name, { signal }));
      if (!fresh) return undefined;
      const isOutdated = fresh.metadata?.uid !== uid || fresh.metadata?.generation !== generation;
      if (isOutdated || !isSameStatus(fresh.status, object.status)) throw error;
      current = fresh;
    }
  }
}

/** Absent, 0, '' and false count as the same in the fields of a status: the API omits them. */
export const isSameStatus = (a: object | undefined, b: object | undefined): boolean =>
  semanticallyEqual(withoutZeros(a), withoutZeros(b));

const withoutZeros = (status: object | undefined): object =>
  Object.fromEntries(Object.entries(status ?? {}).filter(([, value]) => value));

/** The merge patch that leaves nothing of `old` but what `next` says. */
function replacing(old: JsonObject = {}, next: JsonObject): JsonObject {
  const patch: Record<string, unknown> = {};
  for (const key of Object.keys(old)) if (own(next, key) === undefined) setOwn(patch, key, null);
  for (const [key, value] of Object.entries(next)) {
    if (value === undefined) continue;
    const before = own(old, key);
    setOwn(patch, key, isJsonObject(before) && isJsonObject(value) ? replacing(before, value) : value);
  }
  return patch;
}
