/** Settings whose value is the name of a file that is a part of what the server is: backups have its contents, and servers that join get it. */
import type { ServerConfig } from './config.ts';

export const FILE_SETTINGS = [
  ...(['etcdCafile', 'etcdCertfile', 'etcdKeyfile', 'tokenAuthFile', 'encryptionProviderConfig'] as const),
  ...(['authenticationConfig', 'oidcCaFile', 'authenticationTokenWebhookConfigFile'] as const),
  ...(['authorizationConfig', 'authorizationPolicyFile', 'authorizationWebhookConfigFile'] as const),
  ...(['requestheaderClientCaFile', 'auditPolicyFile', 'auditWebhookConfigFile'] as const),
  ...(['kubeletClientCertificate', 'kubeletClientKey', 'kubeletCertificateAuthority'] as const),
  ...(['inventory', 'schedulerConfig'] as const),
] as const satisfies readonly (keyof ServerConfig)[];

export type FileSetting = (typeof FILE_SETTINGS)[number];
