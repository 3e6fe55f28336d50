/** The environment of a container, from all its sources. */
import type { ResourceList } from '../../../api/domain/resource-names.ts';
import { containerResource, podField } from '../../volumes/written/downward-values.ts';
import type { ObjectSource } from '../../volumes/written/object-source.ts';
import type { AnyContainer } from '../sync/actions.ts';
import { bytesOf, byteText, decodeUtf8 } from './byte-text.ts';
import { expand } from '../../../api/domain/expansion.ts';
import { containerOf } from '../sync/plan.ts';
import { serviceVariables, type LinkedService } from './service-env.ts';
import { configError } from './start-error.ts';
import { own } from '../../../api/machinery/own.ts';
import type { EnvFromSource, EnvVar, Pod } from '../../../api/types/core/v1.gen.ts';

export interface EnvironmentSources {
  readonly objects: ObjectSource;
  readonly services: () => Iterable<LinkedService>;
  /** The node's allocatable resources, in place of limits that are not set. */
  readonly allocatable: () => ResourceList;
  readonly hostIPs: readonly string[];
  readonly nodeName: string;
}

/** In the order in which they are set. Throws StartError for missing sources that are not optional. */
export async function containerEnvironment(
  pod: Pod,
  container: AnyContainer,
  podIPs: readonly string[],
  sources: EnvironmentSources,
  signal: AbortSignal,
): Promise<Map<string, Buffer>> {
  const namespace = pod.metadata?.namespace ?? '';
  // All values are byte strings until the end.
  const links = serviceVariables(sources.services(), namespace, pod.spec?.enableServiceLinks ?? true);
  const environment = new Map<string, string>();
  for (const source of container.envFrom ?? []) {
    for (const [name, value] of await allOf(source, namespace, sources.objects, signal)) environment.set(name, value);
  }
  // References resolve to earlier variables, then to those of services.
  const visible = new Map([...links, ...environment]);
  for (const variable of container.env ?? []) {
    const value = await valueOf(variable, pod, container, podIPs, sources, visible, signal);
    if (value === undefined) continue;
    visible.set(variable.name, value);
    // A name that is set again moves to its last place.
    environment.delete(variable.name);
    environment.set(variable.name, value);
  }
  for (const [name, value] of links) if (!environment.has(name)) environment.set(name, value);
  return new Map([...environment].map(([name, value]) => [name, bytesOf(value)]));
}

/** The variables with values in UTF-8, for `subPathExpr`. */
export function environmentText(environment: ReadonlyMap<string, Buffer>): Record<string, string> {
  const entries = [...environment].map(([name, value]) => [name, decodeUtf8(value)] as const);
  return Object.fromEntries(entries.filter((entry): entry is readonly [string, string] => entry[1] !== undefined));
}

/**
 * The variables with values that are not UTF-8. They are passed to the runtime as they are, but runc is configured in JSON,
 * which has U+FFFD in place of invalid bytes.
 */
export const variablesWithoutText = (environment: ReadonlyMap<string, Buffer>): string[] =>
  [...environment].filter(([, value]) => decodeUtf8(value) === undefined).map(([name]) => name);

async function allOf(
  source: EnvFromSource,
  namespace: string,
  objects: ObjectSource,
  signal: AbortSignal,
): Promise<[string, string][]> {
  const { configMapRef, secretRef, prefix = '' } = source;
  if (configMapRef) {
    const configMap = await objects.configMap(namespace, configMapRef.name ?? '', signal);
    if (!configMap && !configMapRef.optional) throw configError(`configmap "${configMapRef.name}" not found`);
    return Object.entries(configMap?.data ?? {}).map(([key, value]) => [prefix + key, byteText(value)]);
  }
  if (secretRef) {
    const secret = await objects.secret(namespace, secretRef.name ?? '', signal);
    if (!secret && !secretRef.optional) throw configError(`secret "${secretRef.name}" not found`);
    return Object.entries(secret?.data ?? {}).map(([key, value]) => [prefix + key, decoded(value)]);
  }
  return [];
}

/** Undefined for a missing optional source: the variable is omitted. */
async function valueOf(
  variable: EnvVar,
  pod: Pod,
  container: AnyContainer,
  podIPs: readonly string[],
  sources: EnvironmentSources,
  visible: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef } = variable.valueFrom ?? {};
  const namespace = pod.metadata?.namespace ?? '';
  if (fieldRef) return byteText(fieldValue(pod, fieldRef.fieldPath, podIPs, sources));
  if (resourceFieldRef) {
    const name = resourceFieldRef.containerName;
    const of = name ? containerOf(pod, name) : container;
    if (!of) throw configError(`container ${name} not found`);
    try {
      return containerResource(pod, of, resourceFieldRef, sources.allocatable());
    } catch (error) {
      throw configError((error as Error).message);
    }
  }
  if (configMapKeyRef) {
    const { name = '', key, optional } = configMapKeyRef;
    const configMap = await sources.objects.configMap(namespace, name, signal);
    const value = own(configMap?.data, key);
    if (value !== undefined) return byteText(value);
    if (optional) return undefined;
    throw configError(
      configMap ? `couldn't find key ${key} in ConfigMap ${namespace}/${name}` : `configmap "${name}" not found`,
    );
  }
  if (secretKeyRef) {
    const { name = '', key, optional } = secretKeyRef;
    const secret = await sources.objects.secret(namespace, name, signal);
    const value = own(secret?.data, key);
    if (value !== undefined) return decoded(value);
    if (optional) return undefined;
    throw configError(
      secret ? `couldn't find key ${key} in Secret ${namespace}/${name}` : `secret "${name}" not found`,
    );
  }
  if (fileKeyRef) throw configError(`environment variable ${variable.name}: fileKeyRef is not supported`);
  return expand(byteText(variable.value ?? ''), visible);
}

const decoded = (base64: string): string => byteText(Buffer.from(base64, 'base64'));

function fieldValue(pod: Pod, path: string, podIPs: readonly string[], sources: EnvironmentSources): string {
  switch (path) {
    case 'spec.nodeName':
      return sources.nodeName;
    case 'spec.serviceAccountName':
      return pod.spec?.serviceAccountName ?? '';
    case 'status.hostIP':
      return sources.hostIPs[0] ?? '';
    case 'status.hostIPs':
      return sources.hostIPs.join(',');
    case 'status.podIP':
      return podIPs[0] ?? '';
    case 'status.podIPs':
      return podIPs.join(',');
    default:
      try {
        return podField(pod, path);
      } catch (error) {
        throw configError((error as Error).message);
      }
  }
}
