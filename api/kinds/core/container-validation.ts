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
import { lazy } from '../../machinery/lazy.ts';
import { validatePortName } from '../../machinery/names.ts';
import { validateEnv, validateEnvFrom } from './env-validation.ts';
import { validateContainerLife } from './probe-validation.ts';
import { claimNames, validateResources } from './resource-validation.ts';
import { validateSecurityContext } from './security-context-validation.ts';
import { validateDescendingPath } from './volume-file-validation.ts';
import type {
  Container,
  ContainerPort,
  ContainerResizePolicy,
  EphemeralContainer,
  PodSpec,
  Volume,
  VolumeMount,
} from '../../types/core/v1.gen.ts';

/** What containers may refer to. */
interface Surroundings {
  readonly spec: PodSpec;
  /** Of a template otherwise, which may say what none of its pods could be made with. */
  readonly isPod: boolean;
  /** The valid ones, which can be mounted. */
  readonly volumes: ReadonlyMap<string, Volume>;
  /** Of several of one name, the last. Asked for by variables that come from files. */
  readonly allVolumes: () => ReadonlyMap<string, Volume>;
  readonly claims: ReadonlySet<string>;
}

/** @param volumes the valid ones of the pod */
export function validateContainers(
  spec: PodSpec,
  isPod: boolean,
  volumes: ReadonlyMap<string, Volume>,
  path: string,
  errors: FieldError[],
): void {
  const around: Surroundings = {
    spec,
    isPod,
    volumes,
    claims: claimNames(spec),
    allVolumes: lazy(() => new Map(spec.volumes?.map((volume) => [volume.name, volume]))),
  };
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

/** What services need, in the order in which upstream declares it. */
const NOT_EPHEMERAL = [
  'ports',
  'resizePolicy',
  'restartPolicy',
  'restartPolicyRules',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'lifecycle',
] as const satisfies (keyof EphemeralContainer)[];
const NO_EPHEMERAL = 'cannot be set for an Ephemeral Container';

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
    for (const field of NOT_EPHEMERAL) {
      if (container[field] !== undefined) errors.push(forbidden(`${at}.${field}`, NO_EPHEMERAL));
    }
    if (container.resources && Object.keys(container.resources).length > 0) {
      errors.push(forbidden(`${at}.resources`, NO_EPHEMERAL));
    }
    for (const [place, mount] of (container.volumeMounts ?? []).entries()) {
      for (const field of ['subPath', 'subPathExpr'] as const) {
        if (mount[field]) errors.push(forbidden(`${at}.volumeMounts[${place}].${field}`, NO_EPHEMERAL));
      }
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
  if (around.isPod && image !== image.trim()) {
    errors.push(invalid(`${path}.image`, image, 'must not have leading or trailing whitespace'));
  }
  if (container.ports) validatePorts(container.ports, `${path}.ports`, errors);
  if (container.env) validateEnv(container.env, around.allVolumes, `${path}.env`, errors);
  if (container.envFrom) validateEnvFrom(container.envFrom, `${path}.envFrom`, errors);
  if (container.volumeMounts) validateMounts(container, around, `${path}.volumeMounts`, errors);
  if (container.volumeDevices) validateDevices(container, around, `${path}.volumeDevices`, errors);
  if (container.resources) {
    validateResources(container.resources, `${path}.resources`, errors, { claims: around.claims });
  }
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

function validatePorts(ports: readonly ContainerPort[], path: string, errors: FieldError[]): void {
  const names = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const at = `${path}[${index}]`;
    if (port.name) {
      const isValid = validatePortName(port.name).length === 0;
      if (isValid && names.has(port.name)) errors.push(duplicate(`${at}.name`, port.name));
      names.add(port.name);
    }
  }
}

/**
 * A container in the host's network listens at the host's port itself. Templates may leave that unsaid, because it is the default of
 * the pods that are made of them.
 */
export function validateHostNetworkPorts(spec: PodSpec, isPod: boolean, path: string, errors: FieldError[]): void {
  if (!spec.hostNetwork) return;
  for (const [index, { ports }] of (spec.containers ?? []).entries()) {
    for (const [place, { hostPort = 0, containerPort }] of (ports ?? []).entries()) {
      if (hostPort === containerPort || (!isPod && hostPort === 0)) continue;
      const at = `${path}.containers[${index}].ports[${place}].hostPort`;
      errors.push(invalid(at, hostPort, 'must match `containerPort` when `hostNetwork` is true'));
    }
  }
}

/** No two containers may use the same host port. */
function validateHostPorts(containers: readonly Container[], path: string, errors: FieldError[]): void {
  let taken: Set<string> | undefined;
  for (const [index, { ports }] of containers.entries()) {
    for (const [place, { hostPort, protocol, hostIP }] of (ports ?? []).entries()) {
      if (!hostPort) continue;
      taken ??= new Set();
      const port = `${protocol}/${hostIP ?? ''}/${hostPort}`;
      if (taken.has(port)) errors.push(duplicate(`${path}[${index}].ports[${place}].hostPort`, port));
      taken.add(port);
    }
  }
}

function validateMounts(
  container: Container | EphemeralContainer,
  { volumes }: Surroundings,
  path: string,
  errors: FieldError[],
): void {
  const paths = new Set<string>();
  const { volumeDevices } = container;
  const devices = volumeDevices && new Set(volumeDevices.map((device) => device.devicePath));
  const names = volumeDevices && new Set(volumeDevices.map((device) => device.name));
  for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
    const at = `${path}[${index}]`;
    if (!volumes.has(mount.name)) errors.push(notFound(`${at}.name`, mount.name));
    if (names?.has(mount.name))
      errors.push(invalid(`${at}.name`, mount.name, 'must not already exist in volumeDevices'));
    if (paths.has(mount.mountPath)) errors.push(invalid(`${at}.mountPath`, mount.mountPath, 'must be unique'));
    if (devices?.has(mount.mountPath)) {
      errors.push(invalid(`${at}.mountPath`, mount.mountPath, 'must not already exist as a path in volumeDevices'));
    }
    paths.add(mount.mountPath);
    validateMountDetails(mount, container.securityContext?.privileged ?? false, path, at, errors);
  }
}

