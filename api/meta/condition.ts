import { int64, string, struct, time, type Static } from '../machinery/schema.ts';

export const Condition = struct(
  'io.k8s.apimachinery.pkg.apis.meta.v1.Condition',
  {
    lastTransitionTime: time(),
    message: string(),
    reason: string(),
    status: string(),
    type: string(),
  },
  {
    observedGeneration: int64(),
  },
);
export type Condition = Static<typeof Condition>;
