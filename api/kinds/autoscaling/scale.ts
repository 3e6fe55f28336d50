import { defineKind } from '../../machinery/define-kind.ts';
import type { KubeObject, ScaleSubresource } from '../../machinery/kind.ts';
import { formatSelector, selectorFrom } from '../../machinery/selectors.ts';
import { Scale } from '../../types/autoscaling/v1.gen.ts';
import type { LabelSelector } from '../../types/meta/v1.gen.ts';

export const scales = defineKind<Scale>({
  group: 'autoscaling',
  version: 'v1',
  kind: 'Scale',
  plural: 'scales',
  namespaced: true,
  schema: Scale,
  verbs: [],
});

interface Scalable extends KubeObject {
  spec?: { replicas?: number };
  readonly status?: { readonly replicas?: number };
}

interface Selecting extends Scalable {
  spec?: { replicas?: number; readonly selector?: LabelSelector };
}

/** `scale` of a workload that has its replicas and its selector where Deployments have them. */
export const scaleSubresource = <T extends Selecting>(): ScaleSubresource<T> => scaleBy(({ spec }) => spec?.selector);

/** `scale` of a workload that has its replicas where Deployments have them. */
export const scaleBy = <T extends Scalable>(
  selectorOf: (object: T) => LabelSelector | undefined,
): ScaleSubresource<T> => ({
  name: 'scale',
  verbs: ['get', 'patch', 'update'],
  group: scales.group,
  version: scales.version,
  kind: scales.kind,
  body: scales,
  scaleOf: (object) => {
    const { metadata = {}, spec, status } = object;
    const selector = selectorOf(object);
    const { name, namespace, uid, resourceVersion, creationTimestamp } = metadata;
    return {
      kind: 'Scale',
      apiVersion: 'autoscaling/v1',
      metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
      spec: spec?.replicas ? { replicas: spec.replicas } : {},
      status: {
        replicas: status?.replicas ?? 0,
        ...(selector && { selector: formatSelector(selectorFrom(selector)) }),
      },
    };
  },
  setReplicas: (object: Scalable, replicas) => {
    (object.spec ??= {}).replicas = replicas;
  },
});
