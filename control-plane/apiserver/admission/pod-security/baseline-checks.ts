/** The controls of the level `baseline`: https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline */
import { own } from '../../../../api/machinery/own.ts';
import type { LifecycleHandler, Probe, SELinuxOptions } from '../../../../api/types/core/v1.gen.ts';
import {
  containersNamed,
  containersWhere,
  exceptInUserNamespaces,
  plural,
  quoted,
  setters,
  sorted,
  type Check,
  type CheckedPod,
  type CheckPod,
  type Violation,
} from './check.ts';

const APP_ARMOR_PREFIX = 'container.apparmor.security.beta.kubernetes.io/';
const SECCOMP_POD = 'seccomp.security.alpha.kubernetes.io/pod';
const SECCOMP_CONTAINER_PREFIX = 'container.seccomp.security.alpha.kubernetes.io/';
const LOCAL_PROFILE = 'localhost/';

const PROFILE_TYPES: ReadonlySet<string> = new Set(['RuntimeDefault', 'Localhost']);
/** Whether a profile of seccomp or AppArmor is one that turns confinement off, or none that is known. */
export const isBadProfile = (profile: { readonly type?: string } | undefined): boolean =>
  profile !== undefined && !PROFILE_TYPES.has(profile.type ?? '');

function appArmorProfile(pod: CheckedPod): Violation | undefined {
  const ofPod = pod.spec.securityContext?.appArmorProfile;
  const bad = pod.containers.filter(({ securityContext }) => isBadProfile(securityContext?.appArmorProfile));
  const types = sorted([
    ...(isBadProfile(ofPod) ? [ofPod?.type ?? ''] : []),
    ...bad.map(({ securityContext }) => securityContext?.appArmorProfile?.type ?? ''),
  ]);
  const annotations = Object.entries(pod.annotations)
    .filter(([key, profile]) => key.startsWith(APP_ARMOR_PREFIX) && !isAppArmorDefault(profile))
    .map(([key, profile]) => `${key}=${JSON.stringify(profile)}`)
    .sort();
  const fields = setters(
    isBadProfile(ofPod),
    bad.map(({ name }) => name),
  );
  const who = [
    ...(fields ? [fields] : []),
    ...(annotations.length > 0 ? [plural('annotation', annotations.length)] : []),
  ].join(' and ');
  if (!who) return undefined;
  const values = [...types, ...annotations];
  return {
    reason: plural('forbidden AppArmor profile', values.length),
    detail: `${who} must not set AppArmor profile type to ${quoted(values)}`,
  };
}
const isAppArmorDefault = (profile: string): boolean =>
  profile === '' || profile === 'runtime/default' || profile.startsWith(LOCAL_PROFILE);

const DEFAULT_CAPABILITIES: ReadonlySet<string> = new Set([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
]);

function capabilities(pod: CheckedPod): Violation | undefined {
  const added = new Set<string>();
  const bad = containersWhere(pod, ({ capabilities }) => {
    const others = (capabilities?.add ?? []).filter((capability) => !DEFAULT_CAPABILITIES.has(capability));
    for (const capability of others) added.add(capability);
    return others.length > 0;
  });
  if (bad.length === 0) return undefined;
  const which = quoted(sorted(added));
  return {
    reason: 'non-default capabilities',
    detail: `${containersNamed(bad)} must not include ${which} in securityContext.capabilities.add`,
  };
}

function hostNamespaces({ spec }: CheckedPod): Violation | undefined {
  const shared = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((field) => spec[field]);
  if (shared.length === 0) return undefined;
  return { reason: 'host namespaces', detail: shared.map((field) => `${field}=true`).join(', ') };
}

function hostPathVolumes({ spec }: CheckedPod): Violation | undefined {
  const bad = (spec.volumes ?? []).filter(({ hostPath }) => hostPath !== undefined).map(({ name }) => name);
  if (bad.length === 0) return undefined;
  return { reason: 'hostPath volumes', detail: `${plural('volume', bad.length)} ${quoted(bad)}` };
}

