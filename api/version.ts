/** Replaced by the build; from source it is not there. */
declare const KEDGE_VERSION: string | undefined;

export const kedgeVersion: string = typeof KEDGE_VERSION === 'undefined' ? '0.0.0-source' : KEDGE_VERSION;

/** The level of the Kubernetes API that Kedge serves, as kubectl's skew check reads it. */
export const kubernetesVersion = { major: '1', minor: '36', gitVersion: `v1.36.2+kedge-${kedgeVersion}` } as const;
