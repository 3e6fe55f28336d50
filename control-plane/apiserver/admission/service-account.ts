import { MIRROR_ANNOTATION } from '../../../api/domain/mirror-annotation.ts';
import { podReferences } from '../../../api/domain/pod-references.ts';
import { DEFAULT_ACCOUNT, ROOT_CA_CONFIG_MAP } from '../../../api/domain/service-accounts.ts';
import { DEFAULT_FILE_MODE } from '../../../api/kinds/core/volume-defaults.ts';
import { validatePathSegmentName } from '../../../api/machinery/names.ts';
import { forbidden, unclassified } from '../../../api/machinery/status-error.ts';
import type { ServiceAccountEntry, ServiceAccountIndex } from '../access/authentication/service-account-index.ts';
import { POD_TOKEN_SECONDS } from '../access/authentication/service-account-issuer.ts';
import { generateName } from '../catalogue/object-meta.ts';
import type { AdmissionPlugin, AdmissionRequest } from './plugin.ts';
import { podOf } from './pod-request.ts';
import type { Container, EphemeralContainer, Pod, PodSpec, Volume } from '../../../api/types/core/v1.gen.ts';

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

/** What a container uses and the account does not list, in upstream's words. */
function secretOfContainer(
  kind: string,
  { name, env, envFrom }: Container | EphemeralContainer,
  mountable: readonly string[],
  suffix: string,
): string | undefined {
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
  return undefined;
}

type Containers = readonly (Container | EphemeralContainer)[] | undefined;

function secretOfContainers(kind: string, containers: Containers, account: string, mountable: readonly string[]) {
  const suffix = `is not allowed because service account ${account} does not reference that secret`;
  for (const container of containers ?? []) {
    const found = secretOfContainer(kind, container, mountable, suffix);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What the pod uses and its account does not list, for accounts that hold their pods to it. */
function unlistedSecret(
  spec: PodSpec,
  account: string,
  { mountableSecrets: mountable, imagePullSecrets }: ServiceAccountEntry,
): string | undefined {
  if (!mountable) return undefined;
  for (const { secret } of spec.volumes ?? []) {
    if (secret?.secretName && !mountable.includes(secret.secretName)) {
      return `volume with secret.secretName="${secret.secretName}" is not allowed because service account ${account} does not reference that secret`;
    }
  }
  const found =
    secretOfContainers('init container', spec.initContainers, account, mountable) ??
    secretOfContainers('container', spec.containers, account, mountable);
  if (found !== undefined) return found;
  for (const [index, { name = '' }] of (spec.imagePullSecrets ?? []).entries()) {
    if (!imagePullSecrets.includes(name)) {
      return `imagePullSecrets[${index}].name="${name}" is not allowed because service account ${account} does not reference that imagePullSecret`;
    }
  }
  return undefined;
}

function checkMirrorPod({ kind, name }: AdmissionRequest, { spec }: Pod): void {
  if (spec?.serviceAccountName) throw forbidden(kind, name, 'a mirror pod may not reference service accounts');
  if (podReferences(name, spec).secrets.length > 0) {
    throw forbidden(kind, name, 'a mirror pod may not reference secrets');
  }
  for (const { projected } of spec?.volumes ?? []) {
    if (projected?.sources?.some((source) => source.serviceAccountToken)) {
      throw forbidden(kind, name, 'a mirror pod may not use ServiceAccountToken volume projections');
    }
  }
}

const isMirrorPod = ({ metadata }: Pod): boolean => metadata?.annotations?.[MIRROR_ANNOTATION] !== undefined;

/** Gives every pod a service account, that account's pull secrets and, unless told otherwise, access to the API. */
export function serviceAccount(accounts: ServiceAccountIndex): AdmissionPlugin {
  const find = async (namespace: string, name: string): Promise<ServiceAccountEntry | undefined> =>
    name === DEFAULT_ACCOUNT
      ? accounts.appearing(namespace, name, DEFAULT_ACCOUNT_WAIT_MS)
      : accounts.get(namespace, name);

  /** Calls `use` with the pod's account. Throws or rejects with a 403 StatusError when there is none. */
  const withAccount = (
    request: AdmissionRequest,
    name: string,
    use: (account: ServiceAccountEntry) => void,
  ): void | Promise<void> => {
    const { kind, namespace } = request;
    const known = accounts.get(namespace, name);
    if (known) return use(known);
    return find(namespace, name).then((account) => {
      if (account) return use(account);
      const problems = validatePathSegmentName(name);
      const missing = problems.length
        ? `invalid resource name ${JSON.stringify(name)}: [${problems.join(' ')}]`
        : `serviceaccount ${JSON.stringify(name)} not found`;
      const reason = `error looking up service account ${namespace}/${name}: ${missing}`;
      throw forbidden(kind, request.name, reason);
    });
  };

  const checkSecrets = (request: AdmissionRequest, spec: PodSpec, account: ServiceAccountEntry): void => {
    const wrong = unlistedSecret(spec, spec.serviceAccountName ?? '', account);
    if (wrong !== undefined) throw forbidden(request.kind, request.name, wrong);
  };

  const admit = (request: AdmissionRequest, spec: PodSpec, name: string, account: ServiceAccountEntry): void => {
    spec.serviceAccountName = name;
    spec.serviceAccount = name;
    if (spec.automountServiceAccountToken ?? account.automount) mountAccess(spec);
    if (!spec.imagePullSecrets?.length && account.imagePullSecrets.length > 0) {
      spec.imagePullSecrets = account.imagePullSecrets.map((secret) => ({ name: secret }));
    }
    checkSecrets(request, spec, account);
  };

  const requireName = ({ kind, namespace, name }: AdmissionRequest, { serviceAccountName }: PodSpec): string => {
    if (serviceAccountName) return serviceAccountName;
    throw forbidden(kind, name, `no service account specified for pod ${namespace}/${name}`);
  };

  return {
    name: 'ServiceAccount',
    mutate(request) {
      const pod = podOf(request);
      if (!pod?.spec || request.operation !== 'CREATE') return undefined;
      if (isMirrorPod(pod)) return checkMirrorPod(request, pod);
      const { spec } = pod;
      const name = spec.serviceAccountName || DEFAULT_ACCOUNT;
      return withAccount(request, name, (account) => admit(request, spec, name, account));
    },
    // What webhooks have made of the pod.
    validate(request) {
      const { operation, subresource, kind, object } = request;
      if (kind.kind !== 'Pod' || kind.group !== '' || !object) return undefined;
      const pod: Pod = object;
      const { spec } = pod;
      if (!spec) return undefined;
      if (operation === 'UPDATE' && subresource === 'ephemeralcontainers') {
        const name = requireName(request, spec);
        return withAccount(request, name, ({ mountableSecrets }) => {
          const found =
            mountableSecrets &&
            secretOfContainers('ephemeral container', spec.ephemeralContainers, name, mountableSecrets);
          // Upstream does not make a Forbidden of it.
          if (found !== undefined) throw unclassified(found);
        });
      }
      if (operation !== 'CREATE' || subresource !== '') return undefined;
      if (isMirrorPod(pod)) return checkMirrorPod(request, pod);
      return withAccount(request, requireName(request, spec), (account) => checkSecrets(request, spec, account));
    },
  };
}
