/** Warnings about pods that are valid, but probably contain a mistake: upstream's `pkg/api/pod/warnings.go`. */
import { ipWarnings } from '../../domain/address-warnings.ts';
import { validateLabelName } from '../../machinery/names.ts';
import { own } from '../../machinery/own.ts';
import { canonicalQuantity, quantityMilliValue } from '../../machinery/quantity.ts';
import type { EnvVar, Pod, PodSpec, PodTemplateSpec } from '../../types/core/v1.gen.ts';
import type { ObjectMeta } from '../../types/meta/v1.gen.ts';
import { allContainers, type AnyContainer } from './all-containers.ts';
import { APP_ARMOR_ANNOTATION, appArmorDeprecation, isProfileOf } from './app-armor.ts';
import { claimWarnings } from './claim-validation.ts';
import { deprecatedNodeLabel, nodeSelectorTermWarnings } from './node-label-warnings.ts';
import { CONTAINER_SECCOMP_ANNOTATION, SECCOMP_ANNOTATION } from './pod-annotation-validation.ts';
import { addPathWarnings } from './pod-path-warnings.ts';
import { addPortWarnings } from './pod-port-warnings.ts';
import { WarningList } from './warning-list.ts';

/** Sources of volumes, what upstream calls them in the warning, and since when they are deprecated. */
const DEPRECATED_SOURCES = [
  ['photonPersistentDisk', 'photonPersistentDisk', 'v1.11, non-functional in v1.16+'],
  ['gitRepo', 'gitRepo', 'v1.11, and disabled by default in v1.33+'],
  ['scaleIO', 'scaleIO', 'v1.16, non-functional in v1.22+'],
  ['flocker', 'flocker', 'v1.22, non-functional in v1.25+'],
  ['storageos', 'storageOS', 'v1.22, non-functional in v1.25+'],
  ['quobyte', 'quobyte', 'v1.22, non-functional in v1.25+'],
  ['glusterfs', 'glusterfs', 'v1.25, non-functional in v1.26+'],
  ['cephfs', 'cephfs', 'v1.28, non-functional in v1.31+'],
  ['rbd', 'rbd', 'v1.28, non-functional in v1.31+'],
] as const;

const DEPRECATED_ANNOTATIONS = [
  ['scheduler.alpha.kubernetes.io/critical-pod', 'non-functional in v1.16+; use the "priorityClassName" field instead'],
  ['security.alpha.kubernetes.io/sysctls', 'non-functional in v1.11+; use the "sysctls" field instead'],
  ['security.alpha.kubernetes.io/unsafe-sysctls', 'non-functional in v1.11+; use the "sysctls" field instead'],
] as const;
const SECCOMP_GONE = 'non-functional in v1.27+; use the "seccompProfile" field instead';
const NULL_SELECTOR = 'a null labelSelector results in matching no pod';
/** Resources that are counted in bytes. */
const BYTES = ['memory', 'ephemeral-storage'] as const;

type Metadata = Pick<ObjectMeta, 'annotations'>;
/** Where in a pod, or in a template, and what is found there. */
interface Subject {
  readonly spec: PodSpec;
  readonly annotations: Metadata['annotations'];
  /** Of the spec. */
  readonly path: string;
  /** Of the annotations. */
  readonly annotationsAt: string;
  readonly isTemplate: boolean;
  readonly warnings: WarningList;
}

export function podWarnings(spec: PodSpec | undefined, metadata: Metadata | undefined): string[] {
  return warningsOf(spec, metadata, '', false);
}

export const podStatusWarnings = ({ status }: Pod): string[] =>
  (['podIPs', 'hostIPs'] as const).flatMap((field) =>
    (status?.[field] ?? []).flatMap(({ ip }, index) => ipWarnings(`status.${field}[${index}].ip`, ip)),
  );

export function podNameWarnings(metadata: ObjectMeta | undefined): string[] {
  const problems = validateLabelName(metadata?.name ?? '');
  if (problems.length === 0) return [];
  const advice = `a DNS label is recommended: [${problems.join(' ')}]`;
  return [`metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; ${advice}`];
}

/** @param path of the template */
export const podTemplateWarnings = (template: PodTemplateSpec | undefined, path: string): string[] =>
  warningsOf(template?.spec, template?.metadata, `${path}.`, true);

