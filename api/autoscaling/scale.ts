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
