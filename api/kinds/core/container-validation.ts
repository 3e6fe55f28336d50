/** Validation of containers, init containers and ephemeral containers. */
import {
  type FieldError,
  duplicate,
  forbidden,
  invalid,
  notFound,
  notSupported,
  required,
} from '../../machinery/field-error.ts';
import { validatePortName } from '../../machinery/names.ts';
import { validateEnv, validateEnvFrom } from './env-validation.ts';
import { validateContainerLife } from './probe-validation.ts';
import { validateResources } from './resource-validation.ts';
import { validateSecurityContext } from './security-context-validation.ts';
import { validateDescendingPath } from './volume-file-validation.ts';
import type {
  Container,
  ContainerPort,
  ContainerResizePolicy,
  EphemeralContainer,
  PodSpec,
  Volume,
  VolumeDevice,
  VolumeMount,
} from '../../types/core/v1.gen.ts';

/** What containers may refer to. */
interface Surroundings {
  readonly spec: PodSpec;
  readonly volumes: ReadonlyMap<string, Volume>;
}

export function validateContainers(spec: PodSpec, path: string, errors: FieldError[]): void {
  const around: Surroundings = { spec, volumes: new Map(spec.volumes?.map((volume) => [volume.name, volume])) };
  const containers = spec.containers ?? [];
  const at = `${path}.containers`;
  const names = new Set<string>();
  for (const [index, container] of containers.entries()) {
    const here = `${at}[${index}]`;
    validateContainer(container, around, here, errors);
    if (names.has(container.name)) errors.push(duplicate(`${here}.name`, container.name));
    names.add(container.name);
    validateContainerLife(container, spec.terminationGracePeriodSeconds, here, errors);
    validateRestartPolicy(container, here, errors);
  }
  validateHostPorts(containers, at, errors);
  validateInitContainers(spec, around, names, `${path}.initContainers`, errors);
  validateEphemeralContainers(spec, around, names, `${path}.ephemeralContainers`, errors);
}

function validateRestartPolicy(
  { restartPolicy, restartPolicyRules = [] }: Container,
  path: string,
  errors: FieldError[],
): void {
  if (restartPolicy === undefined && restartPolicyRules.length > 0) {
    errors.push(required(`${path}.restartPolicy`, 'must specify restartPolicy when restart rules are used'));
  }
  for (const [index, { exitCodes }] of restartPolicyRules.entries()) {
    if (exitCodes) continue;
    errors.push(required(`${path}.restartPolicyRules[${index}].exitCodes`, 'must be specified'));
  }
}

function validateInitContainers(
  spec: PodSpec,
  around: Surroundings,
  names: Set<string>,
  path: string,
  errors: FieldError[],
): void {
  for (const [index, container] of (spec.initContainers ?? []).entries()) {
    const at = `${path}[${index}]`;
    validateContainer(container, around, at, errors);
    if (container.name && names.has(container.name)) errors.push(duplicate(`${at}.name`, container.name));
    names.add(container.name);
    validateRestartPolicy(container, at, errors);
    if (container.restartPolicy === 'Always') {
      validateContainerLife(container, spec.terminationGracePeriodSeconds, at, errors);
    } else {
      for (const field of ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
        if (container[field] === undefined) continue;
        errors.push(forbidden(`${at}.${field}`, 'may not be set for init containers without restartPolicy=Always'));
      }
    }
    if (container.ports) validateHostPorts([container], path, errors);
  }
}

function validateEphemeralContainers(
  spec: PodSpec,
  around: Surroundings,
  names: Set<string>,
  path: string,
  errors: FieldError[],
): void {
  if (!spec.ephemeralContainers) return;
  const containers = new Set([...(spec.containers ?? []), ...(spec.initContainers ?? [])].map(({ name }) => name));
  for (const [index, container] of spec.ephemeralContainers.entries()) {
    const at = `${path}[${index}]`;
    validateContainer(container, around, at, errors);
    if (container.name && names.has(container.name)) errors.push(duplicate(`${at}.name`, container.name));
    names.add(container.name);
    const target = container.targetContainerName;
    if (target && !containers.has(target)) errors.push(notFound(`${at}.targetContainerName`, target));
    for (const field of [
      'ports',
      'livenessProbe',
      'readinessProbe',
      'startupProbe',
      'lifecycle',
      'resizePolicy',
    ] as const) {
      if (container[field] !== undefined)
        errors.push(forbidden(`${at}.${field}`, 'field not allowed for ephemeral containers'));
    }
    if (container.resources?.limits || container.resources?.requests) {
      errors.push(forbidden(`${at}.resources`, 'field not allowed for ephemeral containers'));
    }
  }
}

function validateContainer(
  container: Container | EphemeralContainer,
  around: Surroundings,
  path: string,
  errors: FieldError[],
): void {
  const { image = '' } = container;
  if (image !== image.trim()) {
    errors.push(invalid(`${path}.image`, image, 'must not have leading or trailing whitespace'));
  }
  if (container.ports) validatePorts(container.ports, around.spec, `${path}.ports`, errors);
  if (container.env) validateEnv(container.env, `${path}.env`, errors);
  if (container.envFrom) validateEnvFrom(container.envFrom, `${path}.envFrom`, errors);
  const devices = new Set(container.volumeDevices?.map((device) => device.devicePath));
  if (container.volumeMounts) validateMounts(container, around, devices, `${path}.volumeMounts`, errors);
  if (container.volumeDevices) validateDevices(container.volumeDevices, around, `${path}.volumeDevices`, errors);
  if (container.resources) validateResources(container.resources, `${path}.resources`, errors);
  if (container.resizePolicy) validateResizePolicy(container.resizePolicy, around.spec, `${path}.resizePolicy`, errors);
  if (container.securityContext) {
    validateSecurityContext(container.securityContext, around.spec.hostUsers, `${path}.securityContext`, errors);
  }
}

