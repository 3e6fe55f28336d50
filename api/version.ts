/** Set by the build; undefined when running from source. */
declare const KEDGE_VERSION: string | undefined;

export const kedgeVersion: string = typeof KEDGE_VERSION === 'undefined' ? '0.0.0-source' : KEDGE_VERSION;

/** The Kubernetes version whose API Kedge serves, for kubectl's skew check. */
export const kubernetesVersion = { major: '1', minor: '36', gitVersion: `v1.36.2+kedge-${kedgeVersion}` } as const;
