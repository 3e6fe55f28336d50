import { MIRROR_ANNOTATION } from '../../../api/domain/mirror-annotation.ts';
import { DEFAULT_ACCOUNT, ROOT_CA_CONFIG_MAP } from '../../../api/domain/service-accounts.ts';
import { DEFAULT_FILE_MODE } from '../../../api/kinds/core/volume-defaults.ts';
import { forbidden } from '../../../api/machinery/status-error.ts';
import type { ServiceAccountEntry, ServiceAccountIndex } from '../access/authentication/service-account-index.ts';
import { POD_TOKEN_SECONDS } from '../access/authentication/service-account-issuer.ts';
import { generateName } from '../catalogue/object-meta.ts';
import type { AdmissionPlugin, AdmissionRequest } from './plugin.ts';
import { podOf } from './pod-request.ts';
import type { Container, Pod, PodSpec, Volume } from '../../../api/types/core/v1.gen.ts';

const TOKEN_MOUNT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';
const VOLUME_PREFIX = 'kube-api-access-';
/** A new namespace gets its account from a controller: wait that long for it, as upstream does. */
const DEFAULT_ACCOUNT_WAIT_MS = 1000;

function volumeName(volumes: readonly Volume[]): string {
  for (;;) {
    const name = generateName(VOLUME_PREFIX);
    if (!volumes.some((volume) => volume.name === name)) return name;
  }
}

/** A fresh token, the cluster's CA and the pod's namespace: what a client in the pod needs to reach the API. */
const accessVolume = (name: string): Volume => ({
  name,
  projected: {
    sources: [
      { serviceAccountToken: { expirationSeconds: POD_TOKEN_SECONDS, path: 'token' } },
      { configMap: { name: ROOT_CA_CONFIG_MAP, items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
      {
        downwardAPI: {
          items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
        },
      },
    ],
    defaultMode: DEFAULT_FILE_MODE,
  },
});

/** Mounts API access into each container that has nothing else in that place. */
function mountAccess(spec: PodSpec): void {
  const volumes = (spec.volumes ??= []);
  const existing = volumes.find((volume) => volume.name.startsWith(VOLUME_PREFIX));
  const name = existing?.name ?? volumeName(volumes);
  const mount = (container: Container): boolean => {
    const mounts = (container.volumeMounts ??= []);
    if (mounts.some(({ mountPath }) => mountPath === TOKEN_MOUNT_PATH)) return false;
    mounts.push({ name, readOnly: true, mountPath: TOKEN_MOUNT_PATH });
    return true;
  };
  const mounted = [...(spec.initContainers ?? []), ...(spec.containers ?? [])].map(mount);
  if (!existing && mounted.includes(true)) volumes.push(accessVolume(name));
  if (volumes.length === 0) delete spec.volumes;
}

/** What the pod uses and its account does not list, in upstream's words; for accounts that hold their pods to it. */
function unlistedSecret(spec: PodSpec, account: string, mountable: readonly string[]): string | undefined {
  const suffix = `is not allowed because service account ${account} does not reference that secret`;
  for (const { secret } of spec.volumes ?? []) {
    if (secret?.secretName && !mountable.includes(secret.secretName)) {
      return `volume with secret.secretName="${secret.secretName}" ${suffix}`;
    }
  }
  const containers: [string, Container][] = [
    ...(spec.initContainers ?? []).map((container): [string, Container] => ['init container', container]),
    ...(spec.containers ?? []).map((container): [string, Container] => ['container', container]),
  ];
  for (const [kind, { name, env, envFrom }] of containers) {
    for (const { name: variable, valueFrom } of env ?? []) {
      const secret = valueFrom?.secretKeyRef?.name;
      if (secret !== undefined && !mountable.includes(secret)) {
        return `${kind} ${name} with envVar ${variable} referencing secret.secretName="${secret}" ${suffix}`;
      }
    }
    for (const { secretRef } of envFrom ?? []) {
      if (secretRef?.name !== undefined && !mountable.includes(secretRef.name)) {
        return `${kind} ${name} with envFrom referencing secret.secretName="${secretRef.name}" ${suffix}`;
      }
    }
  }
  return undefined;
}

function checkMirrorPod({ kind, name }: AdmissionRequest, { spec }: Pod): void {
  if (spec?.serviceAccountName) throw forbidden(kind, name, 'a mirror pod may not reference service accounts');
  for (const { secret, projected } of spec?.volumes ?? []) {
    if (secret || projected?.sources?.some((source) => source.secret)) {
      throw forbidden(kind, name, 'a mirror pod may not reference secrets');
    }
    if (projected?.sources?.some((source) => source.serviceAccountToken)) {
      throw forbidden(kind, name, 'a mirror pod may not use ServiceAccountToken volume projections');
    }
  }
}

/** Gives every pod a service account, that account's pull secrets and, unless told otherwise, access to the API. */
export function serviceAccount(accounts: ServiceAccountIndex): AdmissionPlugin {
  const find = async (namespace: string, name: string): Promise<ServiceAccountEntry | undefined> =>
    name === DEFAULT_ACCOUNT
      ? accounts.appearing(namespace, name, DEFAULT_ACCOUNT_WAIT_MS)
      : accounts.get(namespace, name);

  const admit = (request: AdmissionRequest, spec: PodSpec, name: string, account: ServiceAccountEntry): void => {
    spec.serviceAccountName = name;
    spec.serviceAccount = name;
    if (account.mountableSecrets) {
      const wrong = unlistedSecret(spec, name, account.mountableSecrets);
      if (wrong) throw forbidden(request.kind, request.name, wrong);
    }
    if (spec.automountServiceAccountToken ?? account.automount) mountAccess(spec);
    if (!spec.imagePullSecrets?.length && account.imagePullSecrets.length > 0) {
      spec.imagePullSecrets = account.imagePullSecrets.map((secret) => ({ name: secret }));
    }
  };

  return {
    name: 'ServiceAccount',
    mutate(request) {
      const pod = podOf(request);
      if (!pod?.spec || request.operation !== 'CREATE') return undefined;
      if (pod.metadata?.annotations?.[MIRROR_ANNOTATION] !== undefined) return checkMirrorPod(request, pod);
      const { spec } = pod;
      const { namespace } = request;
      const name = spec.serviceAccountName || DEFAULT_ACCOUNT;
      const known = accounts.get(namespace, name);
      if (known) return admit(request, spec, name, known);
      return find(namespace, name).then((account) => {
        if (account) return admit(request, spec, name, account);
        const missing = `serviceaccount ${JSON.stringify(name)} not found`;
        const reason = `error looking up service account ${namespace}/${name}: ${missing}`;
        throw forbidden(request.kind, request.name, reason);
      });
    },
  };
}
