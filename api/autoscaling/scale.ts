import { defineKind } from '../machinery/define-kind.ts';
import { invalid } from '../machinery/field-error.ts';
import { always, int32, string, struct, type Static } from '../machinery/schema.ts';
import { ObjectMeta } from '../meta/object-meta.ts';

export const ScaleSpec = struct(
  'io.k8s.api.autoscaling.v1.ScaleSpec',
  {},
  {
    replicas: int32(),
  },
);
export type ScaleSpec = Static<typeof ScaleSpec>;

export const ScaleStatus = struct(
  'io.k8s.api.autoscaling.v1.ScaleStatus',
  {
    replicas: int32(),
  },
  {
    selector: string(),
  },
);
export type ScaleStatus = Static<typeof ScaleStatus>;

export const Scale = struct(
  'io.k8s.api.autoscaling.v1.Scale',
  {},
  {
    apiVersion: string(),
    kind: string(),
    metadata: always(ObjectMeta),
    spec: always(ScaleSpec),
    status: always(ScaleStatus),
  },
);
export type Scale = Static<typeof Scale>;

export const scales = defineKind<Scale>({
  group: 'autoscaling',
  version: 'v1',
  kind: 'Scale',
  plural: 'scales',
  namespaced: true,
  schema: Scale,
  verbs: [],
  validate: ({ spec }) =>
    (spec?.replicas ?? 0) < 0 ? [invalid('spec.replicas', spec?.replicas, 'must be greater than or equal to 0')] : [],
});
