/** Outcomes of requests that say that somebody else has done, or undone, what a controller was about to do. */
import { StatusError, isConflict, isNamespaceTerminating, isNotFound } from '../../../api/machinery/status-error.ts';

/** Resolves with undefined when the object is gone. */
export const unlessNotFound = <T>(request: Promise<T>): Promise<T | undefined> => unless(isNotFound, request);

/** Resolves with undefined when the object is gone, or is not the one of the request's preconditions any more. */
export const unlessGone = <T>(request: Promise<T>): Promise<T | undefined> =>
  unless((error) => isNotFound(error) || isConflict(error), request);

/** Resolves with undefined when nothing can be created in the namespace any more: there is no point in trying again. */
export const unlessTerminating = <T>(creating: Promise<T>): Promise<T | undefined> =>
  unless(isNamespaceTerminating, creating);

/**
 * The api-server understands the request and declines it: a quota is exceeded, admission or RBAC forbids it. It is the answer of
 * a working cluster, which users see in events and conditions, and no defect of the controller.
 */
export const isRefusal = (error: unknown): error is StatusError => error instanceof StatusError && error.code === 403;

/**
 * Waits for every request, then throws the first failure: a reconciliation that is retried while requests of its last attempt are
 * in flight would repeat them.
 */
export async function allOrFirstFailure(requests: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(requests)).find((outcome) => outcome.status === 'rejected');
  if (failed) throw failed.reason;
}

async function unless<T>(isDone: (error: unknown) => boolean, request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if (isDone(error)) return undefined;
    throw error;
  }
}
