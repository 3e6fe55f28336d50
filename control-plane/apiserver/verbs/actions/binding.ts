/** `pods/binding`, and the older `bindings`: give a pod its node, once. Upstream's `BindingREST`. */
import { pods } from '../../../../api/kinds/core/pod.ts';
import { badRequest, conflict, notFound } from '../../../../api/machinery/status-error.ts';
import { timeOf } from '../../../../api/machinery/time.ts';
import type { Binding, Pod } from '../../../../api/types/core/v1.gen.ts';
import type { ObjectMeta } from '../../../../api/types/meta/v1.gen.ts';
import { placeObject, type Stored } from '../../catalogue/object-meta.ts';
import type { Registry } from '../../catalogue/registry.ts';
import { BINDING } from '../../storage/update-strategy.ts';
import type { ObjectWriter } from '../../storage/write.ts';
import { SUCCESS, type Action } from '../handlers.ts';

/** What a binding may say of the pod that it means, and what messages call it. */
const PRECONDITIONS = [
  ['uid', 'UID'],
  ['resourceVersion', 'ResourceVersion'],
] as const;

export const bindPod =
  (registry: Registry, writer: ObjectWriter): Action =>
  async (admitted) => {
    const { request, object } = admitted;
    const { namespace, info } = request;
    const binding = object as Binding;
    const { metadata } = placeObject(pods, binding, namespace, info.name);
    const { target } = binding;
    if (target.kind && target.kind !== 'Node') throw badRequest(`a pod cannot be bound to a ${target.kind}`);
    if (!target.name) throw badRequest('the target of a binding needs a name');
    const name = metadata.name ?? '';
    const resource = registry.of(pods);
    const change = (old: Stored | undefined, reparse: () => Stored): Stored => {
      if (!old) throw notFound(pods, name);
      const pod = reparse() as Stored & Pod;
      checkUnbound(pod, name, metadata);
      pod.spec = { ...(pod.spec ?? { containers: [] }), nodeName: target.name };
      if (metadata.annotations) pod.metadata.annotations = { ...pod.metadata.annotations, ...metadata.annotations };
      if (metadata.labels) pod.metadata.labels = { ...pod.metadata.labels, ...metadata.labels };
      // The nomination is only for those who do not know the node yet.
      pod.status = { ...pod.status, nominatedNodeName: undefined, conditions: withScheduled(pod) };
      // Decoding completes what a condition always has.
      return resource.decode(pod).object;
    };
    await writer.update(resource, { namespace, name, part: BINDING, change }, admitted.writeContext());
    return { code: 201, object: SUCCESS };
  };

/**
 * Throws a 409 StatusError for a pod that is another one than the binding means, is being deleted, has a node, or is not ready to
 * be scheduled.
 */
function checkUnbound({ metadata, spec }: Stored & Pod, name: string, wanted: ObjectMeta): void {
  for (const [field, shown] of PRECONDITIONS) {
    if (!wanted[field] || wanted[field] === metadata[field]) continue;
    const [asked, actual] = [wanted[field], metadata[field]];
    const why = `Precondition failed: ${shown} in precondition: ${asked}, ${shown} in object meta: ${actual}`;
    throw conflict(pods, name, why);
  }
  const refused = { group: '', plural: 'pods/binding' };
  if (metadata.deletionTimestamp) {
    throw conflict(refused, name, `pod ${name} is being deleted, cannot be assigned to a host`);
  }
  if (spec?.nodeName) {
    throw conflict(refused, name, `pod ${name} is already assigned to node ${JSON.stringify(spec.nodeName)}`);
  }
  if (spec?.schedulingGates?.length) {
    throw conflict(refused, name, `pod ${name} has non-empty .spec.schedulingGates`);
  }
}

function withScheduled({ metadata, status }: Pod): NonNullable<NonNullable<Pod['status']>['conditions']> {
  const others = (status?.conditions ?? []).filter(({ type }) => type !== 'PodScheduled');
  const now = timeOf(Date.now());
  const observedGeneration = metadata?.generation;
  return [...others, { type: 'PodScheduled', status: 'True', observedGeneration, lastTransitionTime: now }];
}