const PROPAGATIONS = ['Bidirectional', 'HostToContainer', 'None'];
const RECURSIVE_MODES = ['Disabled', 'Enabled', 'IfPossible'];

/** Paths within the volume, and words, are reported without an index, as upstream does. */
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
  if (mountPropagation !== undefined && !PROPAGATIONS.includes(mountPropagation)) {
    errors.push(notSupported(`${path}.mountPropagation`, mountPropagation, PROPAGATIONS));
  }
  if (recursiveReadOnly !== undefined && !RECURSIVE_MODES.includes(recursiveReadOnly)) {
    errors.push(notSupported(`${path}.recursiveReadOnly`, recursiveReadOnly, RECURSIVE_MODES));
  }
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

const ONLY_CLAIMS = 'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode';

function validateDevices(
  { volumeDevices = [], volumeMounts = [] }: Container | EphemeralContainer,
  { volumes }: Surroundings,
  path: string,
  errors: FieldError[],
): void {
  const [names, paths] = [new Set<string>(), new Set<string>()];
  const mountedAs = new Map(volumeMounts.map((mount) => [mount.mountPath, mount.name]));
  const mounted = new Set(mountedAs.values());
  for (const [index, { name, devicePath }] of volumeDevices.entries()) {
    const at = `${path}[${index}]`;
    const volume = volumes.get(name);
    if (names.has(name)) errors.push(invalid(`${at}.name`, name, 'must be unique'));
    if (!volume) errors.push(notFound(`${at}.name`, name));
    else if (!volume.persistentVolumeClaim && !volume.ephemeral) {
      errors.push(invalid(`${at}.name`, name, ONLY_CLAIMS));
    }
    if (paths.has(devicePath)) errors.push(invalid(`${at}.devicePath`, devicePath, 'must be unique'));
    if (devicePath.split('/').includes('..')) {
      errors.push(invalid(`${at}.devicePath`, devicePath, "can not contain backsteps ('..')"));
    } else {
      paths.add(devicePath);
    }
    if (mounted.has(name)) errors.push(invalid(`${at}.name`, name, 'must not already exist in volumeMounts'));
    if (mountedAs.has(devicePath)) {
      errors.push(invalid(`${at}.devicePath`, devicePath, 'must not already exist as a path in volumeMounts'));
    }
    if (name !== '') names.add(name);
  }
}
