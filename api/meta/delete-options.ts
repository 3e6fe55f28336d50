import { atomic, boolean, int64, string, struct, type Static } from '../machinery/schema.ts';

export const Preconditions = struct(
  'io.k8s.apimachinery.pkg.apis.meta.v1.Preconditions',
  {},
  {
    resourceVersion: string(),
    uid: string(),
  },
);
export type Preconditions = Static<typeof Preconditions>;

export const DeleteOptions = struct(
  'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions',
  {},
  {
    apiVersion: string(),
    dryRun: atomic(string()),
    gracePeriodSeconds: int64(),
    ignoreStoreReadErrorWithClusterBreakingPotential: boolean(),
    kind: string(),
    orphanDependents: boolean(),
    preconditions: Preconditions,
    propagationPolicy: string(),
  },
);
export type DeleteOptions = Static<typeof DeleteOptions>;
