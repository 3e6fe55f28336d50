/** Validation of what a pod states for one operating system only: `spec.os` and the options for Windows. */
import { type FieldError, forbidden, invalid, notSupported, required } from '../../machinery/field-error.ts';
import { validateSubdomainName } from '../../machinery/names.ts';
import { allContainers, containerPath } from './all-containers.ts';
import type {
  PodSecurityContext,
  PodSpec,
  SecurityContext,
  WindowsSecurityContextOptions,
} from '../../types/core/v1.gen.ts';

const MAX_CREDENTIAL_SPEC_KIB = 64;
const MAX_DOMAIN = 256;
const MAX_USER = 104;
// eslint-disable-next-line no-control-regex -- control characters are what is refused
const CONTROL = /[\u0000-\u001f]+/;
const NETBIOS = /^[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}$/;
const DOMAIN = /^([a-z0-9A-Z]([-a-z0-9A-Z]*[a-z0-9A-Z])?\.)*[a-z0-9A-Z]([-a-z0-9A-Z]*[a-z0-9A-Z])?$/;
const RESERVED = /["/\\:;|=,+*?<>@[\]]/;

/** `DOMAIN\USER` or `USER`. Returns what is wrong with it, after the field's name. */
function userNameProblems(name: string): readonly string[] {
  if (name === '') return [' cannot be an empty string'];
  if (CONTROL.test(name)) return [' cannot contain control characters'];
  const parts = name.split('\\');
  if (parts.length > 2) return [' cannot contain more than one backslash'];
  const [user = '', domain] = parts.reverse();
  const problems: string[] = [];
  if (domain !== undefined && domain.length >= MAX_DOMAIN) {
    problems.push(`'s Domain length must be under ${MAX_DOMAIN} characters`);
  }
  if (domain !== undefined && !NETBIOS.test(domain) && !DOMAIN.test(domain)) {
    problems.push("'s Domain doesn't match the NetBios nor the DNS format");
  }
  if (user === '') problems.push("'s User cannot be empty");
  else if (user.length > MAX_USER) problems.push(`'s User length must not be longer than ${MAX_USER} characters`);
  if (/^[. ]+$/.test(user)) problems.push("'s User cannot contain only periods or spaces");
  if (RESERVED.test(user)) problems.push(`'s User cannot contain the following characters: "/\\:;|=,+*?<>@[]`);
  return problems;
}

/** The options of a pod or container, whatever its operating system. */
export function validateWindowsOptions(
  options: WindowsSecurityContextOptions,
  path: string,
  errors: FieldError[],
): void {
  const { gmsaCredentialSpecName, gmsaCredentialSpec, runAsUserName } = options;
  if (gmsaCredentialSpecName !== undefined) {
    for (const problem of validateSubdomainName(gmsaCredentialSpecName)) {
      errors.push(invalid(`${path}.gmsaCredentialSpecName`, gmsaCredentialSpecName, problem));
    }
  }
  if (gmsaCredentialSpec === '') {
    errors.push(invalid(`${path}.gmsaCredentialSpec`, '', 'gmsaCredentialSpec cannot be an empty string'));
  } else if (
    gmsaCredentialSpec !== undefined &&
    Buffer.byteLength(gmsaCredentialSpec) > MAX_CREDENTIAL_SPEC_KIB * 1024
  ) {
    const why = `gmsaCredentialSpec size must be under ${MAX_CREDENTIAL_SPEC_KIB} KiB`;
    errors.push(invalid(`${path}.gmsaCredentialSpec`, gmsaCredentialSpec, why));
  }
  if (runAsUserName === undefined) return;
  for (const problem of userNameProblems(runAsUserName)) {
    errors.push(invalid(`${path}.runAsUserName`, runAsUserName, `runAsUserName${problem}`));
  }
}

/** HostProcess is a matter of the whole pod, which has to be on the host's network. */
function validateHostProcess(spec: PodSpec, path: string, errors: FieldError[]): void {
  const ofPod = spec.securityContext?.windowsOptions?.hostProcess;
  let count = 0;
  let all = 0;
  for (const [place, { securityContext }] of allContainers(spec).entries()) {
    const own = securityContext?.windowsOptions?.hostProcess;
    all++;
    if (own ?? ofPod) count++;
    if (ofPod === undefined || own === undefined || own === ofPod) continue;
    const why = `pod hostProcess value must be identical if both are specified, was ${ofPod}`;
    const at = `${containerPath(spec, place, path)}.securityContext.windowsOptions.hostProcess`;
    errors.push(invalid(at, own, why));
  }
  if (count === 0) return;
  if (count !== all) {
    const why = 'If pod contains any hostProcess containers then all containers must be HostProcess containers';
    errors.push(invalid(path, '', why));
  }
  if (spec.hostNetwork) return;
  const why = 'hostNetwork must be true if pod contains any hostProcess containers';
  errors.push(invalid(`${path}.hostNetwork`, false, why));
}

/** What a pod of Windows cannot set. */
const ONLY_LINUX_POD = [
  'hostUsers',
  'hostPID',
  'hostIPC',
  'shareProcessNamespace',
] as const satisfies (keyof PodSpec)[];
const ONLY_LINUX_POD_CONTEXT = [
  'appArmorProfile',
  'seLinuxOptions',
  'seccompProfile',
  'fsGroup',
  'fsGroupChangePolicy',
  'sysctls',
  'runAsUser',
  'runAsGroup',
  'supplementalGroups',
  'supplementalGroupsPolicy',
  'seLinuxChangePolicy',
] as const satisfies (keyof PodSecurityContext)[];
const ONLY_LINUX_CONTEXT = [
  'appArmorProfile',
  'seLinuxOptions',
  'seccompProfile',
  'capabilities',
  'readOnlyRootFilesystem',
  'privileged',
  'allowPrivilegeEscalation',
  'procMount',
  'runAsUser',
  'runAsGroup',
] as const satisfies (keyof SecurityContext)[];

function refuseSet<T extends object>(
  holder: T | undefined,
  fields: readonly (keyof T & string)[],
  path: string,
  errors: FieldError[],
): void {
  for (const field of fields) {
    const value = holder?.[field];
    // As upstream, booleans that are not pointers there, and empty lists of sysctls, are not set.
    if (value === undefined || (value === false && /^host(PID|IPC)$/.test(field))) continue;
    if (field === 'sysctls' && Array.isArray(value) && value.length === 0) continue;
    errors.push(forbidden(`${path}.${field}`, 'cannot be set for a windows pod'));
  }
}

function validateWindows(spec: PodSpec, path: string, errors: FieldError[]): void {
  refuseSet(spec, ONLY_LINUX_POD, path, errors);
  refuseSet(spec.securityContext, ONLY_LINUX_POD_CONTEXT, `${path}.securityContext`, errors);
  for (const [place, { securityContext }] of allContainers(spec).entries()) {
    const at = `${containerPath(spec, place, path)}.securityContext`;
    refuseSet(securityContext, ONLY_LINUX_CONTEXT, at, errors);
  }
}

function validateLinux(spec: PodSpec, path: string, errors: FieldError[]): void {
  const refuse = (context: SecurityContext | PodSecurityContext | undefined, at: string): void => {
    if (!context?.windowsOptions) return;
    errors.push(forbidden(`${at}.securityContext.windowsOptions`, 'windows options cannot be set for a linux pod'));
  };
  refuse(spec.securityContext, path);
  for (const [place, { securityContext }] of allContainers(spec).entries())
    refuse(securityContext, containerPath(spec, place, path));
}

/**
 * Whether the pod sets only what its operating system has.
 * @param path of the pod spec
 */
export function validateOperatingSystem(spec: PodSpec, path: string, errors: FieldError[]): void {
  validateHostProcess(spec, path, errors);
  const { os } = spec;
  if (!os) return;
  if (os.name === 'windows') validateWindows(spec, path, errors);
  else if (os.name === 'linux') validateLinux(spec, path, errors);
  else errors.push(os.name ? notSupported(`${path}.os`, os.name, ['linux', 'windows']) : required(`${path}.os.name`));
}