function warningsOf(
  spec: PodSpec | undefined,
  metadata: Metadata | undefined,
  prefix: string,
  isTemplate: boolean,
): string[] {
  if (!spec) return [];
  const warnings = new WarningList();
  const annotations = metadata?.annotations;
  const annotationsAt = `${prefix}metadata.annotations`;
  const subject: Subject = { spec, annotations, path: `${prefix}spec`, annotationsAt, isTemplate, warnings };
  addNodeWarnings(subject);
  for (const [key, why] of DEPRECATED_ANNOTATIONS)
    if (own(annotations, key) !== undefined) warnings.add(`${annotationsAt}[${key}]: ${why}`);
  addVolumeWarnings(subject);
  addListWarnings(subject);
  addOverheadWarnings(subject);
  if (!spec.securityContext?.seccompProfile && own(annotations, SECCOMP_ANNOTATION) !== undefined)
    warnings.add(`${annotationsAt}[${SECCOMP_ANNOTATION}]: ${SECCOMP_GONE}`);
  const containers = allContainers(spec, subject.path);
  for (const [container, at] of containers) addContainerWarnings(container, at, subject);
  const ports = containers.flatMap(([container, at]) =>
    (container.ports ?? []).map((port, index) => ({ port, path: `${at}.ports[${index}]` })),
  );
  addPortWarnings(ports, warnings);
  addPodAffinityWarnings(subject);
  addAddressWarnings(subject);
  return warnings.texts;
}

function addNodeWarnings({ spec, path, warnings }: Subject): void {
  for (const key of Object.keys(spec.nodeSelector ?? {})) {
    const why = deprecatedNodeLabel(key);
    if (why !== undefined) warnings.add(`${path}.nodeSelector[${key}]: ${why}`);
  }
  const affinity = spec.affinity?.nodeAffinity;
  const at = `${path}.affinity.nodeAffinity`;
  const required = affinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  for (const [index, term] of required.entries()) {
    const here = `${at}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[${index}]`;
    warnings.addAll(nodeSelectorTermWarnings(term, here));
  }
  const preferred = affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  for (const [index, { preference }] of preferred.entries()) {
    const here = `${at}.preferredDuringSchedulingIgnoredDuringExecution[${index}].preference`;
    warnings.addAll(nodeSelectorTermWarnings(preference, here, true));
  }
  for (const [index, { topologyKey, labelSelector }] of (spec.topologySpreadConstraints ?? []).entries()) {
    const here = `${path}.topologySpreadConstraints[${index}]`;
    const why = deprecatedNodeLabel(topologyKey);
    if (why !== undefined) warnings.add(`${here}.topologyKey: ${topologyKey} is ${why}`);
    if (!labelSelector) warnings.add(`${here}.labelSelector: ${NULL_SELECTOR}`);
  }
}

function addVolumeWarnings({ spec, path, warnings }: Subject): void {
  for (const [index, volume] of (spec.volumes ?? []).entries()) {
    const at = `${path}.volumes[${index}]`;
    for (const [source, shown, since] of DEPRECATED_SOURCES)
      if (volume[source]) warnings.add(`${at}.${shown}: deprecated in ${since}`);
    const template = volume.ephemeral?.volumeClaimTemplate;
    if (template) warnings.addAll(claimWarnings(template.spec, `${at}.ephemeral.volumeClaimTemplate.spec`));
  }
  addPathWarnings(spec.volumes, warnings);
}

/** Host aliases and secrets that are named twice, or not at all. */
function addListWarnings({ spec, path, warnings }: Subject): void {
  const addresses = new Set<string>();
  for (const [index, { ip }] of (spec.hostAliases ?? []).entries()) {
    if (addresses.has(ip)) warnings.add(`${path}.hostAliases[${index}].ip: duplicate ip ${JSON.stringify(ip)}`);
    addresses.add(ip);
  }
  const secrets = spec.imagePullSecrets ?? [];
  const names = new Set<string>();
  for (const [index, { name = '' }] of secrets.entries()) {
    if (names.has(name))
      warnings.add(`${path}.imagePullSecrets[${index}].name: duplicate name ${JSON.stringify(name)}`);
    names.add(name);
  }
  for (const [index, { name = '' }] of secrets.entries())
    if (name === '') warnings.add(`${path}.imagePullSecrets[${index}].name: invalid empty name ""`);
}

