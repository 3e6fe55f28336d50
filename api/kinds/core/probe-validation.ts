/** Validation of probes and lifecycle handlers. */
import { type FieldError, forbidden, invalid, required } from '../../machinery/field-error.ts';
import { validateHttpHeaderName, validatePortName, validatePortNumber } from '../../machinery/names.ts';
import type { Container, GRPCAction, LifecycleHandler, Probe } from '../../types/core/v1.gen.ts';

export function validatePortReference(port: number | string, path: string, errors: FieldError[]): void {
  const problems = typeof port === 'number' ? validatePortNumber(port) : validatePortName(port);
  for (const problem of problems) errors.push(invalid(path, port, problem));
}

type Handlers = LifecycleHandler & { readonly grpc?: GRPCAction };

/**
 * Exactly one handler, and a valid one.
 * @param graceSeconds of the pod, for hooks
 */
function validateHandlers(handlers: Handlers, path: string, errors: FieldError[], graceSeconds = Infinity): void {
  const { exec, httpGet, tcpSocket, grpc, sleep } = handlers;
  let count = 0;
  const another = (name: string): boolean => {
    if (++count === 1) return true;
    errors.push(forbidden(`${path}.${name}`, 'may not specify more than 1 handler type'));
    return false;
  };
  if (exec) another('exec');
  if (httpGet && another('httpGet')) {
    const at = `${path}.httpGet`;
    validatePortReference(httpGet.port, `${at}.port`, errors);
    for (const { name } of httpGet.httpHeaders ?? []) {
      for (const problem of validateHttpHeaderName(name)) errors.push(invalid(`${at}.httpHeaders`, name, problem));
    }
  }
  if (tcpSocket && another('tcpSocket')) validatePortReference(tcpSocket.port, `${path}.tcpSocket.port`, errors);
  if (grpc && another('grpc')) validatePortReference(grpc.port, `${path}.grpc.port`, errors);
  if (sleep && another('sleep') && (sleep.seconds < 0 || sleep.seconds > graceSeconds)) {
    const problem = `must be non-negative and less than terminationGracePeriodSeconds (${graceSeconds})`;
    errors.push(invalid(`${path}.sleep`, sleep.seconds, problem));
  }
  if (count === 0) errors.push(required(path, 'must specify a handler type'));
}

function validateDeadlyProbe(probe: Probe, path: string, errors: FieldError[]): void {
  validateHandlers(probe, path, errors);
  if (probe.successThreshold !== 1) {
    errors.push(invalid(`${path}.successThreshold`, probe.successThreshold ?? 0, 'must be 1'));
  }
}

/**
 * Probes and lifecycle hooks of a container that runs for the lifetime of the pod.
 * @param graceSeconds the pod's
 */
export function validateContainerLife(
  container: Container,
  graceSeconds: number | undefined,
  path: string,
  errors: FieldError[],
): void {
  const { lifecycle, livenessProbe, readinessProbe, startupProbe } = container;
  for (const hook of ['postStart', 'preStop'] as const) {
    const handlers = lifecycle?.[hook];
    if (handlers) validateHandlers(handlers, `${path}.lifecycle.${hook}`, errors, graceSeconds);
  }
  if (livenessProbe) validateDeadlyProbe(livenessProbe, `${path}.livenessProbe`, errors);
  if (readinessProbe) {
    const at = `${path}.readinessProbe`;
    validateHandlers(readinessProbe, at, errors);
    if (readinessProbe.terminationGracePeriodSeconds !== undefined) {
      errors.push(
        invalid(
          `${at}.terminationGracePeriodSeconds`,
          readinessProbe.terminationGracePeriodSeconds,
          'must not be set for readinessProbes',
        ),
      );
    }
  }
  if (startupProbe) validateDeadlyProbe(startupProbe, `${path}.startupProbe`, errors);
}
