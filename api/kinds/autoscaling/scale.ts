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
  spec?: { replicas?: number; readonly selector?: LabelSelector };
  readonly status?: { readonly replicas?: number };
}

/** `scale` of a workload that has its replicas and its selector where Deployments have them. */
export const scaleSubresource = <T extends Scalable>(): ScaleSubresource<T> => ({
  name: 'scale',
  verbs: ['get', 'patch', 'update'],
  group: scales.group,
  version: scales.version,
  kind: scales.kind,
  body: scales,
  scaleOf: ({ metadata = {}, spec, status }) => {
    const { name, namespace, uid, resourceVersion, creationTimestamp } = metadata;
    return {
      kind: 'Scale',
      apiVersion: 'autoscaling/v1',
      metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
      spec: spec?.replicas ? { replicas: spec.replicas } : {},
      status: {
        replicas: status?.replicas ?? 0,
        ...(spec?.selector && { selector: formatSelector(selectorFrom(spec.selector)) }),
      },
    };
  },
  setReplicas: (object: Scalable, replicas) => {
    (object.spec ??= {}).replicas = replicas;
  },
});
