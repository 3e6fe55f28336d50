/** Validation of updates of pods, most fields of which cannot change. */
import { MIRROR_ANNOTATION } from '../../domain/mirror-annotation.ts';
import { semanticallyEqual } from '../../machinery/deep-equal.ts';
import { addErrors, type FieldError, forbidden, immutableField, invalid } from '../../machinery/field-error.ts';
import { IpAddress } from '../../domain/address.ts';
import { APP_ARMOR_ANNOTATION } from './app-armor.ts';
import { tolerationIdentity } from '../../domain/taints.ts';
import { validateIP, validateQualifiedName, validateSubdomainName } from '../../machinery/names.ts';
import { own } from '../../machinery/own.ts';
import type { ContainerStatus, HostIP, Pod, PodIP, PodSpec } from '../../types/core/v1.gen.ts';

const CHANGEABLE =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,' +
  '`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),' +
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n';

function validateDeadline(spec: PodSpec, old: PodSpec, errors: FieldError[]): void {
  const path = 'spec.activeDeadlineSeconds';
  const [wanted, before] = [spec.activeDeadlineSeconds, old.activeDeadlineSeconds];
  if (before === undefined) return;
  if (wanted === undefined) {
    errors.push(invalid(path, null, 'must not update from a positive integer to nil value'));
  } else if (wanted > before) {
    errors.push(invalid(path, wanted, 'must be less than or equal to previous value'));
  }
}

function validateTolerationAdditions(spec: PodSpec, old: PodSpec, errors: FieldError[]): void {
  const wanted = new Set(spec.tolerations?.map(tolerationIdentity));
  for (const before of old.tolerations ?? []) {
    if (wanted.has(tolerationIdentity(before))) continue;
    errors.push(forbidden('spec.tolerations', 'existing toleration can not be modified except its tolerationSeconds'));
    return;
  }
}

/** While a pod has scheduling gates, its node selection may be narrowed. */
function gatedFields(spec: PodSpec, old: PodSpec, errors: FieldError[]): Partial<PodSpec> {
  const before = new Set(old.schedulingGates?.map(({ name }) => name));
  for (const [index, { name }] of (spec.schedulingGates ?? []).entries()) {
    if (!before.has(name)) {
      errors.push(
        forbidden(
          `spec.schedulingGates[${index}].name`,
          "only deletion is allowed, but found new scheduling gate '" + name + "'",
        ),
      );
    }
  }
  if (!old.schedulingGates?.length) return { schedulingGates: old.schedulingGates };
  for (const key in old.nodeSelector) {
    if (own(spec.nodeSelector, key) === old.nodeSelector[key]) continue;
    errors.push(
      invalid(
        'spec.nodeSelector',
        spec.nodeSelector ?? {},
        'only additions to spec.nodeSelector are allowed (no mutations or deletions)',
      ),
    );
    break;
  }
  return {
    schedulingGates: old.schedulingGates,
    nodeSelector: old.nodeSelector,
    affinity:
      old.affinity && spec.affinity ? { ...spec.affinity, nodeAffinity: old.affinity.nodeAffinity } : old.affinity,
  };
}

const withImages = (containers: PodSpec['containers'], old: PodSpec['containers']): PodSpec['containers'] =>
  containers.map((container, index) => ({ ...container, image: old[index]?.image }));

/** Annotations that no update may change, through whichever subresource, because they decide how the node treats the pod. */
export function validateFixedAnnotations({ metadata }: Pod, { metadata: oldMetadata }: Pod): FieldError[] {
  const errors: FieldError[] = [];
  const [after, before] = [metadata?.annotations ?? {}, oldMetadata?.annotations ?? {}];
  const forbid = (key: string, why: string) => errors.push(forbidden(`metadata.annotations[${key}]`, why));
  for (const [key, value] of Object.entries(before)) {
    if (own(after, key) === value) continue;
    if (key.startsWith(APP_ARMOR_ANNOTATION)) forbid(key, 'may not remove or update AppArmor annotations');
    if (key === MIRROR_ANNOTATION) forbid(key, 'may not remove or update mirror pod annotation');
  }
  for (const key of Object.keys(after)) {
    if (Object.hasOwn(before, key)) continue;
    if (key.startsWith(APP_ARMOR_ANNOTATION)) forbid(key, 'may not add AppArmor annotations');
    if (key === MIRROR_ANNOTATION) forbid(key, 'may not add mirror pod annotation');
  }
  return errors;
}

/** `pods`: images, deadline, additional tolerations and a shorter grace period may change, nothing else. */
export function validatePodUpdate(pod: Pod, oldPod: Pod): FieldError[] {
  const errors = validateFixedAnnotations(pod, oldPod);
  const spec = pod.spec ?? { containers: [] };
  const old = oldPod.spec ?? { containers: [] };
  for (const field of ['containers', 'initContainers'] as const) {
    if ((spec[field]?.length ?? 0) === (old[field]?.length ?? 0)) continue;
    return [...errors, forbidden(`spec.${field}`, 'pod updates may not add or remove containers')];
  }
  validateDeadline(spec, old, errors);
  validateTolerationAdditions(spec, old, errors);
  const munged: PodSpec = {
    ...spec,
    ...gatedFields(spec, old, errors),
    containers: withImages(spec.containers ?? [], old.containers ?? []),
    initContainers: withImages(spec.initContainers ?? [], old.initContainers ?? []),
    activeDeadlineSeconds: old.activeDeadlineSeconds,
    tolerations: old.tolerations,
  };
  if ((old.terminationGracePeriodSeconds ?? 0) < 0 && spec.terminationGracePeriodSeconds === 1) {
    munged.terminationGracePeriodSeconds = old.terminationGracePeriodSeconds;
  }
  if (!semanticallyEqual(munged, old)) errors.push(forbidden('spec', CHANGEABLE));
  return errors;
}

