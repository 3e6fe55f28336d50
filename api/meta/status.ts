import { atomic, int32, string, struct, type Static } from '../machinery/schema.ts';
import { ListMeta } from './list-meta.ts';

export const StatusCause = struct(
  'io.k8s.apimachinery.pkg.apis.meta.v1.StatusCause',
  {},
  {
    field: string(),
    message: string(),
    reason: string(),
  },
);
export type StatusCause = Static<typeof StatusCause>;

export const StatusDetails = struct(
  'io.k8s.apimachinery.pkg.apis.meta.v1.StatusDetails',
  {},
  {
    causes: atomic(StatusCause),
    group: string(),
    kind: string(),
    name: string(),
    retryAfterSeconds: int32(),
    uid: string(),
  },
);
export type StatusDetails = Static<typeof StatusDetails>;

export const Status = struct(
  'io.k8s.apimachinery.pkg.apis.meta.v1.Status',
  {},
  {
    apiVersion: string(),
    code: int32(),
    details: StatusDetails,
    kind: string(),
    message: string(),
    metadata: ListMeta,
    reason: string(),
    status: string(),
  },
);
export type Status = Static<typeof Status>;
