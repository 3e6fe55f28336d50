import { podQuantity } from '../../../api/domain/pod-resources.ts';
import { nodes } from '../../../api/kinds/core/node.ts';
import { own } from '../../../api/machinery/own.ts';
import { compareQuantities, quantityMilliValue, quantityValue } from '../../../api/machinery/quantity.ts';
import { forbidden, StatusError } from '../../../api/machinery/status-error.ts';
import type { Node, Pod } from '../../../api/types/core/v1.gen.ts';
import type { LocalApi } from '../catalogue/local-api.ts';
import type { AdmissionPlugin, AdmissionRequest } from './plugin.ts';

const OS_LABEL = 'kubernetes.io/os';

/** Each in the unit in which messages show it. */
const RESIZED: readonly (readonly [name: string, valueOf: (quantity: string) => number])[] = [
  ['cpu', quantityMilliValue],
  ['memory', quantityValue],
];

/** What of the pod's requests is more than the node has for pods; '' when nothing is. */
function excess({ spec }: Pod, { status }: Node): string {
  const exceeded = RESIZED.flatMap(([name, valueOf]) => {
    const requested = (spec && podQuantity(spec, 'requests', name)) ?? '0';
    const allocatable = own(status?.allocatable, name) ?? '0';
    if (compareQuantities(requested, allocatable) <= 0) return [];
    return [`${name}, requested: ${valueOf(requested)}, allocatable: ${valueOf(allocatable)}`];
  });
  return exceeded.join('; ');
}

/** Resizes are rejected which the pod's node could never grant: upstream's plugin/pkg/admission/podresize. */
export const podResizeValidator = (api: Pick<LocalApi, 'get'>): AdmissionPlugin => ({
  name: 'PodResizeValidator',
  validate(request) {
    const { operation, kind, subresource, object, old } = request;
    if (subresource !== 'resize' || operation !== 'UPDATE' || kind.plural !== 'pods' || kind.group !== '') return;
    const pod: Pod = object ?? {};
    const name = pod.spec?.nodeName;
    // The generation is that of the spec: nothing else may be resized.
    if (!name || pod.metadata?.generation === old?.metadata?.generation) return;
    const node = api.get(nodes, '', name);
    if (!node) throw forbidden(kind, request.name, `node ${JSON.stringify(name)} not found`);
    const os = own(node.metadata?.labels, OS_LABEL) ?? 'linux';
    if (os !== 'linux') {
      const why = `pod resize is only supported on linux nodes, node ${JSON.stringify(name)} is ${JSON.stringify(os)}`;
      throw refusal(request, why, 'UnsupportedPlatform');
    }
    const exceeded = excess(pod, node);
    if (exceeded) throw refusal(request, `node didn't have enough allocatable resources: ${exceeded}`, 'NodeCapacity');
  },
});

/** With a cause, by which clients tell the reasons apart. */
function refusal({ kind, name }: AdmissionRequest, why: string, reason: string): StatusError {
  const { status } = forbidden(kind, name, why);
  return new StatusError({ ...status, details: { ...status.details, causes: [{ reason }] } });
}