const RESIZED = ['cpu', 'memory'];
const RESIZE_POLICIES = ['NotRequired', 'RestartContainer'];

function checkWord(word: string, supported: readonly string[], path: string, errors: FieldError[]): void {
  if (word === '') errors.push(required(path));
  else if (!supported.includes(word)) errors.push(notSupported(path, word, supported));
}

/** A container of a pod that restarts none is not restarted to be resized. */
function validateResizePolicy(
  policies: readonly ContainerResizePolicy[],
  { restartPolicy: ofPod }: PodSpec,
  path: string,
  errors: FieldError[],
): void {
  const names = new Set<string>();
  for (const [index, { resourceName, restartPolicy }] of policies.entries()) {
    if (names.has(resourceName)) errors.push(duplicate(`${path}[${index}]`, resourceName));
    names.add(resourceName);
    // As upstream, what is wrong with one of them is told of the list.
    checkWord(resourceName, RESIZED, path, errors);
    checkWord(restartPolicy, RESIZE_POLICIES, path, errors);
    if (ofPod !== 'Never' || restartPolicy === 'NotRequired') continue;
    errors.push(invalid(path, restartPolicy, "must be 'NotRequired' when pod `restartPolicy` is 'Never'"));
  }
}

function validatePorts(ports: readonly ContainerPort[], spec: PodSpec, path: string, errors: FieldError[]): void {
  const names = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const at = `${path}[${index}]`;
    if (port.name) {
      const isValid = validatePortName(port.name).length === 0;
      if (isValid && names.has(port.name)) errors.push(duplicate(`${at}.name`, port.name));
      names.add(port.name);
    }
    if (spec.hostNetwork && (port.hostPort ?? 0) !== port.containerPort) {
      errors.push(
        invalid(`${at}.hostPort`, port.hostPort ?? 0, 'must match `containerPort` when `hostNetwork` is true'),
      );
    }
  }
}

/** No two containers may use the same host port. */
function validateHostPorts(containers: readonly Container[], path: string, errors: FieldError[]): void {
  const taken = new Set<string>();
  for (const [index, { ports }] of containers.entries()) {
    for (const [place, { hostPort, protocol, hostIP }] of (ports ?? []).entries()) {
      if (!hostPort) continue;
      const port = `${protocol}/${hostIP ?? ''}/${hostPort}`;
      if (taken.has(port)) errors.push(duplicate(`${path}[${index}].ports[${place}].hostPort`, port));
      taken.add(port);
    }
  }
}

function validateMounts(
  container: Container | EphemeralContainer,
  { volumes }: Surroundings,
  devices: ReadonlySet<string>,
  path: string,
  errors: FieldError[],
): void {
  const paths = new Set<string>();
  for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
    const at = `${path}[${index}]`;
    if (!volumes.has(mount.name)) errors.push(notFound(`${at}.name`, mount.name));
    if (paths.has(mount.mountPath)) errors.push(invalid(`${at}.mountPath`, mount.mountPath, 'must be unique'));
    else if (devices.has(mount.mountPath)) {
      errors.push(invalid(`${at}.mountPath`, mount.mountPath, 'must not already exist as a path in volumeDevices'));
    }
    paths.add(mount.mountPath);
    validateMountDetails(mount, container.securityContext?.privileged ?? false, path, at, errors);
  }
}

/** Paths within the volume are reported without an index, as upstream does. */
function validateMountDetails(
  mount: VolumeMount,
  privileged: boolean,
  path: string,
  at: string,
  errors: FieldError[],
): void {
  if (mount.subPath) validateDescendingPath(mount.subPath, `${path}.subPath`, errors);
  if (mount.subPathExpr) {
    if (mount.subPath) {
      errors.push(invalid(`${at}.subPathExpr`, mount.subPathExpr, 'subPathExpr and subPath are mutually exclusive'));
    }
    validateDescendingPath(mount.subPathExpr, `${path}.subPathExpr`, errors);
  }
  const { mountPropagation, recursiveReadOnly } = mount;
  if (mountPropagation === 'Bidirectional' && !privileged) {
    errors.push(
      forbidden(`${at}.mountPropagation`, 'Bidirectional mount propagation is available only to privileged containers'),
    );
  }
  if (recursiveReadOnly !== 'Enabled' && recursiveReadOnly !== 'IfPossible') return;
  if (!mount.readOnly) {
    errors.push(forbidden(`${at}.recursiveReadOnly`, 'may only be specified when readOnly is true'));
  }
  if (mountPropagation !== undefined && mountPropagation !== 'None') {
    errors.push(
      forbidden(`${at}.recursiveReadOnly`, 'may only be specified when mountPropagation is None or not specified'),
    );
  }
}

function validateDevices(
  devices: readonly VolumeDevice[],
  { volumes }: Surroundings,
  path: string,
  errors: FieldError[],
): void {
  const paths = new Set<string>();
  for (const [index, { name, devicePath }] of devices.entries()) {
    const at = `${path}[${index}]`;
    const volume = volumes.get(name);
    if (!volume) errors.push(notFound(`${at}.name`, name));
    else if (!volume.persistentVolumeClaim && !volume.ephemeral) {
      errors.push(
        invalid(
          `${at}.name`,
          name,
          'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode',
        ),
      );
    }
    if (paths.has(devicePath)) errors.push(invalid(`${at}.devicePath`, devicePath, 'must be unique'));
    else if (devicePath.split('/').includes('..')) {
      errors.push(invalid(`${at}.devicePath`, devicePath, "can not contain backsteps ('..')"));
    }
    paths.add(devicePath);
  }
}
