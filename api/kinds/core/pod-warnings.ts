/** Warnings about pods that are accepted although something in them is likely a mistake. */
import type { PodSpec } from '../../types/core/v1.gen.ts';

/** Labels of nodes that have newer names. */
const DEPRECATED_NODE_LABELS: ReadonlyMap<string, string> = new Map([
  ['beta.kubernetes.io/arch', 'kubernetes.io/arch'],
  ['beta.kubernetes.io/os', 'kubernetes.io/os'],
  ['failure-domain.beta.kubernetes.io/region', 'topology.kubernetes.io/region'],
  ['failure-domain.beta.kubernetes.io/zone', 'topology.kubernetes.io/zone'],
  ['beta.kubernetes.io/instance-type', 'node.kubernetes.io/instance-type'],
]);

function duplicates(names: readonly string[]): Map<number, number> {
  const first = new Map<string, number>();
  const found = new Map<number, number>();
  for (const [index, name] of names.entries()) {
    const before = first.get(name);
    if (before === undefined) first.set(name, index);
    else found.set(index, before);
  }
  return found;
}

export function podWarnings(spec: PodSpec | undefined, path: string): string[] {
  const warnings: string[] = [];
  for (const key in spec?.nodeSelector) {
    const better = DEPRECATED_NODE_LABELS.get(key);
    if (better) warnings.push(`${path}.nodeSelector[${key}]: deprecated since v1.14; use "${better}" instead`);
  }
  for (const field of ['initContainers', 'containers'] as const) {
    for (const [index, { env = [], ports = [] }] of (spec?.[field] ?? []).entries()) {
      const at = `${path}.${field}[${index}]`;
      for (const [place] of duplicates(env.map(({ name }) => name))) {
        const name = env[place]?.name;
        warnings.push(
          `${at}.env[${place}]: hides previous definition of "${name}", which may be dropped when using apply`,
        );
      }
      const numbers = ports.map(
        ({ containerPort, hostPort, protocol }) => `${containerPort}/${protocol}/${hostPort ?? 0}`,
      );
      for (const [place, before] of duplicates(numbers)) {
        warnings.push(`${at}.ports[${place}]: duplicate port definition with ${at}.ports[${before}]`);
      }
    }
  }
  for (const [index, volume] of (spec?.volumes ?? []).entries()) {
    if (volume.gitRepo) warnings.push(`${path}.volumes[${index}].gitRepo: deprecated in v1.11`);
  }
  return warnings;
}
