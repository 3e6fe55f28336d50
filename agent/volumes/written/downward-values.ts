/** The values of the downward API: https://kubernetes.io/docs/concepts/workloads/pods/downward-api/ */
import { containerLimit } from '../../../api/domain/pod-resources.ts';
import { parseQuantity } from '../../../api/machinery/quantity.ts';
import { own } from '../../../api/machinery/own.ts';
import type { ResourceList } from '../../../api/domain/resource-names.ts';
import type { Container, Pod, ResourceFieldSelector } from '../../../api/types/core/v1.gen.ts';

/** Text in double quotes with Go's escapes, as upstream's `%q`. */
function quoted(text: string): string {
  let result = '"';
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    if (char === '"' || char === '\\') result += `\\${char}`;
    else if (char === '\n') result += '\\n';
    else if (char === '\r') result += '\\r';
    else if (char === '\t') result += '\\t';
    else if (code < 0x20 || code === 0x7f) result += `\\x${code.toString(16).padStart(2, '0')}`;
    else result += char;
  }
  return `${result}"`;
}

const lines = (map: Readonly<Record<string, string>> = {}): string =>
  Object.entries(map)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${quoted(value)}`)
    .join('\n');

/** The value of a `fieldRef` in a volume. Throws for a path that is not supported in volumes. */
export function podField(pod: Pod, path: string): string {
  const { name = '', namespace = '', uid = '', labels, annotations } = pod.metadata ?? {};
  const one = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(path);
  if (one) return own(one[1] === 'labels' ? labels : annotations, one[2] ?? '') ?? '';
  switch (path) {
    case 'metadata.name':
      return name;
    case 'metadata.namespace':
      return namespace;
    case 'metadata.uid':
      return uid;
    case 'metadata.labels':
      return lines(labels);
    case 'metadata.annotations':
      return lines(annotations);
    default:
      throw new Error(`unsupported fieldPath: ${path}`);
  }
}

/**
 * The value of a `resourceFieldRef` in units of its divisor, rounded up. A limit that is not set is the pod's, and where that is
 * not set either, the node's allocatable amount; a request that is not set is the limit, or 0.
 */
export function containerResource(
  { spec }: Pod,
  container: Container,
  { resource, divisor = '0' }: ResourceFieldSelector,
  allocatable: ResourceList,
): string {
  const match = /^(limits|requests)\.(.+)$/.exec(resource);
  if (!match) throw new Error(`unsupported container resource: ${resource}`);
  const [, side, name = ''] = match;
  const { limits, requests } = container.resources ?? {};
  const ofPod = containerLimit(spec?.resources, name) > 0 ? own(spec?.resources?.limits, name) : undefined;
  const value =
    side === 'limits'
      ? (own(limits, name) ?? ofPod ?? own(allocatable, name) ?? '0')
      : (own(requests, name) ?? own(limits, name) ?? '0');
  const unit = parseQuantity(divisor).nano || parseQuantity('1').nano;
  const { nano } = parseQuantity(value);
  return String((nano + unit - 1n) / unit);
}
