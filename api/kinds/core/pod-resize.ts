/**
 * `pods/resize`: changes of the CPU and memory of containers that are already there, and of what a change of them takes.
 * https://github.com/kubernetes/enhancements/tree/master/keps/sig-node/1287-in-place-update-pod-resources
 */
import { MIRROR_ANNOTATION } from '../../domain/mirror-annotation.ts';
import { isSidecar } from '../../domain/pod-lifecycle.ts';
import { qosClassOf } from '../../domain/pod-resources.ts';
import { semanticallyEqual } from '../../machinery/deep-equal.ts';
import { type FieldError, forbidden, invalid } from '../../machinery/field-error.ts';
import { own, setOwn } from '../../machinery/own.ts';
import type { Container, Pod, PodSpec, ResourceRequirements } from '../../types/core/v1.gen.ts';

const RESIZED = ['cpu', 'memory'];
const FIELDS = ['initContainers', 'containers'] as const;
const ONLY_CPU_AND_MEMORY = 'only cpu and memory resources are mutable';

type Quantities = Record<string, string> | undefined;

/** The paths of what can be owned by the subresource, `*` being any container. Not those of the pod as a whole, as upstream has it. */
export const RESIZABLE = FIELDS.flatMap((field) => [`spec.${field}.*.resources`, `spec.${field}.*.resizePolicy`]);

/** The old containers as the new ones are sized; the new ones where they are others, which validation rejects. */
function resized(wanted: readonly Container[] | null | undefined, before: typeof wanted): Container[] {
  // A required list that is absent is decoded as null.
  const [containers, old] = [wanted ?? [], before ?? []];
  if (containers.some(({ name }, index) => name !== old[index]?.name)) return [...containers];
  return old.map((container, index) => ({
    ...container,
    resources: containers[index]?.resources,
    resizePolicy: containers[index]?.resizePolicy,
  }));
}

const haveSameCounts = (spec: PodSpec, old: PodSpec): boolean =>
  FIELDS.every((field) => (spec[field]?.length ?? 0) === (old[field]?.length ?? 0));

/** The old pod as the new one is sized. */
export function resizedPod(wanted: Pod, old: Pod): Pod {
  const [spec, before] = [wanted.spec, old.spec];
  if (!spec || !before) return wanted;
  const metadata = { ...old.metadata };
  // Validation says that there must be as many containers as before.
  if (!haveSameCounts(spec, before)) return { ...wanted, metadata, status: old.status };
  const sized: PodSpec = {
    ...before,
    containers: resized(spec.containers, before.containers),
    resources: spec.resources,
  };
  if (before.initContainers) sized.initContainers = resized(spec.initContainers, before.initContainers);
  if (sized.resources === undefined) delete sized.resources;
  return { ...wanted, metadata, spec: sized, status: old.status };
}

export function prepareResize(pod: Pod, old: Pod): void {
  const { spec } = resizedPod(pod, old);
  pod.spec = spec;
  pod.metadata = { ...old.metadata };
  pod.status = old.status;
  if (!semanticallyEqual(spec, old.spec)) pod.metadata.generation = (old.metadata?.generation ?? 0) + 1;
}

const isRemoved = (quantities: Quantities, old: Quantities): boolean =>
  Object.keys(old ?? {}).some((name) => own(quantities, name) === undefined);

function validateRemovals(
  resources: ResourceRequirements | undefined,
  old: ResourceRequirements | undefined,
  path: string,
  what: string,
  errors: FieldError[],
): void {
  for (const side of ['requests', 'limits'] as const) {
    if (!isRemoved(resources?.[side], old?.[side])) continue;
    errors.push(forbidden(`${path}.${side}`, `${what} ${side} cannot be removed`));
  }
}

/** With the CPU and memory of before. */
function withOldSizes(quantities: Quantities, old: Quantities): Quantities {
  const others = { ...quantities };
  for (const name of RESIZED) {
    delete others[name];
    const before = own(old, name);
    if (before !== undefined) setOwn(others, name, before);
  }
  return others;
}

const withOldResources = (
  resources: ResourceRequirements = {},
  old: ResourceRequirements = {},
): ResourceRequirements => ({
  ...resources,
  limits: withOldSizes(resources.limits, old.limits),
  requests: withOldSizes(resources.requests, old.requests),
});

const withOldSize = (container: Container, { resources }: Container): Container => ({
  ...container,
  resources: { ...withOldResources(container.resources, resources), claims: undefined },
});

