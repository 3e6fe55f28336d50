/** Warnings about deprecated labels of nodes, wherever nodes are selected: upstream's `pkg/api/node/util.go`. */
import { validateLabelValue } from '../../machinery/names.ts';
import type { NodeSelectorTerm } from '../../types/core/v1.gen.ts';
import type { LabelSelector } from '../../types/meta/v1.gen.ts';

const renamed = (since: string, key: string): string => `deprecated since ${since}; use "${key}" instead`;

/** Deprecated node labels, and upstream's warning about each. */
const DEPRECATED: ReadonlyMap<string, string> = new Map([
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
export const deprecatedNodeLabel = (key: string): string | undefined => DEPRECATED.get(key);

/** @param checksValues whether values that no label has are worth a warning: where they are required, they are errors */
export function nodeSelectorTermWarnings(
  { matchExpressions }: NodeSelectorTerm,
  path: string,
  checksValues = false,
): string[] {
  const found: string[] = [];
  for (const [index, { key, values }] of (matchExpressions ?? []).entries()) {
    const at = `${path}.matchExpressions[${index}]`;
    const why = deprecatedNodeLabel(key);
    if (why !== undefined) found.push(`${at}.key: ${key} is ${why}`);
    for (const [place, value] of (checksValues ? (values ?? []) : []).entries())
      for (const problem of validateLabelValue(value))
        found.push(`${at}.values[${place}]: ${value} is invalid, ${problem}`);
  }
  return found;
}

/** Of a selector by labels of nodes. */
export function nodeLabelSelectorWarnings(selector: LabelSelector | undefined, path: string): string[] {
  const found: string[] = [];
  for (const [index, { key }] of (selector?.matchExpressions ?? []).entries()) {
    const why = deprecatedNodeLabel(key);
    if (why !== undefined) found.push(`${path}.matchExpressions[${index}].key: ${key} is ${why}`);
  }
  for (const key of Object.keys(selector?.matchLabels ?? {})) {
    const why = deprecatedNodeLabel(key);
    if (why !== undefined) found.push(`${path}.matchLabels.${key}: ${why}`);
  }
  return found;
}
