/** Warnings about pods that are valid, but probably contain a mistake: upstream's `pkg/api/pod/warnings.go`. */
import { ipWarnings } from '../../domain/address-warnings.ts';
import { validateLabelName } from '../../machinery/names.ts';
import { own } from '../../machinery/own.ts';
import { canonicalQuantity, isWholeQuantity } from '../../machinery/quantity.ts';
import { hasRepeats } from '../../machinery/repeats.ts';
import type {
  EnvVar,
  NodeAffinity,
  Pod,
  PodAffinity,
  PodAntiAffinity,
  PodSpec,
  PodTemplateSpec,
} from '../../types/core/v1.gen.ts';
import type { ObjectMeta } from '../../types/meta/v1.gen.ts';
import { allContainers, containerPath, type AnyContainer } from './all-containers.ts';
import { APP_ARMOR_ANNOTATION, appArmorDeprecation, isProfileOf } from './app-armor.ts';
import { claimWarnings } from './claim-validation.ts';
import { deprecatedNodeLabel, nodeSelectorTermWarnings } from './node-label-warnings.ts';
import { CONTAINER_SECCOMP_ANNOTATION, SECCOMP_ANNOTATION } from './pod-annotation-validation.ts';
import { addPathWarnings } from './pod-path-warnings.ts';
import { addPortWarnings } from './pod-port-warnings.ts';
import { WarningList } from './warning-list.ts';

/** Sources of volumes, what upstream calls them in the warning, and since when they are deprecated. */
const DEPRECATED_SOURCES = [
  { source: 'photonPersistentDisk', shown: 'photonPersistentDisk', since: 'v1.11, non-functional in v1.16+' },
  { source: 'gitRepo', shown: 'gitRepo', since: 'v1.11, and disabled by default in v1.33+' },
  { source: 'scaleIO', shown: 'scaleIO', since: 'v1.16, non-functional in v1.22+' },
  { source: 'flocker', shown: 'flocker', since: 'v1.22, non-functional in v1.25+' },
  { source: 'storageos', shown: 'storageOS', since: 'v1.22, non-functional in v1.25+' },
  { source: 'quobyte', shown: 'quobyte', since: 'v1.22, non-functional in v1.25+' },
  { source: 'glusterfs', shown: 'glusterfs', since: 'v1.25, non-functional in v1.26+' },
  { source: 'cephfs', shown: 'cephfs', since: 'v1.28, non-functional in v1.31+' },
  { source: 'rbd', shown: 'rbd', since: 'v1.28, non-functional in v1.31+' },
] as const;

const DEPRECATED_ANNOTATIONS = [
  {
    key: 'scheduler.alpha.kubernetes.io/critical-pod',
    why: 'non-functional in v1.16+; use the "priorityClassName" field instead',
  },
  { key: 'security.alpha.kubernetes.io/sysctls', why: 'non-functional in v1.11+; use the "sysctls" field instead' },
  {
    key: 'security.alpha.kubernetes.io/unsafe-sysctls',
    why: 'non-functional in v1.11+; use the "sysctls" field instead',
  },
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
  for (const { key, why } of DEPRECATED_ANNOTATIONS)
    if (own(annotations, key) !== undefined) warnings.add(`${annotationsAt}[${key}]: ${why}`);
  addVolumeWarnings(subject);
  addListWarnings(subject);
  for (const resource of spec.overhead ? BYTES : [])
    addFractionWarning(spec.overhead, resource, () => `${subject.path}.overhead`, warnings);
  if (!spec.securityContext?.seccompProfile && own(annotations, SECCOMP_ANNOTATION) !== undefined)
    warnings.add(`${annotationsAt}[${SECCOMP_ANNOTATION}]: ${SECCOMP_GONE}`);
  for (const [place, container] of allContainers(spec).entries()) addContainerWarnings(container, place, subject);
  addPortWarnings(spec, subject.path, warnings);
  addPodAffinityWarnings(subject);
  addAddressWarnings(subject);
  return warnings.texts;
}

function addNodeWarnings({ spec, path, warnings }: Subject): void {
  for (const key in spec.nodeSelector) {
    const why = deprecatedNodeLabel(key);
    if (why !== undefined) warnings.add(`${path}.nodeSelector[${key}]: ${why}`);
  }
  const { nodeAffinity } = spec.affinity ?? {};
  if (nodeAffinity) addNodeAffinityWarnings(nodeAffinity, `${path}.affinity.nodeAffinity`, warnings);
  for (const [index, { topologyKey, labelSelector }] of (spec.topologySpreadConstraints ?? []).entries()) {
    const here = `${path}.topologySpreadConstraints[${index}]`;
    const why = deprecatedNodeLabel(topologyKey);
    if (why !== undefined) warnings.add(`${here}.topologyKey: ${topologyKey} is ${why}`);
    if (!labelSelector) warnings.add(`${here}.labelSelector: ${NULL_SELECTOR}`);
  }
}