/** Upstream drops the claims of a container before it compares, and with them the chance to change one that has some. */
const isOtherwiseChanged = (container: Container, old: Container): boolean =>
  !semanticallyEqual(withOldSize(container, old), old);

function validateOrder(spec: PodSpec, old: PodSpec): FieldError[] {
  const errors: FieldError[] = [];
  for (const field of ['containers', 'initContainers'] as const) {
    const [containers, before] = [spec[field] ?? [], old[field] ?? []];
    if (containers.length !== before.length) {
      errors.push(forbidden(`spec.${field}`, `${field} may not be added or removed on resize`));
      continue;
    }
    for (const [index, { name }] of before.entries()) {
      if (containers[index]?.name === name) continue;
      errors.push(forbidden(`spec.${field}[${index}].name`, `${field} may not be renamed or reordered on resize`));
    }
  }
  return errors;
}

const hasPodResources = ({ resources }: PodSpec): boolean =>
  Object.keys(resources?.requests ?? {}).length + Object.keys(resources?.limits ?? {}).length > 0;

function validatePodLevel(spec: PodSpec, old: PodSpec, errors: FieldError[]): void {
  if (!hasPodResources(spec) && !hasPodResources(old)) return;
  const path = 'spec.resources';
  if (old.resources && !spec.resources) {
    errors.push(forbidden(path, 'pod-level resources cannot be removed'));
    return;
  }
  if (old.resources) validateRemovals(spec.resources, old.resources, path, 'pod-level resource', errors);
  if (semanticallyEqual(withOldResources(spec.resources, old.resources), old.resources)) return;
  errors.push(forbidden('spec', `${ONLY_CPU_AND_MEMORY} at pod-level`));
}

function validateInitContainer(container: Container, old: Container, path: string, errors: FieldError[]): void {
  if (isOtherwiseChanged(container, old)) {
    errors.push(forbidden(path, 'only cpu and memory resources for init or sidecar containers are mutable'));
  }
  if (isSidecar(container) || semanticallyEqual(container, old)) return;
  for (const { restartPolicy } of container.resizePolicy ?? []) {
    if (restartPolicy !== 'RestartContainer') continue;
    const why = 'non-sidecar init containers with a resize policy of RestartContainer cannot be resized';
    errors.push(forbidden(path, why));
  }
}

/** A node that can resize says what its containers have; while none runs, it is not known. */
function isSupportedBy({ status }: Pod): boolean {
  const running = status?.containerStatuses?.find(({ state }) => state?.running);
  return !running || running.resources !== undefined;
}

function validateSizes(spec: PodSpec, old: PodSpec, errors: FieldError[]): void {
  for (const field of FIELDS) {
    for (const [index, before] of (old[field] ?? []).entries()) {
      const at = `spec.${field}[${index}].resources`;
      validateRemovals(spec[field]?.[index]?.resources, before.resources, at, 'resource', errors);
    }
  }
  for (const [index, before] of (old.containers ?? []).entries()) {
    const container = spec.containers[index];
    if (container && isOtherwiseChanged(container, before)) errors.push(forbidden('spec', ONLY_CPU_AND_MEMORY));
  }
  for (const [index, before] of (old.initContainers ?? []).entries()) {
    const container = spec.initContainers?.[index];
    if (container) validateInitContainer(container, before, `spec.initContainers[${index}]`, errors);
  }
}

/** @param errors of the pod as it would be */
export function validateResize(pod: Pod, oldPod: Pod, errors: FieldError[]): FieldError[] {
  const [spec, old] = [pod.spec ?? { containers: [] }, oldPod.spec ?? { containers: [] }];
  if (own(oldPod.metadata?.annotations, MIRROR_ANNOTATION) !== undefined) {
    return [forbidden('', 'static pods cannot be resized')];
  }
  if (old.os?.name === 'windows') return [forbidden('', 'windows pods cannot be resized')];
  const found = [...errors];
  if ((oldPod.status?.qosClass ?? qosClassOf(old)) !== qosClassOf(spec)) {
    found.push(invalid('spec', pod.status?.qosClass ?? '', 'Pod QOS Class may not change as a result of resizing'));
  }
  if (!isSupportedBy(oldPod)) found.push(forbidden('spec', 'Pod running on node without support for resize'));
  validatePodLevel(spec, old, found);
  if (oldPod.status?.nodeAllocatableResourceClaimStatuses?.length) {
    found.push(forbidden('spec', 'pods with node allocatable resource claims cannot be resized'));
  }
  const order = validateOrder(spec, old);
  if (order.length > 0) return [...found, ...order];
  validateSizes(spec, old, found);
  return found;
}
