/** Validation of containers: those of the pod, init containers and ephemeral ones. */
import {
  type FieldError,
  duplicate,
  forbidden,
  invalid,
  notFound,
  notSupported,
  required,
  tooMany,
} from '../../machinery/field-error.ts';
import { validateLabelName, validatePortName, validatePortNumber } from '../../machinery/names.ts';
import { validateEnv, validateEnvFrom } from './env-validation.ts';
import { validateContainerLife } from './probe-validation.ts';
import { validateResources } from './resource-validation.ts';
import { validateSecurityContext } from './security-context-validation.ts';
import { validateDescendingPath } from './volume-validation.ts';
import type {
  Container,
  ContainerPort,
  EphemeralContainer,
  PodSpec,
  Volume,
  VolumeDevice,
  VolumeMount,
} from '../../types/core/v1.gen.ts';

const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];
const RESTART_POLICIES = ['Always', 'Never', 'OnFailure'];
/** What agents carry out: RestartAllContainers is not among it. */
const RESTART_ACTIONS = ['Restart'];
const EXIT_CODE_OPERATORS = ['In', 'NotIn'];
const MAX_RESTART_RULES = 20;
const MAX_EXIT_CODES = 255;
const PULL_POLICIES = ['Always', 'IfNotPresent', 'Never'];
const MESSAGE_POLICIES = ['FallbackToLogsOnError', 'File'];
const PROPAGATIONS = ['Bidirectional', 'HostToContainer', 'None'];
const READ_ONLY_MODES = ['Disabled', 'Enabled', 'IfPossible'];

/** What containers refer to. */
interface Surroundings {
  readonly spec: PodSpec;
  readonly volumes: ReadonlyMap<string, Volume>;
}

