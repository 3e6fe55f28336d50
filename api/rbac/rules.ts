import { always, atomic, string, struct, type Static } from '../machinery/schema.ts';

export const PolicyRule = struct(
  'io.k8s.api.rbac.v1.PolicyRule',
  {
    verbs: atomic(string()),
  },
  {
    apiGroups: atomic(string()),
    nonResourceURLs: atomic(string()),
    resourceNames: atomic(string()),
    resources: atomic(string()),
  },
);
export type PolicyRule = Static<typeof PolicyRule>;

export const RoleRef = struct(
  'io.k8s.api.rbac.v1.RoleRef',
  {
    kind: string(),
    name: string(),
  },
  {
    apiGroup: always(string()),
  },
  { mapType: 'atomic' },
);
export type RoleRef = Static<typeof RoleRef>;

export const Subject = struct(
  'io.k8s.api.rbac.v1.Subject',
  {
    kind: string(),
    name: string(),
  },
  {
    apiGroup: string(),
    namespace: string(),
  },
  { mapType: 'atomic' },
);
export type Subject = Static<typeof Subject>;
