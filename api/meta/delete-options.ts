import { atomic, boolean, int64, pointer, string, struct, type Static } from '../machinery/schema.ts';

export const Preconditions = struct(
  'io.k8s.apimachinery.pkg.apis.meta.v1.Preconditions',
  {},
  {
    resourceVersion: pointer(string()),
    uid: pointer(string()),
  },
);
export type Preconditions = Static<typeof Preconditions>;

export const DeleteOptions = struct(
  'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions',
  {},
  {
    apiVersion: string(),
    dryRun: atomic(string()),
    gracePeriodSeconds: pointer(int64()),
    ignoreStoreReadErrorWithClusterBreakingPotential: pointer(boolean()),
    kind: string(),
    orphanDependents: pointer(boolean()),
    preconditions: Preconditions,
    propagationPolicy: pointer(string()),
  },
);
export type DeleteOptions = Static<typeof DeleteOptions>;
