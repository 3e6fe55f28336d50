/**
 * Errors of the API, with their Kubernetes `Status`: the server responds with it, and the client throws what the server responded.
 * The functions set code, reason, message and details as upstream's `apierrors`.
 */
import type { FieldError } from './field-error.ts';
import { MAX_ERRORS } from './limits.ts';
import type { Status } from '../types/meta/v1.gen.ts';

/** The reason of a cause: nothing can be created in the namespace any more. */
export const NAMESPACE_TERMINATING = 'NamespaceTerminating';

export class StatusError extends Error {
  override readonly name = 'StatusError';
  readonly status: Status;
  constructor(status: Status) {
    super(status.message ?? status.reason ?? `status ${status.code}`);
    this.status = status;
  }
  get code(): number {
    return this.status.code ?? 500;
  }
  get reason(): string {
    return this.status.reason ?? 'Unknown';
  }
}

/** Identifies the resource in messages and details: `deployments.apps "web" not found`. */
export interface ResourceName {
  readonly group: string;
  readonly plural: string;
}

const failure = (code: number, reason: string, message: string, details?: Status['details']): StatusError =>
  new StatusError({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message,
    reason,
    details,
    code,
  });

const qualified = ({ group, plural }: ResourceName): string => (group ? `${plural}.${group}` : plural);
const about = (resource: ResourceName, name: string): Status['details'] => ({
  ...(name && { name }),
  ...(resource.group && { group: resource.group }),
  kind: resource.plural,
});

export const notFound = (resource: ResourceName, name: string) =>
  failure(404, 'NotFound', `${qualified(resource)} "${name}" not found`, about(resource, name));
/** No such path, group or resource at all. */
export const noSuchPath = () => failure(404, 'NotFound', 'the server could not find the requested resource', {});
export const alreadyExists = (resource: ResourceName, name: string) =>
  failure(409, 'AlreadyExists', `${qualified(resource)} "${name}" already exists`, about(resource, name));
export const conflict = (resource: ResourceName, name: string, why: string) =>
  failure(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${qualified(resource)} "${name}": ${why}`,
    about(resource, name),
  );
/** A conflict with another write. */
export const staleObject = (resource: ResourceName, name: string) =>
  conflict(
    resource,
    name,
    'the object has been modified; please apply your changes to the latest version and try again',
  );
export const forbidden = (resource: ResourceName, name: string, why: string) =>
  failure(
    403,
    'Forbidden',
    `${qualified(resource)} ${JSON.stringify(name)} is forbidden: ${why}`,
    about(resource, name),
  );
export const forbiddenRequest = (message: string, details?: Status['details']) =>
  failure(403, 'Forbidden', message, details ?? {});
export const unauthorized = (message = 'Unauthorized') => failure(401, 'Unauthorized', message);
export const badRequest = (message: string) => failure(400, 'BadRequest', message);
export const gone = (message: string) => failure(410, 'Expired', message);
export const methodNotAllowed = (message = 'the server does not allow this method on the requested resource') =>
  failure(405, 'MethodNotAllowed', message, {});
export const notAcceptable = (message: string) => failure(406, 'NotAcceptable', message);
export const unsupportedMediaType = (message: string) => failure(415, 'UnsupportedMediaType', message);
export const tooLarge = (message: string) => failure(413, 'RequestEntityTooLarge', message);
export const tooManyRequests = (message: string, retryAfterSeconds: number) =>
  failure(429, 'TooManyRequests', message, { retryAfterSeconds });
export const internalError = (message: string) =>
  failure(500, 'InternalError', `Internal error occurred: ${message}`, { causes: [{ message }] });
/** An error that upstream does not classify: 500 without a reason. */
export const unclassified = (message: string) =>
  new StatusError({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, code: 500 });
/** A patch that is well formed but cannot be applied. */
export const unprocessable = () =>
  failure(422, 'Invalid', 'the server rejected our request due to an error in our request', {});
export const serviceUnavailable = (message: string) => failure(503, 'ServiceUnavailable', message);
export const timeout = (message: string, retryAfterSeconds = 1) =>
  failure(504, 'Timeout', message, { retryAfterSeconds });

/** Only the first `MAX_ERRORS` errors are reported. */
const MAX_ERRORS_CHARS = 256 * 1024;

function toldErrors(errors: readonly FieldError[]): FieldError[] {
  const told: FieldError[] = [];
  let chars = 0;
  for (const { type, field, message } of errors) {
    told.push({ type, field, message });
    chars += field.length + message.length;
    if (told.length >= MAX_ERRORS || chars >= MAX_ERRORS_CHARS) break;
  }
  return told;
}

/** A 422: the object is well formed, but not valid. */
export function invalidObject(
  kind: { group: string; kind: string },
  name: string,
  errors: readonly FieldError[],
): StatusError {
  const told = toldErrors(errors);
  // What is said twice is told once, but remains two causes.
  const sentences = [...new Set(told.map((error) => `${error.field}: ${error.message}`))];
  const message = sentences.length === 1 ? sentences[0] : `[${sentences.join(', ')}]`;
  const qualifiedKind = kind.group ? `${kind.kind}.${kind.group}` : kind.kind;
  return failure(422, 'Invalid', `${qualifiedKind} ${JSON.stringify(name)} is invalid: ${message}`, {
    ...(name && { name }),
    ...(kind.group && { group: kind.group }),
    ...(kind.kind && { kind: kind.kind }),
    causes: told.map((error) => ({ reason: error.type, message: error.message, field: error.field })),
  });
}

export const isNotFound = (error: unknown): boolean => error instanceof StatusError && error.code === 404;
export const isConflict = (error: unknown): boolean => error instanceof StatusError && error.reason === 'Conflict';
export const isAlreadyExists = (error: unknown): boolean =>
  error instanceof StatusError && error.reason === 'AlreadyExists';
/** Nothing can be created in the namespace any more: the cause by which upstream's clients know it. */
export const isNamespaceTerminating = (error: unknown): boolean =>
  error instanceof StatusError &&
  (error.status.details?.causes ?? []).some(({ reason }) => reason === NAMESPACE_TERMINATING);
export const isInvalid = (error: unknown): boolean => error instanceof StatusError && error.reason === 'Invalid';
export const isTooLarge = (error: unknown): boolean => error instanceof StatusError && error.code === 413;
export const isGone = (error: unknown): boolean => error instanceof StatusError && error.code === 410;
