import { atomic, string, struct, type Static } from '../machinery/schema.ts';

export const FieldSelectorRequirement = struct(
  'io.k8s.apimachinery.pkg.apis.meta.v1.FieldSelectorRequirement',
  {
    key: string(),
    operator: string(),
  },
  {
    values: atomic(string()),
  },
);
export type FieldSelectorRequirement = Static<typeof FieldSelectorRequirement>;