function addNodeAffinityWarnings(affinity: NodeAffinity, at: string, warnings: WarningList): void {
  const required = affinity.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  for (const [index, term] of required.entries()) {
    const here = `${at}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[${index}]`;
    warnings.addAll(nodeSelectorTermWarnings(term, here));
  }
  const preferred = affinity.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  for (const [index, { preference }] of preferred.entries()) {
    const here = `${at}.preferredDuringSchedulingIgnoredDuringExecution[${index}].preference`;
    warnings.addAll(nodeSelectorTermWarnings(preference, here, true));
  }
}

function addVolumeWarnings({ spec, path, warnings }: Subject): void {
  for (const [index, volume] of (spec.volumes ?? []).entries()) {
    for (const { source, shown, since } of DEPRECATED_SOURCES)
      if (volume[source]) warnings.add(`${path}.volumes[${index}].${shown}: deprecated in ${since}`);
    const template = volume.ephemeral?.volumeClaimTemplate;
    const at = 'ephemeral.volumeClaimTemplate.spec';
    if (template) warnings.addAll(claimWarnings(template.spec, `${path}.volumes[${index}].${at}`));
  }
  addPathWarnings(spec.volumes, warnings);
}

/** Host aliases and secrets that are named twice, or not at all. */
function addListWarnings({ spec, path, warnings }: Subject): void {
  if (spec.hostAliases) {
    const addresses = new Set<string>();
    for (const [index, { ip }] of spec.hostAliases.entries()) {
      if (addresses.has(ip)) warnings.add(`${path}.hostAliases[${index}].ip: duplicate ip ${JSON.stringify(ip)}`);
      addresses.add(ip);
    }
  }
  const secrets = spec.imagePullSecrets;
  if (!secrets) return;
  const names = new Set<string>();
  for (const [index, { name = '' }] of secrets.entries()) {
    if (names.has(name))
      warnings.add(`${path}.imagePullSecrets[${index}].name: duplicate name ${JSON.stringify(name)}`);
    names.add(name);
  }
  for (const [index, { name = '' }] of secrets.entries())
    if (name === '') warnings.add(`${path}.imagePullSecrets[${index}].name: invalid empty name ""`);
}

/** @param path of the amounts, asked for when there is something to say */
function addFractionWarning(
  amounts: Readonly<Record<string, string>> | undefined,
  resource: string,
  path: () => string,
  warnings: WarningList,
): void {
  const amount = own(amounts, resource);
  if (amount === undefined || isWholeQuantity(amount)) return;
  const shown = JSON.stringify(canonicalQuantity(amount));
  warnings.add(`${path()}[${resource}]: fractional byte value ${shown} is invalid, must be an integer`);
}

/** @param place of the container among all */
function addContainerWarnings(container: AnyContainer, place: number, subject: Subject): void {
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
  const at = (): string => containerPath(spec, place, subject.path);
  for (const resource of resources ? BYTES : []) {
    addFractionWarning(resources?.limits, resource, () => `${at()}.resources.limits`, warnings);
    addFractionWarning(resources?.requests, resource, () => `${at()}.resources.requests`, warnings);
  }
  if (env && hasRepeats(env, ({ name: variable }) => variable)) addEnvironmentWarnings(env, at(), warnings);
}

/** As in `PATH=$(PATH):/more`. */
const isExtended = (name: string, value: string): boolean => value !== `$(${name})` && value.includes(`$(${name})`);

/** A variable may be extended. */
function addEnvironmentWarnings(env: readonly EnvVar[], at: string, warnings: WarningList): void {
  const names = new Set<string>();
  for (const [index, { name, value = '', valueFrom }] of env.entries()) {
    if (names.has(name) && (valueFrom !== undefined || !isExtended(name, value)))
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
  const { podAffinity, podAntiAffinity } = affinity ?? {};
  if (podAffinity) addTermWarnings(podAffinity, `${path}.affinity.podAffinity`, warnings);
  if (podAntiAffinity) addTermWarnings(podAntiAffinity, `${path}.affinity.podAntiAffinity`, warnings);
}

function addTermWarnings(affinity: PodAffinity | PodAntiAffinity, at: string, warnings: WarningList): void {
  const { requiredDuringSchedulingIgnoredDuringExecution: required = [] } = affinity;
  const { preferredDuringSchedulingIgnoredDuringExecution: preferred = [] } = affinity;
  for (const [index, { labelSelector }] of required.entries())
    if (!labelSelector)
      warnings.add(`${at}.requiredDuringSchedulingIgnoredDuringExecution[${index}].labelSelector: ${NULL_SELECTOR}`);
  for (const [index, { podAffinityTerm }] of preferred.entries()) {
    if (podAffinityTerm.labelSelector) continue;
    const here = `${at}.preferredDuringSchedulingIgnoredDuringExecution[${index}].podAffinityTerm.labelSelector`;
    warnings.add(`${here}: ${NULL_SELECTOR}`);
  }
}

function addAddressWarnings({ spec, path, warnings }: Subject): void {
  for (const [index, address] of (spec.dnsConfig?.nameservers ?? []).entries())
    warnings.addAll(ipWarnings(`${path}.dnsConfig.nameservers[${index}]`, address));
  for (const [index, { ip }] of (spec.hostAliases ?? []).entries())
    warnings.addAll(ipWarnings(`${path}.hostAliases[${index}].ip`, ip));
}
