import { atomic, boolean, int64, oneOf, string, struct, type Static } from '../machinery/schema.ts';

export const AppArmorProfile = struct(
  'io.k8s.api.core.v1.AppArmorProfile',
  {
    type: oneOf('Localhost', 'RuntimeDefault', 'Unconfined'),
  },
  {
    localhostProfile: string(),
  },
);
export type AppArmorProfile = Static<typeof AppArmorProfile>;

export const Capabilities = struct(
  'io.k8s.api.core.v1.Capabilities',
  {},
  {
    add: atomic(string()),
    drop: atomic(string()),
  },
);
export type Capabilities = Static<typeof Capabilities>;

export const SELinuxOptions = struct(
  'io.k8s.api.core.v1.SELinuxOptions',
  {},
  {
    level: string(),
    role: string(),
    type: string(),
    user: string(),
  },
);
export type SELinuxOptions = Static<typeof SELinuxOptions>;

export const SeccompProfile = struct(
  'io.k8s.api.core.v1.SeccompProfile',
  {
    type: oneOf('Localhost', 'RuntimeDefault', 'Unconfined'),
  },
  {
    localhostProfile: string(),
  },
);
export type SeccompProfile = Static<typeof SeccompProfile>;

export const WindowsSecurityContextOptions = struct(
  'io.k8s.api.core.v1.WindowsSecurityContextOptions',
  {},
  {
    gmsaCredentialSpec: string(),
    gmsaCredentialSpecName: string(),
    hostProcess: boolean(),
    runAsUserName: string(),
  },
);
export type WindowsSecurityContextOptions = Static<typeof WindowsSecurityContextOptions>;

export const SecurityContext = struct(
  'io.k8s.api.core.v1.SecurityContext',
  {},
  {
    allowPrivilegeEscalation: boolean(),
    appArmorProfile: AppArmorProfile,
    capabilities: Capabilities,
    privileged: boolean(),
    procMount: oneOf('Default', 'Unmasked'),
    readOnlyRootFilesystem: boolean(),
    runAsGroup: int64(),
    runAsNonRoot: boolean(),
    runAsUser: int64(),
    seLinuxOptions: SELinuxOptions,
    seccompProfile: SeccompProfile,
    windowsOptions: WindowsSecurityContextOptions,
  },
);
export type SecurityContext = Static<typeof SecurityContext>;

export const Sysctl = struct(
  'io.k8s.api.core.v1.Sysctl',
  {
    name: string(),
    value: string(),
  },
  {},
);
export type Sysctl = Static<typeof Sysctl>;

export const PodSecurityContext = struct(
  'io.k8s.api.core.v1.PodSecurityContext',
  {},
  {
    appArmorProfile: AppArmorProfile,
    fsGroup: int64(),
    fsGroupChangePolicy: oneOf('Always', 'OnRootMismatch'),
    runAsGroup: int64(),
    runAsNonRoot: boolean(),
    runAsUser: int64(),
    seLinuxChangePolicy: string(),
    seLinuxOptions: SELinuxOptions,
    seccompProfile: SeccompProfile,
    supplementalGroups: atomic(int64()),
    supplementalGroupsPolicy: oneOf('Merge', 'Strict'),
    sysctls: atomic(Sysctl),
    windowsOptions: WindowsSecurityContextOptions,
  },
);
export type PodSecurityContext = Static<typeof PodSecurityContext>;