function hostPorts({ containers }: CheckedPod): Violation | undefined {
  const used = new Set<string>();
  const bad = containers.filter(({ ports = [] }) => {
    const onHost = ports.filter(({ hostPort }) => hostPort);
    for (const { hostPort } of onHost) used.add(String(hostPort));
    return onHost.length > 0;
  });
  if (bad.length === 0) return undefined;
  const uses = bad.length === 1 ? 'uses' : 'use';
  const ports = `${plural('hostPort', used.size)} ${sorted(used).join(', ')}`;
  return { reason: 'hostPort', detail: `${containersNamed(bad.map(({ name }) => name))} ${uses} ${ports}` };
}

const hostsOf = (handler: Probe | LifecycleHandler | undefined): string[] =>
  [handler?.httpGet?.host, handler?.tcpSocket?.host].filter((host) => host !== undefined && host !== '') as string[];

function probeHosts({ containers }: CheckedPod): Violation | undefined {
  const hosts = new Set<string>();
  const bad = containers.filter(({ livenessProbe, readinessProbe, startupProbe, lifecycle }) => {
    const handlers = [livenessProbe, readinessProbe, startupProbe, lifecycle?.postStart, lifecycle?.preStop];
    const named = handlers.flatMap(hostsOf);
    for (const host of named) hosts.add(host);
    return named.length > 0;
  });
  if (bad.length === 0) return undefined;
  const names = sorted(bad.map(({ name }) => name));
  const uses = names.length === 1 ? 'uses' : 'use';
  const which = `${plural('probe or lifecycle host', hosts.size)} ${quoted(sorted(hosts))}`;
  return { reason: 'probe or lifecycle host', detail: `${containersNamed(names)} ${uses} ${which}` };
}

function privileged(pod: CheckedPod): Violation | undefined {
  const bad = containersWhere(pod, ({ privileged }) => privileged === true);
  if (bad.length === 0) return undefined;
  return { reason: 'privileged', detail: `${containersNamed(bad)} must not set securityContext.privileged=true` };
}

export function procMount(pod: CheckedPod): Violation | undefined {
  const types = new Set<string>();
  const bad = containersWhere(pod, ({ procMount }) => {
    if (procMount === undefined || procMount === 'Default') return false;
    types.add(procMount);
    return true;
  });
  if (bad.length === 0) return undefined;
  const detail = `${containersNamed(bad)} must not set securityContext.procMount to ${quoted(sorted(types))}`;
  return { reason: 'procMount', detail };
}

const SELINUX_TYPES: ReadonlySet<string> = new Set(['', 'container_t', 'container_init_t', 'container_kvm_t']);
const SELINUX_TYPES_31: ReadonlySet<string> = new Set([...SELINUX_TYPES, 'container_engine_t']);

const seLinuxOptions =
  (allowed: ReadonlySet<string>): CheckPod =>
  (pod) => {
    const types = new Set<string>();
    const set = { user: false, role: false };
    const isBad = (options: SELinuxOptions | undefined): boolean => {
      const { type = '', user = '', role = '' } = options ?? {};
      if (!allowed.has(type)) types.add(type);
      if (user !== '') set.user = true;
      if (role !== '') set.role = true;
      return !allowed.has(type) || user !== '' || role !== '';
    };
    const ofPod = isBad(pod.spec.securityContext?.seLinuxOptions);
    const who = setters(
      ofPod,
      containersWhere(pod, ({ seLinuxOptions }) => isBad(seLinuxOptions)),
    );
    if (!who) return undefined;
    const what = [
      ...(types.size > 0 ? [`${plural('type', types.size)} ${quoted(sorted(types))}`] : []),
      ...(set.user ? ['user may not be set'] : []),
      ...(set.role ? ['role may not be set'] : []),
    ];
    const detail = `${who} set forbidden securityContext.seLinuxOptions: ${what.join('; ')}`;
    return { reason: 'seLinuxOptions', detail };
  };

