/** Which of its own labels a node may set: https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction */
import { own } from '../../../api/machinery/own.ts';
type Labels = Readonly<Record<string, string>> | undefined;

const RESTRICTED = 'node-restriction.kubernetes.io';
const OWN_NAMESPACES = ['kubelet.kubernetes.io', 'node.kubernetes.io'];
const OWN_LABELS = new Set([
  'kubernetes.io/hostname',
  'kubernetes.io/arch',
  'kubernetes.io/os',
  'beta.kubernetes.io/arch',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/instance-type',
  'node.kubernetes.io/instance-type',
  'failure-domain.beta.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
]);

const isIn = (namespace: string, domain: string): boolean => namespace === domain || namespace.endsWith(`.${domain}`);

function isForbidden(label: string): boolean {
  const slash = label.indexOf('/');
  const namespace = slash < 0 ? '' : label.slice(0, slash);
  if (isIn(namespace, RESTRICTED)) return true;
  if (!isIn(namespace, 'kubernetes.io') && !isIn(namespace, 'k8s.io')) return false;
  return !OWN_LABELS.has(label) && !OWN_NAMESPACES.some((domain) => isIn(namespace, domain));
}

/** The labels that differ and that a node may not change, sorted. */
export function forbiddenNodeLabels(after: Labels, before: Labels): string[] {
  const keys = new Set([...Object.keys(after ?? {}), ...Object.keys(before ?? {})]);
  return [...keys].filter((key) => own(after, key) !== own(before, key) && isForbidden(key)).sort();
}
