/** Validation of security contexts of containers and pods. */
import { type FieldError, duplicate, forbidden, invalid, notSupported, required } from '../../machinery/field-error.ts';
import { allContainers, containerPath } from './all-containers.ts';
import { validateWindowsOptions } from './operating-system-validation.ts';
import { validateDescendingPath } from './volume-file-validation.ts';
import type {
  AppArmorProfile,
  PodSecurityContext,
  PodSpec,
  SeccompProfile,
  SecurityContext,
} from '../../types/core/v1.gen.ts';

const PROFILE_TYPES = ['Localhost', 'RuntimeDefault', 'Unconfined'];
const MAX_SYSCTL = 253;
const SYSCTL = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9][-_a-z0-9.]*[a-z0-9]$|^[a-z0-9]$/;

function validateSeccomp(profile: SeccompProfile, path: string, errors: FieldError[]): void {
  const { type, localhostProfile } = profile;
  if (!type) errors.push(required(`${path}.type`, 'type is required when seccompProfile is set'));
  else if (!PROFILE_TYPES.includes(type)) errors.push(notSupported(`${path}.type`, type, PROFILE_TYPES));
  if (type === 'Localhost') {
    if (localhostProfile === undefined) {
      errors.push(required(`${path}.localhostProfile`, 'must be set when seccomp type is Localhost'));
    } else {
      validateDescendingPath(localhostProfile, `${path}.localhostProfile`, errors);
    }
  } else if (localhostProfile !== undefined) {
    const shown = { Type: type, LocalhostProfile: localhostProfile };
    errors.push(invalid(`${path}.localhostProfile`, shown, 'can only be set when seccomp type is Localhost'));
  }
}

function validateAppArmor({ type, localhostProfile }: AppArmorProfile, path: string, errors: FieldError[]): void {
  if (!type) errors.push(required(`${path}.type`, 'type is required when appArmorProfile is set'));
  else if (!PROFILE_TYPES.includes(type)) errors.push(notSupported(`${path}.type`, type, PROFILE_TYPES));
  if (type === 'Localhost') {
    if (!localhostProfile?.trim()) {
      errors.push(required(`${path}.localhostProfile`, 'must be set when AppArmor type is Localhost'));
    }
  } else if (localhostProfile !== undefined && PROFILE_TYPES.includes(type)) {
    errors.push(
      invalid(`${path}.localhostProfile`, localhostProfile, 'can only be set when AppArmor type is Localhost'),
    );
  }
}

export function validateSecurityContext(
  context: SecurityContext,
  hostUsers: boolean | undefined,
  path: string,
  errors: FieldError[],
): void {
  const { procMount, seccompProfile, appArmorProfile, allowPrivilegeEscalation, privileged, capabilities } = context;
  if (procMount === 'Unmasked' && hostUsers !== false) {
    errors.push(invalid(`${path}.procMount`, procMount, '`hostUsers` must be false to use `Unmasked`'));
  }
  if (seccompProfile) validateSeccomp(seccompProfile, `${path}.seccompProfile`, errors);
  if (appArmorProfile) validateAppArmor(appArmorProfile, `${path}.appArmorProfile`, errors);
  if (context.windowsOptions) validateWindowsOptions(context.windowsOptions, `${path}.windowsOptions`, errors);
  if (allowPrivilegeEscalation === false) {
    const contradicts = (what: string) =>
      errors.push(invalid(path, context, `cannot set \`allowPrivilegeEscalation\` to false and ${what}`));
    if (privileged) contradicts('`privileged` to true');
    if (capabilities?.add?.includes('CAP_SYS_ADMIN')) contradicts('`capabilities.Add` CAP_SYS_ADMIN');
  }
}

function validateSysctls(context: PodSecurityContext, spec: PodSpec, path: string, errors: FieldError[]): void {
  const names = new Set<string>();
  for (const [index, { name }] of (context.sysctls ?? []).entries()) {
    const at = `${path}[${index}].name`;
    if (name === '') errors.push(required(at));
    else if (name.length > MAX_SYSCTL || !SYSCTL.test(name)) {
      errors.push(
        invalid(
          at,
          name,
          `must have at most ${MAX_SYSCTL} characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$`,
        ),
      );
    } else if (names.has(name)) {
      errors.push(duplicate(at, name));
    }
    names.add(name);
    if (spec.hostNetwork && name.startsWith('net.')) {
      errors.push(invalid(at, name, 'may not be specified when `hostNetwork` is true'));
    }
    if (spec.hostIPC && /^(kernel\.(shm|msg|sem)|fs\.mqueue\.)/.test(name)) {
      errors.push(invalid(at, name, 'may not be specified when `hostIPC` is true'));
    }
  }
}

export function validatePodSecurityContext(spec: PodSpec, path: string, errors: FieldError[]): void {
  const at = `${path}.securityContext`;
  const context = spec.securityContext;
  if (spec.shareProcessNamespace && spec.hostPID) {
    errors.push(
      invalid(`${path}.shareProcessNamespace`, true, 'ShareProcessNamespace and HostPID cannot both be enabled'),
    );
  }
  if (spec.hostUsers === false) {
    for (const field of ['hostNetwork', 'hostPID', 'hostIPC'] as const) {
      if (spec[field]) errors.push(forbidden(`${path}.${field}`, `when \`hostUsers\` is false`));
    }
    for (const [place, { volumeDevices }] of allContainers(spec).entries()) {
      if (!volumeDevices?.length) continue;
      const where = containerPath(spec, place, path);
      errors.push(forbidden(`${where}.volumeDevices`, 'when `hostUsers` is false'));
    }
  }
  if (!context) return;
  if (context.sysctls) validateSysctls(context, spec, `${at}.sysctls`, errors);
  const { seccompProfile, appArmorProfile } = context;
  if (seccompProfile) validateSeccomp(seccompProfile, `${at}.seccompProfile`, errors);
  if (appArmorProfile) validateAppArmor(appArmorProfile, `${at}.appArmorProfile`, errors);
  if (context.windowsOptions) validateWindowsOptions(context.windowsOptions, `${at}.windowsOptions`, errors);
}

/**
 * Additional validation of an api-server without `--allow-privileged`: no container may be privileged.
 * @param path of the pod spec
 */
export function validateUnprivileged(spec: PodSpec, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [place, { securityContext }] of allContainers(spec).entries()) {
    if (!securityContext?.privileged) continue;
    errors.push(
      forbidden(`${containerPath(spec, place, path)}.securityContext.privileged`, 'disallowed by cluster policy'),
    );
  }
  return errors;
}
