/** Validation of pods and pod templates: upstream's `ValidatePodSpec`. */
import { MIRROR_ANNOTATION } from '../../domain/mirror-annotation.ts';
import { MAX_NAMESERVERS, MAX_SEARCHES } from '../../domain/pod-dns.ts';
import { addErrors, type FieldError, duplicate, forbidden, invalid, required } from '../../machinery/field-error.ts';
import { validateAnnotations, validateLabels } from '../../machinery/metadata.ts';
import {
  validateLabelName,
  validateQualifiedName,
  validateSearchName,
  validateSubdomainName,
} from '../../machinery/names.ts';
import { validateAffinity, validateTolerations, validateTopologySpread } from './affinity-validation.ts';
import { isSidecar } from '../../domain/pod-lifecycle.ts';
import { validateContainers, validateHostNetworkPorts } from './container-validation.ts';
import { validateOperatingSystem } from './operating-system-validation.ts';
import { validatePodAnnotations } from './pod-annotation-validation.ts';
import { validatePodResources, validateResources } from './resource-validation.ts';
import { validatePodSecurityContext } from './security-context-validation.ts';
import { validateVolumes } from './volume-validation.ts';
import type { Pod, PodResourceClaim, PodSpec, PodTemplateSpec } from '../../types/core/v1.gen.ts';

const MAX_SEARCHES_LENGTH = 2048;

function validateDns({ dnsPolicy, dnsConfig }: PodSpec, path: string, errors: FieldError[]): void {
  const at = `${path}.dnsConfig`;
  if (dnsPolicy === 'None') {
    if (!dnsConfig) errors.push(required(at, 'must provide `dnsConfig` when `dnsPolicy` is None'));
    else if (!dnsConfig.nameservers?.length) {
      errors.push(required(`${at}.nameservers`, 'must provide at least one DNS nameserver when `dnsPolicy` is None'));
    }
  }
  if (!dnsConfig) return;
  const { nameservers = [], searches = [], options = [] } = dnsConfig;
  if (nameservers.length > MAX_NAMESERVERS) {
    errors.push(invalid(`${at}.nameservers`, nameservers, `must not have more than ${MAX_NAMESERVERS} nameservers`));
  }
  if (searches.length > MAX_SEARCHES) {
    errors.push(invalid(`${at}.searches`, searches, `must not have more than ${MAX_SEARCHES} search paths`));
  }
  if (searches.join(' ').length > MAX_SEARCHES_LENGTH) {
    errors.push(
      invalid(
        `${at}.searches`,
        searches,
        `must not have more than ${MAX_SEARCHES_LENGTH} characters (including spaces) in the search list`,
      ),
    );
  }
  for (const [index, search] of searches.entries()) {
    if (search === '.') continue;
    for (const problem of validateSearchName(search.replace(/\.$/, '')))
      errors.push(invalid(`${at}.searches[${index}]`, search, problem));
  }
  for (const [index, option] of options.entries()) {
    if (!option.name) errors.push(required(`${at}.options[${index}]`, 'must not be empty'));
  }
}

function validateGates(spec: PodSpec, path: string, errors: FieldError[]): void {
  const names = new Set<string>();
  for (const [index, { name }] of (spec.schedulingGates ?? []).entries()) {
    const at = `${path}.schedulingGates[${index}]`;
    for (const problem of validateQualifiedName(name)) errors.push(invalid(at, name, problem));
    if (names.has(name)) errors.push(duplicate(at, name));
    names.add(name);
  }
}

/** The claims of dynamic resource allocation that containers can refer to. */
function validateResourceClaims(claims: readonly PodResourceClaim[], path: string, errors: FieldError[]): void {
  const names = new Set<string>();
  for (const [index, claim] of claims.entries()) {
    const at = `${path}[${index}]`;
    const { name, resourceClaimName, resourceClaimTemplateName } = claim;
    if (name === '') errors.push(required(`${at}.name`));
    else if (names.has(name)) errors.push(duplicate(`${at}.name`, name));
    else for (const problem of validateLabelName(name)) errors.push(invalid(`${at}.name`, name, problem));
    names.add(name);
    const given = { resourceClaimName, resourceClaimTemplateName };
    const count = Object.values(given).filter((each) => each !== undefined).length;
    if (count !== 1) {
      const shown = {
        Name: name,
        ResourceClaimName: resourceClaimName ?? null,
        ResourceClaimTemplateName: resourceClaimTemplateName ?? null,
      };
      const problem =
        count === 0
          ? 'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`'
          : 'at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified';
      errors.push(invalid(at, shown, problem));
    }
    for (const [field, claimed] of Object.entries(given)) {
      if (claimed === undefined) continue;
      for (const problem of validateSubdomainName(claimed)) errors.push(invalid(`${at}.${field}`, claimed, problem));
    }
  }
}

