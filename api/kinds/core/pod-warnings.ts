/** Warnings about pods that are valid, but probably contain a mistake. */
import { claimWarnings } from './claim-validation.ts';
import type { ContainerPort, PodSpec } from '../../types/core/v1.gen.ts';

const renamed = (since: string, key: string): string => `deprecated since ${since}; use "${key}" instead`;

/** Deprecated node labels, and upstream's warning about each. */
const DEPRECATED_NODE_LABELS: ReadonlyMap<string, string> = new Map([
  ['beta.kubernetes.io/arch', renamed('v1.14', 'kubernetes.io/arch')],
  ['beta.kubernetes.io/os', renamed('v1.14', 'kubernetes.io/os')],
  ['failure-domain.beta.kubernetes.io/region', renamed('v1.17', 'topology.kubernetes.io/region')],
  ['failure-domain.beta.kubernetes.io/zone', renamed('v1.17', 'topology.kubernetes.io/zone')],
  ['beta.kubernetes.io/instance-type', renamed('v1.17', 'node.kubernetes.io/instance-type')],
  ['app.kubernetes.io/created-by', 'deprecated since v1.9'],
  ['scheduler.alpha.kubernetes.io/preferAvoidPods', 'deprecated since v1.22; use Taints and Tolerations instead'],
  ['node-role.kubernetes.io/master', 'use "node-role.kubernetes.io/control-plane" instead'],
]);

/** The warning about selecting nodes by this label, if it is deprecated. */
export const deprecatedNodeLabel = (key: string): string | undefined => DEPRECATED_NODE_LABELS.get(key);

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

const NONE: ReadonlyMap<number, number> = new Map();

/** The indexes of items that have the name of an earlier one, and the index of that. */
function duplicates<T>(items: readonly T[], nameOf: (item: T) => string): ReadonlyMap<number, number> {
  if (items.length < 2) return NONE;
  const first = new Map<string, number>();
  const found = new Map<number, number>();
  for (const [index, item] of items.entries()) {
    const name = nameOf(item);
    const before = first.get(name);
    if (before === undefined) first.set(name, index);
    else found.set(index, before);
  }
  return found;
}

const portKey = ({ containerPort, hostPort, protocol }: ContainerPort): string =>
  `${containerPort}/${protocol}/${hostPort ?? 0}`;

export function podWarnings(spec: PodSpec | undefined, path: string): string[] {
  const warnings: string[] = [];
  for (const key in spec?.nodeSelector) {
    const why = deprecatedNodeLabel(key);
    if (why !== undefined) warnings.push(`${path}.nodeSelector[${key}]: ${why}`);
  }
  for (const field of ['initContainers', 'containers'] as const) {
    for (const [index, { env = [], ports = [] }] of (spec?.[field] ?? []).entries()) {
      const at = `${path}.${field}[${index}]`;
      for (const [place] of duplicates(env, ({ name }) => name)) {
        const name = env[place]?.name;
        warnings.push(
          `${at}.env[${place}]: hides previous definition of "${name}", which may be dropped when using apply`,
        );
      }
      for (const [place, before] of duplicates(ports, portKey)) {
        warnings.push(`${at}.ports[${place}]: duplicate port definition with ${at}.ports[${before}]`);
      }
    }
  }
  for (const [index, volume] of (spec?.volumes ?? []).entries()) {
    const at = `${path}.volumes[${index}]`;
    for (const [source, shown, since] of DEPRECATED_SOURCES) {
      if (volume[source]) warnings.push(`${at}.${shown}: deprecated in ${since}`);
    }
    const template = volume.ephemeral?.volumeClaimTemplate;
    if (!template) continue;
    const ofClaim = claimWarnings(template.spec, `${at}.ephemeral.volumeClaimTemplate.spec`);
    for (const warning of ofClaim) warnings.push(warning);
  }
  return warnings;
}