/** `pods/ephemeralcontainers`: containers may be added, but neither changed nor removed. */
export function validateEphemeralContainersUpdate(pod: Pod, old: Pod): FieldError[] {
  if (old.metadata?.annotations?.[MIRROR_ANNOTATION] !== undefined) {
    return [forbidden('', 'static pods do not support ephemeral containers')];
  }
  const errors: FieldError[] = [];
  const wanted = pod.spec?.ephemeralContainers ?? [];
  const byName = new Map(wanted.map((container) => [container.name, container]));
  for (const [index, before] of (old.spec?.ephemeralContainers ?? []).entries()) {
    const now = byName.get(before.name);
    const path = `spec.ephemeralContainers`;
    if (!now)
      errors.push(forbidden(path, `existing ephemeral containers ${JSON.stringify(before.name)} may not be removed\n`));
    else if (!semanticallyEqual(now, before)) {
      errors.push(
        forbidden(
          `${path}[${index}]`,
          `existing ephemeral containers ${JSON.stringify(before.name)} may not be changed\n`,
        ),
      );
    }
  }
  return errors;
}

function validateStates(
  statuses: readonly ContainerStatus[] | undefined,
  old: readonly ContainerStatus[] | undefined,
  path: string,
  errors: FieldError[],
): void {
  const places = new Map<string, number>();
  for (const [index, { name }] of (statuses ?? []).entries()) if (!places.has(name)) places.set(name, index);
  for (const before of old ?? []) {
    if (!before.state?.terminated) continue;
    const index = places.get(before.name) ?? -1;
    const now = statuses?.[index];
    if (now && !now.state?.terminated) {
      errors.push(forbidden(`${path}[${index}].state`, 'may not be transitioned to non-terminated state'));
    }
  }
}

/** `pods/status`: a container that has terminated for good stays terminated. */
export function validatePodStatusUpdate(pod: Pod, old: Pod): FieldError[] {
  const errors = validateFixedAnnotations(pod, old);
  if ((pod.spec?.nodeName ?? '') !== (old.spec?.nodeName ?? '')) {
    errors.push(forbidden('status.nodeName', 'may not be changed directly'));
  }
  if (old.status?.qosClass && pod.status?.qosClass !== old.status.qosClass) {
    errors.push(immutableField('status.qosClass', pod.status?.qosClass ?? ''));
  }
  const { restartPolicy, containers, initContainers } = old.spec ?? {};
  const restarts =
    (containers ?? []).some((container) => container.restartPolicy ?? container.restartPolicyRules) ||
    (initContainers ?? []).some(({ restartPolicyRules }) =>
      (restartPolicyRules ?? []).some(({ action }) => action === 'RestartAllContainers'),
    );
  if (restartPolicy === 'Never' && !restarts) {
    validateStates(pod.status?.containerStatuses, old.status?.containerStatuses, 'status.containerStatuses', errors);
  }
  addErrors(errors, validateAddresses('podIPs', pod.status?.podIPs, old.status?.podIPs));
  addErrors(errors, validateAddresses('hostIPs', pod.status?.hostIPs, old.status?.hostIPs));
  validateConditionTypes(pod, errors);
  validateNomination(pod, old, errors);
  return errors;
}

function validateConditionTypes({ status }: Pod, errors: FieldError[]): void {
  for (const [index, { type }] of (status?.conditions ?? []).entries()) {
    for (const problem of validateQualifiedName(type)) {
      errors.push(invalid(`status.conditions[${index}].Type`, type, problem));
    }
  }
}

/** A node is nominated for pods that have none. */
function validateNomination({ status }: Pod, old: Pod, errors: FieldError[]): void {
  const path = 'status.nominatedNodeName';
  const name = status?.nominatedNodeName;
  if (!name || name === old.status?.nominatedNodeName) return;
  for (const problem of validateSubdomainName(name)) errors.push(invalid(path, name, problem));
  if (old.spec?.nodeName) errors.push(forbidden(path, 'may not be set on pods that are already bound to a node'));
}

/** Services, proxies and clients connect to these addresses. Stored ones are accepted. */
function validateAddresses(
  field: 'podIPs' | 'hostIPs',
  addresses: readonly (PodIP | HostIP)[] = [],
  old: readonly (PodIP | HostIP)[] = [],
): FieldError[] {
  if (addresses.every(({ ip }, index) => ip === old[index]?.ip)) return [];
  const before = old.map(({ ip = '' }) => ip);
  const errors = addresses.flatMap(({ ip = '' }, index) =>
    validateIP(ip, before).map((problem) => invalid(`status.${field}[${index}]`, ip, problem)),
  );
  const families = new Set(addresses.map(({ ip = '' }) => IpAddress.parse(ip)?.family));
  if (families.size < addresses.length) {
    errors.push(invalid(`status.${field}`, addresses, 'may specify no more than one IP for each IP family'));
  }
  return errors;
}
