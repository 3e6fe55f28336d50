/** Defaults of one container of a pod. */
import { defaultPullPolicy } from '../../domain/image-reference.ts';
import type { Container, EphemeralContainer, HTTPGetAction, LifecycleHandler, Probe } from '../../types/core/v1.gen.ts';

export const DEFAULT_TERMINATION_MESSAGE_PATH = '/dev/termination-log';

function applyHttpDefaults(action: HTTPGetAction | undefined): void {
  if (!action) return;
  action.path ||= '/';
  action.scheme ||= 'HTTP';
}

function applyProbeDefaults(probe: Probe | undefined): void {
  if (!probe) return;
  probe.timeoutSeconds ||= 1;
  probe.periodSeconds ||= 10;
  probe.successThreshold ||= 1;
  probe.failureThreshold ||= 3;
  applyHttpDefaults(probe.httpGet);
  if (probe.grpc) probe.grpc.service ??= '';
}

const applyHandlerDefaults = (handler: LifecycleHandler | undefined): void => applyHttpDefaults(handler?.httpGet);

export function applyContainerDefaults(container: Container | EphemeralContainer): void {
  container.imagePullPolicy ||= defaultPullPolicy(container.image ?? '');
  container.terminationMessagePath ||= DEFAULT_TERMINATION_MESSAGE_PATH;
  container.terminationMessagePolicy ||= 'File';
  for (const port of container.ports ?? []) port.protocol ||= 'TCP';
  for (const { valueFrom } of container.env ?? []) {
    if (valueFrom?.fieldRef) valueFrom.fieldRef.apiVersion ||= 'v1';
    if (valueFrom?.fileKeyRef) valueFrom.fileKeyRef.optional ??= false;
  }
  applyProbeDefaults(container.livenessProbe);
  applyProbeDefaults(container.readinessProbe);
  applyProbeDefaults(container.startupProbe);
  if (container.lifecycle) {
    applyHandlerDefaults(container.lifecycle.postStart);
    applyHandlerDefaults(container.lifecycle.preStop);
  }
}