export function validateContainers(spec: PodSpec, path: string, errors: FieldError[]): void {
  const around: Surroundings = { spec, volumes: new Map(spec.volumes?.map((volume) => [volume.name, volume])) };
  const containers = spec.containers ?? [];
  const at = `${path}.containers`;
  const names = new Set<string>();
  if (!containers.length) errors.push(required(at));
  for (const [index, container] of containers.entries()) {
    const here = `${at}[${index}]`;
    validateContainer(container, around, here, errors);
    if (names.has(container.name)) errors.push(duplicate(`${here}.name`, container.name));
    names.add(container.name);
    validateContainerLife(container, here, errors);
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
  if (restartPolicy !== undefined && !RESTART_POLICIES.includes(restartPolicy)) {
    errors.push(notSupported(`${path}.restartPolicy`, restartPolicy, RESTART_POLICIES));
  }
  if (restartPolicy === undefined && restartPolicyRules.length > 0) {
    errors.push(required(`${path}.restartPolicy`, 'must specify restartPolicy when restart rules are used'));
  }
  const rules = `${path}.restartPolicyRules`;
  if (restartPolicyRules.length > MAX_RESTART_RULES) {
    errors.push(tooMany(rules, restartPolicyRules.length, MAX_RESTART_RULES));
  }
  for (const [index, { action, exitCodes }] of restartPolicyRules.entries()) {
    const at = `${rules}[${index}]`;
    if (!RESTART_ACTIONS.includes(action)) errors.push(notSupported(`${at}.action`, action, RESTART_ACTIONS));
    if (!exitCodes) {
      errors.push(required(`${at}.exitCodes`, 'must be specified'));
      continue;
    }
    const { operator, values = [] } = exitCodes;
    if (!EXIT_CODE_OPERATORS.includes(operator)) {
      errors.push(notSupported(`${at}.exitCodes.operator`, operator, EXIT_CODE_OPERATORS));
    }
    if (values.length > MAX_EXIT_CODES) errors.push(tooMany(`${at}.exitCodes.values`, values.length, MAX_EXIT_CODES));
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
    if (names.has(container.name)) errors.push(duplicate(`${at}.name`, container.name));
    names.add(container.name);
    validateRestartPolicy(container, at, errors);
    if (container.restartPolicy === 'Always') {
      validateContainerLife(container, at, errors);
    } else {
      for (const field of ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
        if (container[field] === undefined) continue;
        errors.push(forbidden(`${at}.${field}`, 'may not be set for init containers without restartPolicy=Always'));
      }
    }
    validateHostPorts([container], path, errors);
  }
}

function validateEphemeralContainers(
  spec: PodSpec,
  around: Surroundings,
  names: Set<string>,
  path: string,
  errors: FieldError[],
): void {
  const containers = new Set([...(spec.containers ?? []), ...(spec.initContainers ?? [])].map(({ name }) => name));
  for (const [index, container] of (spec.ephemeralContainers ?? []).entries()) {
    const at = `${path}[${index}]`;
    validateContainer(container, around, at, errors);
    if (names.has(container.name)) errors.push(duplicate(`${at}.name`, container.name));
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
  const { name, image = '', imagePullPolicy, terminationMessagePolicy } = container;
  if (name === '') errors.push(required(`${path}.name`));
  else for (const problem of validateLabelName(name)) errors.push(invalid(`${path}.name`, name, problem));
  if (image === '') errors.push(required(`${path}.image`));
  else if (image !== image.trim()) {
    errors.push(invalid(`${path}.image`, image, 'must not have leading or trailing whitespace'));
  }
  if (terminationMessagePolicy && !MESSAGE_POLICIES.includes(terminationMessagePolicy)) {
    errors.push(notSupported(`${path}.terminationMessagePolicy`, terminationMessagePolicy, MESSAGE_POLICIES));
  }
  if (!imagePullPolicy) errors.push(required(`${path}.imagePullPolicy`));
  else if (!PULL_POLICIES.includes(imagePullPolicy)) {
    errors.push(notSupported(`${path}.imagePullPolicy`, imagePullPolicy, PULL_POLICIES));
  }
  if (container.ports) validatePorts(container.ports, around.spec, `${path}.ports`, errors);
  if (container.env) validateEnv(container.env, `${path}.env`, errors);
  if (container.envFrom) validateEnvFrom(container.envFrom, `${path}.envFrom`, errors);
  const devices = new Set(container.volumeDevices?.map((device) => device.devicePath));
  if (container.volumeMounts) validateMounts(container, around, devices, `${path}.volumeMounts`, errors);
  if (container.volumeDevices) validateDevices(container.volumeDevices, around, `${path}.volumeDevices`, errors);
  if (container.resources) validateResources(container.resources, `${path}.resources`, errors);
  if (container.securityContext) {
    validateSecurityContext(container.securityContext, around.spec.hostUsers, `${path}.securityContext`, errors);
  }
  for (const [index, { resourceName, restartPolicy }] of (container.resizePolicy ?? []).entries()) {
    const at = `${path}.resizePolicy[${index}]`;
    if (!['cpu', 'memory'].includes(resourceName)) {
      errors.push(notSupported(`${at}.resourceName`, resourceName, ['cpu', 'memory']));
    }
    if (!['NotRequired', 'RestartContainer'].includes(restartPolicy)) {
      errors.push(notSupported(`${at}.restartPolicy`, restartPolicy, ['NotRequired', 'RestartContainer']));
    }
  }
}

function validatePorts(ports: readonly ContainerPort[], spec: PodSpec, path: string, errors: FieldError[]): void {
  const names = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const at = `${path}[${index}]`;
    if (port.name) {
      const problems = validatePortName(port.name);
      for (const problem of problems) errors.push(invalid(`${at}.name`, port.name, problem));
      if (!problems.length && names.has(port.name)) errors.push(duplicate(`${at}.name`, port.name));
      names.add(port.name);
    }
    if (port.containerPort === 0) errors.push(required(`${at}.containerPort`));
    else {
      for (const problem of validatePortNumber(port.containerPort)) {
        errors.push(invalid(`${at}.containerPort`, port.containerPort, problem));
      }
    }
    if (port.hostPort) {
      for (const problem of validatePortNumber(port.hostPort)) {
        errors.push(invalid(`${at}.hostPort`, port.hostPort, problem));
      }
    }
    if (spec.hostNetwork && (port.hostPort ?? 0) !== port.containerPort) {
      errors.push(
        invalid(`${at}.hostPort`, port.hostPort ?? 0, 'must match `containerPort` when `hostNetwork` is true'),
      );
    }
    if (!port.protocol) errors.push(required(`${at}.protocol`));
    else if (!PROTOCOLS.includes(port.protocol)) {
      errors.push(notSupported(`${at}.protocol`, port.protocol, PROTOCOLS));
    }
  }
}

/** No two ports of the containers may want the same port of the host. */
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
    if (mount.name === '') errors.push(required(`${at}.name`));
    else if (!volumes.has(mount.name)) errors.push(notFound(`${at}.name`, mount.name));
    if (mount.mountPath === '') errors.push(required(`${at}.mountPath`));
    else if (paths.has(mount.mountPath)) errors.push(invalid(`${at}.mountPath`, mount.mountPath, 'must be unique'));
    else if (devices.has(mount.mountPath)) {
      errors.push(invalid(`${at}.mountPath`, mount.mountPath, 'must not already exist as a path in volumeDevices'));
    }
    paths.add(mount.mountPath);
    validateMountDetails(mount, container.securityContext?.privileged ?? false, path, at, errors);
  }
}