function validateOthers(spec: PodSpec, path: string, errors: FieldError[]): void {
  const { hostAliases, overhead } = spec;
  for (const [index, { hostnames }] of (hostAliases ?? []).entries()) {
    for (const [place, name] of (hostnames ?? []).entries()) {
      for (const problem of validateSubdomainName(name))
        errors.push(invalid(`${path}.hostAliases[${index}].hostnames[${place}]`, name, problem));
    }
  }
  if (overhead) validateResources({ limits: overhead }, `${path}.overhead`, errors);
  validatePodResources(spec, path, errors);
  validateOperatingSystem(spec, path, errors);
}

interface SpecOwner {
  /** Undefined for a template. */
  readonly name?: string;
  /** Whether what nodes are required to have must be values that a label can have. */
  readonly checksNodeValues: boolean;
}

/** Validation that pods and templates share. */
function validatePodSpec(
  spec: PodSpec,
  { name, checksNodeValues }: SpecOwner,
  path: string,
  errors: FieldError[],
): void {
  const volumes = validateVolumes(spec.volumes ?? [], name ?? '', `${path}.volumes`, errors);
  if (spec.resourceClaims) validateResourceClaims(spec.resourceClaims, `${path}.resourceClaims`, errors);
  const isPod = name !== undefined;
  validateContainers(spec, isPod, volumes, path, errors);
  validateHostNetworkPorts(spec, isPod, path, errors);
  validateDns(spec, path, errors);
  if (spec.nodeSelector) addErrors(errors, validateLabels(spec.nodeSelector, `${path}.nodeSelector`));
  validatePodSecurityContext(spec, path, errors);
  if (spec.affinity) validateAffinity(spec.affinity, `${path}.affinity`, errors, checksNodeValues);
  if (spec.topologySpreadConstraints) {
    validateTopologySpread(spec.topologySpreadConstraints, `${path}.topologySpreadConstraints`, errors);
  }
  if (spec.tolerations) validateTolerations(spec.tolerations, `${path}.tolerations`, errors);
  validateGates(spec, path, errors);
  validateOthers(spec, path, errors);
}

export function validatePod(pod: Pod, old?: Pod): FieldError[] {
  const errors: FieldError[] = [];
  const spec = pod.spec ?? { containers: [] };
  // Without a resourceVersion it is being created.
  const isNew = !pod.metadata?.resourceVersion;
  validatePodSpec(spec, { name: pod.metadata?.name ?? '', checksNodeValues: isNew }, 'spec', errors);
  if (spec.nodeName && spec.schedulingGates?.length) {
    errors.push(forbidden('spec.nodeName', 'cannot be set until all schedulingGates have been cleared'));
  }
  const { annotations } = pod.metadata ?? {};
  addErrors(errors, validatePodAnnotations(annotations, 'metadata.annotations', old?.metadata?.annotations));
  const mirror = annotations?.[MIRROR_ANNOTATION];
  if (mirror !== undefined && !spec.nodeName) {
    const why = 'must set spec.nodeName if mirror pod annotation is set';
    errors.push(invalid(`metadata.annotations[${MIRROR_ANNOTATION}]`, mirror, why));
  }
  if (isNew) validateNewSpec(spec, errors);
  return errors;
}

/** Ephemeral containers are added later, through their subresource; the rest was accepted once and may be stored. */
function validateNewSpec({ initContainers, ephemeralContainers }: PodSpec, errors: FieldError[]): void {
  if (ephemeralContainers?.length) errors.push(forbidden('spec.ephemeralContainers', 'cannot be set on create'));
  for (const [index, container] of (initContainers ?? []).entries()) {
    if (isSidecar(container)) continue;
    for (const [place, { restartPolicy }] of (container.resizePolicy ?? []).entries()) {
      if (restartPolicy !== 'RestartContainer') continue;
      const problem = "must not be set to 'RestartContainer' for non-sidecar initContainers";
      const field = `spec.initContainers[${index}].resizePolicy[${place}].restartPolicy`;
      errors.push(invalid(field, restartPolicy, problem));
    }
  }
}

/** What was accepted once, by older rules, does not hinder other changes. */
function hasOddNodeValues({ spec }: PodTemplateSpec): boolean {
  const errors: FieldError[] = [];
  if (spec?.affinity?.nodeAffinity) validateAffinity({ nodeAffinity: spec.affinity.nodeAffinity }, '', errors, true);
  return errors.length > 0;
}

/** The template of a workload. Of its metadata, only labels and annotations are validated. @param old absent for a new one */
export function validatePodTemplate(template: PodTemplateSpec, path: string, old?: PodTemplateSpec): FieldError[] {
  const errors: FieldError[] = [
    // As upstream, their paths are not quite those of the template's metadata.
    ...validateLabels(template.metadata?.labels, `${path}.labels`),
    ...validateAnnotations(template.metadata?.annotations, `${path}.annotations`),
    ...validatePodAnnotations(template.metadata?.annotations, `${path}.annotations`),
  ];
  const spec = template.spec ?? { containers: [] };
  validatePodSpec(spec, { checksNodeValues: !old || !hasOddNodeValues(old) }, `${path}.spec`, errors);
  if (spec.ephemeralContainers?.length) {
    errors.push(forbidden(`${path}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template'));
  }
  return errors;
}
