import { atomic, boolean, int64, oneOf, pointer, string, struct, type Static } from '../machinery/schema.ts';

export const AppArmorProfile = struct(
  'io.k8s.api.core.v1.AppArmorProfile',
  {
    type: oneOf('Localhost', 'RuntimeDefault', 'Unconfined'),
  },
  {
    localhostProfile: pointer(string()),
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
    localhostProfile: pointer(string()),
  },
);
export type SeccompProfile = Static<typeof SeccompProfile>;

export const WindowsSecurityContextOptions = struct(
  'io.k8s.api.core.v1.WindowsSecurityContextOptions',
  {},
  {
    gmsaCredentialSpec: pointer(string()),
    gmsaCredentialSpecName: pointer(string()),
    hostProcess: pointer(boolean()),
    runAsUserName: pointer(string()),
  },
);
export type WindowsSecurityContextOptions = Static<typeof WindowsSecurityContextOptions>;

export const SecurityContext = struct(
  'io.k8s.api.core.v1.SecurityContext',
  {},
  {
    allowPrivilegeEscalation: pointer(boolean()),
    appArmorProfile: AppArmorProfile,
    capabilities: Capabilities,
    privileged: pointer(boolean()),
    procMount: pointer(oneOf('Default', 'Unmasked')),
    readOnlyRootFilesystem: pointer(boolean()),
    runAsGroup: pointer(int64()),
    runAsNonRoot: pointer(boolean()),
    runAsUser: pointer(int64()),
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
    fsGroup: pointer(int64()),
    fsGroupChangePolicy: pointer(oneOf('Always', 'OnRootMismatch')),
    runAsGroup: pointer(int64()),
    runAsNonRoot: pointer(boolean()),
    runAsUser: pointer(int64()),
    seLinuxChangePolicy: string(),
    seLinuxOptions: SELinuxOptions,
    seccompProfile: SeccompProfile,
    supplementalGroups: atomic(int64()),
    supplementalGroupsPolicy: pointer(oneOf('Merge', 'Strict')),
    sysctls: atomic(Sysctl),
    windowsOptions: WindowsSecurityContextOptions,
  },
);
export type PodSecurityContext = Static<typeof PodSecurityContext>;