function addOverheadWarnings({ spec, path, warnings }: Subject): void {
  for (const resource of BYTES) addFraction(own(spec.overhead, resource), `${path}.overhead[${resource}]`, warnings);
}

function addFraction(amount: string | undefined, path: string, warnings: WarningList): void {
  if (amount === undefined || quantityMilliValue(amount) % 1000 === 0) return;
  const shown = JSON.stringify(canonicalQuantity(amount));
  warnings.add(`${path}: fractional byte value ${shown} is invalid, must be an integer`);
}

function addContainerWarnings(container: AnyContainer, at: string, subject: Subject): void {
  const { annotations, annotationsAt, spec, isTemplate, warnings } = subject;
  const { name, securityContext, resources, env } = container;
  const seccomp = `${CONTAINER_SECCOMP_ANNOTATION}${name}`;
  if (!securityContext?.seccompProfile && own(annotations, seccomp) !== undefined)
    warnings.add(`${annotationsAt}[${seccomp}]: ${SECCOMP_GONE}`);
  // Of pods, the annotation becomes the field: what creates them warns.
  if (isTemplate && !securityContext?.appArmorProfile) {
    const profile = own(annotations, `${APP_ARMOR_ANNOTATION}${name}`);
    if (profile !== undefined && !isProfileOf(profile, spec.securityContext?.appArmorProfile))
      warnings.add(appArmorDeprecation(annotationsAt, name));
  }
  for (const resource of BYTES)
    for (const side of ['limits', 'requests'] as const)
      addFraction(own(resources?.[side], resource), `${at}.resources.${side}[${resource}]`, warnings);
  addEnvironmentWarnings(env, at, warnings);
}

/** A variable may be extended: `PATH=$(PATH):/more`. */
function addEnvironmentWarnings(env: readonly EnvVar[] | undefined, at: string, warnings: WarningList): void {
  const names = new Set<string>();
  for (const [index, { name, value = '', valueFrom }] of (env ?? []).entries()) {
    const reference = `$(${name})`;
    if (names.has(name) && (valueFrom !== undefined || value === reference || !value.includes(reference)))
      warnings.add(
        `${at}.env[${index}]: hides previous definition of ${JSON.stringify(name)}, which may be dropped when using apply`,
      );
    names.add(name);
  }
}

function addPodAffinityWarnings({ spec, path, warnings }: Subject): void {
  const { terminationGracePeriodSeconds: seconds = 0, affinity } = spec;
  if (seconds < 0) {
    const why = 'must be >= 0; negative values are invalid and will be treated as 1';
    warnings.add(`${path}.terminationGracePeriodSeconds: ${why}`);
  }
  for (const field of ['podAffinity', 'podAntiAffinity'] as const) {
    const { requiredDuringSchedulingIgnoredDuringExecution: required = [] } = affinity?.[field] ?? {};
    const { preferredDuringSchedulingIgnoredDuringExecution: preferred = [] } = affinity?.[field] ?? {};
    const at = `${path}.affinity.${field}`;
    for (const [index, { labelSelector }] of required.entries())
      if (!labelSelector)
        warnings.add(`${at}.requiredDuringSchedulingIgnoredDuringExecution[${index}].labelSelector: ${NULL_SELECTOR}`);
    for (const [index, { podAffinityTerm }] of preferred.entries()) {
      if (podAffinityTerm.labelSelector) continue;
      const here = `${at}.preferredDuringSchedulingIgnoredDuringExecution[${index}].podAffinityTerm.labelSelector`;
      warnings.add(`${here}: ${NULL_SELECTOR}`);
    }
  }
}

function addAddressWarnings({ spec, path, warnings }: Subject): void {
  for (const [index, address] of (spec.dnsConfig?.nameservers ?? []).entries())
    warnings.addAll(ipWarnings(`${path}.dnsConfig.nameservers[${index}]`, address));
  for (const [index, { ip }] of (spec.hostAliases ?? []).entries())
    warnings.addAll(ipWarnings(`${path}.hostAliases[${index}].ip`, ip));
}
