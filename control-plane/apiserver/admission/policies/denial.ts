/** How a policy refuses a request. */
import type { KubeObject } from '../../../../api/machinery/kind.ts';
import { forbidden, StatusError } from '../../../../api/machinery/status-error.ts';
import type { AdmissionRequest } from '../plugin.ts';

const CODES: ReadonlyMap<string, number> = new Map([
  ['Forbidden', 403],
  ['Unauthorized', 401],
  ['RequestEntityTooLarge', 413],
]);
const INVALID = 422;

/** The name that upstream's `NewForbidden` tells: a generated one is not known yet. */
function shownName({ name, object }: AdmissionRequest): string {
  if (name) return name;
  const { metadata }: KubeObject = object ?? {};
  return metadata?.name || metadata?.generateName || 'Unknown';
}

/** Of a ValidatingAdmissionPolicy. */
export function denied(request: AdmissionRequest, message: string, reason = 'Invalid'): StatusError {
  const { status } = forbidden(request.kind, shownName(request), message);
  const details = { ...status.details, causes: [{ message }] };
  return new StatusError({ ...status, reason, code: CODES.get(reason) ?? INVALID, details });
}

/** Of MutatingAdmissionPolicies that have failed. @param reason of the first failure; a misconfiguration has none */
export function failedPolicies(
  request: AdmissionRequest,
  messages: readonly string[],
  reason: string | undefined,
): StatusError {
  const { status } = forbidden(request.kind, shownName(request), '');
  const details = { ...status.details, causes: messages.map((message) => ({ message })) };
  return new StatusError({ ...status, message: messages[0], reason: reason ?? status.reason, details });
}