/** The paths within the volume are reported without an index, as upstream does. */
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
      errors.push(invalid(`${path}.subPathExpr`, mount.subPathExpr, 'subPathExpr and subPath are mutually exclusive'));
    }
    validateDescendingPath(mount.subPathExpr, `${path}.subPathExpr`, errors);
  }
  const { mountPropagation, recursiveReadOnly } = mount;
  if (mountPropagation !== undefined) {
    if (!PROPAGATIONS.includes(mountPropagation)) {
      errors.push(notSupported(`${at}.mountPropagation`, mountPropagation, PROPAGATIONS));
    } else if (mountPropagation === 'Bidirectional' && !privileged) {
      errors.push(
        forbidden(
          `${at}.mountPropagation`,
          'Bidirectional mount propagation is available only to privileged containers',
        ),
      );
    }
  }
  if (recursiveReadOnly === undefined) return;
  if (!READ_ONLY_MODES.includes(recursiveReadOnly)) {
    errors.push(notSupported(`${at}.recursiveReadOnly`, recursiveReadOnly, READ_ONLY_MODES));
  } else if (recursiveReadOnly !== 'Disabled') {
    if (!mount.readOnly) {
      errors.push(forbidden(`${at}.recursiveReadOnly`, 'may only be specified when readOnly is true'));
    }
    if (mountPropagation !== undefined && mountPropagation !== 'None') {
      errors.push(
        forbidden(`${at}.recursiveReadOnly`, 'may only be specified when mountPropagation is None or not specified'),
      );
    }
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
    if (name === '') errors.push(required(`${at}.name`));
    else if (!volume) errors.push(notFound(`${at}.name`, name));
    else if (!volume.persistentVolumeClaim && !volume.ephemeral) {
      errors.push(
        invalid(
          `${at}.name`,
          name,
          'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode',
        ),
      );
    }
    if (devicePath === '') errors.push(required(`${at}.devicePath`));
    else if (paths.has(devicePath)) errors.push(invalid(`${at}.devicePath`, devicePath, 'must be unique'));
    else if (devicePath.split('/').includes('..')) {
      errors.push(invalid(`${at}.devicePath`, devicePath, "can not contain backsteps ('..')"));
    }
    paths.add(devicePath);
  }
}