/** Before v1.19 profiles were annotations. */
function seccompAnnotations({ annotations, containers }: CheckedPod): Violation | undefined {
  const keys = [SECCOMP_POD, ...containers.map(({ name }) => `${SECCOMP_CONTAINER_PREFIX}${name}`)];
  const bad = keys.flatMap((key) => {
    const profile = own(annotations, key);
    return profile === undefined || isSeccompDefault(profile) ? [] : [`${key}=${JSON.stringify(profile)}`];
  });
  const which = sorted(bad);
  if (which.length === 0) return undefined;
  const detail = `forbidden ${plural('annotation', which.length)} ${which.join(', ')}`;
  return { reason: 'seccompProfile', detail };
}
const isSeccompDefault = (profile: string): boolean =>
  profile === 'runtime/default' || profile === 'docker/default' || profile.startsWith(LOCAL_PROFILE);

export function seccompProfile(pod: CheckedPod): Violation | undefined {
  const ofPod = pod.spec.securityContext?.seccompProfile;
  const types = new Set<string>(isBadProfile(ofPod) ? [ofPod?.type ?? ''] : []);
  const bad = containersWhere(pod, ({ seccompProfile }) => {
    if (!isBadProfile(seccompProfile)) return false;
    types.add(seccompProfile?.type ?? '');
    return true;
  });
  const who = setters(isBadProfile(ofPod), bad);
  if (!who) return undefined;
  const detail = `${who} must not set securityContext.seccompProfile.type to ${quoted(sorted(types))}`;
  return { reason: 'seccompProfile', detail };
}

const SYSCTLS = [
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_unprivileged_port_start',
];
const SYSCTLS_27 = [...SYSCTLS, 'net.ipv4.ip_local_reserved_ports'];
const SYSCTLS_29 = [
  ...SYSCTLS_27,
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
];
const SYSCTLS_32 = [...SYSCTLS_29, 'net.ipv4.tcp_rmem', 'net.ipv4.tcp_wmem'];

function sysctls(names: readonly string[]): CheckPod {
  const allowed = new Set(names);
  return ({ spec }) => {
    const set = (spec.securityContext?.sysctls ?? []).map(({ name }) => name);
    const bad = set.filter((name) => !allowed.has(name));
    return bad.length === 0 ? undefined : { reason: 'forbidden sysctls', detail: bad.join(', ') };
  };
}

function windowsHostProcess(pod: CheckedPod): Violation | undefined {
  const who = setters(
    pod.spec.securityContext?.windowsOptions?.hostProcess === true,
    containersWhere(pod, ({ windowsOptions }) => windowsOptions?.hostProcess === true),
  );
  if (!who) return undefined;
  return { reason: 'hostProcess', detail: `${who} must not set securityContext.windowsOptions.hostProcess=true` };
}

const baseline = (id: string, ...versions: Check['versions']): Check => ({ id, level: 'baseline', versions });

/** In the order in which upstream names violations. */
export const baselineChecks: readonly Check[] = [
  baseline('appArmorProfile', { since: 0, check: appArmorProfile }),
  baseline('capabilities_baseline', { since: 0, check: capabilities }),
  baseline('hostNamespaces', { since: 0, check: hostNamespaces }),
  baseline('hostPathVolumes', { since: 0, check: hostPathVolumes }),
  baseline('hostPorts', { since: 0, check: hostPorts }),
  baseline('hostProbesAndHostLifecycle', { since: 34, check: probeHosts }),
  baseline('privileged', { since: 0, check: privileged }),
  baseline('procMount', { since: 0, check: procMount }, { since: 35, check: exceptInUserNamespaces(procMount) }),
  baseline(
    'seLinuxOptions',
    { since: 0, check: seLinuxOptions(SELINUX_TYPES) },
    { since: 31, check: seLinuxOptions(SELINUX_TYPES_31) },
  ),
  baseline('seccompProfile_baseline', { since: 0, check: seccompAnnotations }, { since: 19, check: seccompProfile }),
  baseline(
    'sysctls',
    { since: 0, check: sysctls(SYSCTLS) },
    { since: 27, check: sysctls(SYSCTLS_27) },
    { since: 29, check: sysctls(SYSCTLS_29) },
    { since: 32, check: sysctls(SYSCTLS_32) },
  ),
  baseline('windowsHostProcess', { since: 0, check: windowsHostProcess }),
];
