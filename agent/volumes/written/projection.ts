/** The content of written volumes: files from configMaps, secrets, tokens and the pod's own fields. */
import { DEFAULT_TOKEN_SECONDS } from '../../../api/domain/service-accounts.ts';
import type { VolumeFile, VolumeFiles } from './atomic-writer.ts';
import type { ResourceList } from '../../../api/domain/resource-names.ts';
import { containerResource, podField } from './downward-values.ts';
import type { ObjectSource } from './object-source.ts';
import type { ServiceAccountTokens } from './service-account-tokens.ts';
import type {
  ConfigMapProjection,
  DownwardAPIVolumeFile,
  KeyToPath,
  Pod,
  ProjectedVolumeSource,
  SecretProjection,
  ServiceAccountTokenProjection,
} from '../../../api/types/core/v1.gen.ts';

/** Where projections take their content from. */
export interface ProjectionSources {
  readonly objects: ObjectSource;
  readonly tokens: ServiceAccountTokens;
  /** The node's allocatable resources, for limits that are not set. */
  allocatable(): ResourceList;
}

/** One volume being written. */
export interface Projecting {
  readonly pod: Pod;
  readonly signal: AbortSignal;
  readonly defaultMode: number;
  /** The text of a file in the volume; a restarted agent finds its tokens there. */
  current(path: string): Promise<string | undefined>;
}

/** Mode of tokens in pods with an fsGroup or a single user. */
const TOKEN_MODE = 0o600;

function pick(
  what: string,
  content: ReadonlyMap<string, Buffer>,
  items: readonly KeyToPath[] | undefined,
  optional: boolean,
  defaultMode: number,
): Map<string, VolumeFile> {
  const files = new Map<string, VolumeFile>();
  if (!items?.length) {
    for (const [key, bytes] of content) files.set(key, { content: bytes, mode: defaultMode });
    return files;
  }
  for (const { key, path, mode } of items) {
    const bytes = content.get(key);
    if (bytes) files.set(path, { content: bytes, mode: mode ?? defaultMode });
    else if (!optional) throw new Error(`references non-existent ${what} key: ${key}`);
  }
  return files;
}

export async function configMapFiles(
  source: ConfigMapProjection,
  { objects }: ProjectionSources,
  { pod, signal, defaultMode }: Projecting,
): Promise<VolumeFiles> {
  const { name = '', items, optional = false } = source;
  const object = await objects.configMap(pod.metadata?.namespace ?? '', name, signal);
  if (!object && !optional) throw new Error(`configmap ${JSON.stringify(name)} not found`);
  const content = new Map<string, Buffer>();
  for (const [key, text] of Object.entries(object?.data ?? {})) content.set(key, Buffer.from(text));
  for (const [key, base64] of Object.entries(object?.binaryData ?? {})) content.set(key, Buffer.from(base64, 'base64'));
  return pick('config', content, items, optional, defaultMode);
}

export async function secretFiles(
  source: SecretProjection,
  { objects }: ProjectionSources,
  { pod, signal, defaultMode }: Projecting,
): Promise<VolumeFiles> {
  const { name = '', items, optional = false } = source;
  const object = await objects.secret(pod.metadata?.namespace ?? '', name, signal);
  if (!object && !optional) throw new Error(`secret ${JSON.stringify(name)} not found`);
  const content = new Map<string, Buffer>();
  for (const [key, base64] of Object.entries(object?.data ?? {})) content.set(key, Buffer.from(base64, 'base64'));
  return pick('secret', content, items, optional, defaultMode);
}

export function downwardFiles(
  items: readonly DownwardAPIVolumeFile[] | undefined,
  from: ProjectionSources,
  { pod, defaultMode }: Projecting,
): VolumeFiles {
  const files = new Map<string, VolumeFile>();
  for (const { path, fieldRef, resourceFieldRef, mode } of items ?? []) {
    let text = '';
    if (fieldRef) text = podField(pod, fieldRef.fieldPath);
    else if (resourceFieldRef) {
      const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
      const container = containers.find(({ name }) => name === resourceFieldRef.containerName);
      if (!container) throw new Error(`container ${resourceFieldRef.containerName} not found`);
      text = containerResource(pod, container, resourceFieldRef, from.allocatable());
    }
    files.set(path, { content: Buffer.from(text), mode: mode ?? defaultMode });
  }
  return files;
}

/** The user that all containers of the pod run as; undefined when it is not set or differs. */
function userOf({ spec }: Pod): number | undefined {
  const containers = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
  const users = new Set(
    containers.map(({ securityContext }) => securityContext?.runAsUser ?? spec?.securityContext?.runAsUser),
  );
  return users.size === 1 ? [...users][0] : undefined;
}

async function tokenFile(
  { path, audience = '', expirationSeconds = DEFAULT_TOKEN_SECONDS }: ServiceAccountTokenProjection,
  { tokens }: ProjectionSources,
  projecting: Projecting,
): Promise<VolumeFiles> {
  const { pod, signal, defaultMode } = projecting;
  const token = await tokens.tokenFor(
    {
      namespace: pod.metadata?.namespace ?? '',
      podName: pod.metadata?.name ?? '',
      podUid: pod.metadata?.uid ?? '',
      serviceAccount: pod.spec?.serviceAccountName || 'default',
      audience,
      expirationSeconds,
    },
    () => projecting.current(path),
    signal,
  );
  const user = userOf(pod);
  const narrow = user !== undefined || pod.spec?.securityContext?.fsGroup !== undefined;
  const file: VolumeFile = { content: Buffer.from(token), mode: narrow ? TOKEN_MODE : defaultMode, user };
  return new Map([[path, file]]);
}

export async function projectedFiles(
  { sources }: ProjectedVolumeSource,
  from: ProjectionSources,
  volume: Projecting,
): Promise<VolumeFiles> {
  const parts = await Promise.all(
    (sources ?? []).map(async (source): Promise<VolumeFiles> => {
      if (source.configMap) return configMapFiles(source.configMap, from, volume);
      if (source.secret) return secretFiles(source.secret, from, volume);
      if (source.downwardAPI) return downwardFiles(source.downwardAPI.items, from, volume);
      if (source.serviceAccountToken) return tokenFile(source.serviceAccountToken, from, volume);
      throw new Error(`${Object.keys(source)[0] ?? 'empty'} projections are not supported yet by this version`);
    }),
  );
  // On duplicate paths the later source wins.
  return new Map(parts.flatMap((files) => [...files]));
}
